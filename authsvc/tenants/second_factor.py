"""Who must show a second factor before the admin opens, and how long it counts as fresh.

Which factors there are is decided on a floor above (``authsvc/operators``); here they are django-otp's devices.
A confirmed factor is always asked for; a tenant or the platform that requires one lets nobody in without.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django_otp import device_classes

from authsvc.tenants.models import Operator
from authsvc.web.prepared import Prepared

FRESH_SECONDS = 300
SHOWN_AT = "factor_shown_at"


class Step(StrEnum):
    """What an operator still has to do after the password."""

    NONE = "none"
    SHOW = "show"
    SET_UP = "set_up"


def next_step(operator: Operator, *, is_verified: bool) -> Step:
    """Return what is left to do before the admin opens."""
    if is_verified:
        return Step.NONE
    holds_one, is_demanded = _STANDING.first(operator_id=operator.pk) or (True, True)
    if holds_one:
        return Step.SHOW
    return Step.SET_UP if is_demanded or settings.AUTHSVC_REQUIRE_MFA else Step.NONE


def has_factor(operator: Operator) -> bool:
    """True when the operator has confirmed a factor of any kind; one query."""
    return Operator.objects.filter(pk=operator.pk).filter(_holds_one()).exists()


def is_required(operator: Operator) -> bool:
    """True when the platform, or one of the operator's tenants, requires a second factor."""
    return settings.AUTHSVC_REQUIRE_MFA or operator.memberships.filter(tenant__require_mfa=True).exists()


def is_verified(request: HttpRequest) -> bool:
    """True when this session has shown a factor that still exists."""
    return bool(getattr(request.user, "otp_device", None))


def is_fresh(request: HttpRequest, now: datetime) -> bool:
    """True when this session has shown a factor within the last five minutes."""
    shown_at = request.session.get(SHOWN_AT, 0)
    return is_verified(request) and 0 <= now.timestamp() - float(shown_at) < FRESH_SECONDS


def note_shown(request: HttpRequest, now: datetime) -> None:
    """Remember when this session has shown its factor."""
    request.session[SHOWN_AT] = now.timestamp()


def _standing(operator_id: str) -> QuerySet[Any, tuple[bool, bool]]:
    """Return whether an operator has confirmed a factor, and whether a tenant of theirs requires one."""
    demanding = Operator.objects.filter(pk=OuterRef("pk"), memberships__tenant__require_mfa=True)
    holding = Operator.objects.filter(pk=OuterRef("pk")).filter(_holds_one())
    return Operator.objects.filter(pk=operator_id).values_list(Exists(holding), Exists(demanding))


def _holds_one() -> Q:
    return reduce(or_, (Q(**{f"{model._meta.model_name}__confirmed": True}) for model in device_classes()))


_STANDING = Prepared(_standing)  # asked by every page of the admin
