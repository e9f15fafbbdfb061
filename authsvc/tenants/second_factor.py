"""The second factor of operators: time-based codes and recovery codes; who needs one, and who has shown it.

A confirmed factor is always asked for; a tenant that requires one lets nobody in without. Wrong codes are counted and
slow the next try (django-otp's throttling). Nothing here is shown twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction
from django_otp import devices_for_user, verify_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from authsvc.audit.record import record
from authsvc.tenants.models import Operator
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, ValidationFailed

RECOVERY_CODES = 10
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


class Step(StrEnum):
    """What an operator still has to do after the password."""

    NONE = "none"
    SHOW = "show"
    SET_UP = "set_up"


@dataclass(frozen=True, slots=True)
class ConfirmedFactor:
    """A factor that works from now on, and its recovery codes, shown once."""

    device: Any
    recovery_codes: Sequence[str] = field(repr=False)


class SecondFactorRequired(Conflict):
    """A tenant of this operator demands a second factor."""

    slug, title = "second_factor_required", "A second factor is required"
    default_detail = "A tenant you work in requires a second factor; it cannot be removed."


def next_step(operator: Operator, *, is_verified: bool) -> Step:
    """Return what is left to do before the admin opens."""
    if is_verified:
        return Step.NONE
    if has_factor(operator):
        return Step.SHOW
    return Step.SET_UP if is_required(operator) else Step.NONE


def has_factor(operator: Operator) -> bool:
    """True when the operator has confirmed a time-based code."""
    return bool(TOTPDevice.objects.filter(user_id=operator.pk, confirmed=True).exists())


def is_required(operator: Operator) -> bool:
    """True when one of the operator's tenants requires a second factor."""
    return operator.memberships.filter(tenant__require_mfa=True).exists()


def start_factor(operator: Operator) -> Any:
    """Return a fresh unconfirmed factor; an earlier unconfirmed one is forgotten."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user_id=operator.pk, confirmed=False).delete()
        return TOTPDevice.objects.create(user_id=operator.pk, name="authenticator", confirmed=False)


def confirm_factor(caller: Caller, *, operator: Operator, code: str, now: datetime) -> ConfirmedFactor:
    """Confirm the started factor with its first code and replace the others; raises ``ValidationFailed``."""
    with transaction.atomic():
        started = TOTPDevice.objects.select_for_update().filter(user_id=operator.pk, confirmed=False).first()
        if started is not None and started.verify_token(code):
            started.confirmed = True
            started.save()
            TOTPDevice.objects.filter(user_id=operator.pk).exclude(pk=started.pk).delete()
            codes = _fresh_recovery_codes(operator)
            record(caller, "operator.second_factor_enabled", subject_id=operator.id, now=now)
            return ConfirmedFactor(started, codes)
    raise _wrong_code()


def check_factor(caller: Caller, *, operator: Operator, code: str, now: datetime) -> Any:
    """Return the factor a code belongs to; raises ``ValidationFailed``, and the failure is audited."""
    typed = code.strip().replace(" ", "").lower()
    for device in devices_for_user(operator):
        found = verify_token(operator, device.persistent_id, typed)
        if found is not None:
            return found
    record(caller, "operator.second_factor_failed", subject_id=operator.id, now=now)
    raise _wrong_code()


def remove_factor(caller: Caller, *, operator: Operator, now: datetime) -> None:
    """Remove every factor of an operator; raises ``SecondFactorRequired`` where one is demanded."""
    if caller.principal_id == operator.id and is_required(operator):
        raise SecondFactorRequired
    with transaction.atomic():
        TOTPDevice.objects.filter(user_id=operator.pk).delete()
        StaticDevice.objects.filter(user_id=operator.pk).delete()
        record(caller, "operator.second_factor_removed", subject_id=operator.id, now=now)


def _fresh_recovery_codes(operator: Operator) -> tuple[str, ...]:
    StaticDevice.objects.filter(user_id=operator.pk).delete()
    device = StaticDevice.objects.create(user_id=operator.pk, name="recovery codes", confirmed=True)
    codes = tuple("".join(secrets.choice(ALPHABET) for _ in range(12)) for _ in range(RECOVERY_CODES))
    StaticToken.objects.bulk_create([StaticToken(device=device, token=code) for code in codes])
    return codes


def _wrong_code() -> ValidationFailed:
    return ValidationFailed(errors={"code": ["This code is not valid now."]})
