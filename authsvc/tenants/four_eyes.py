"""Which acts of a tenant need a second operator, and the refusal of one who acts alone.

The setting belongs to the tenant and holds in all its environments. Taking an act out of it is itself such an act:
otherwise one person could first switch the rule off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import Tenant
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, ValidationFailed

Fields = Mapping[str, object]


class Act(StrEnum):
    """What may need a second operator."""

    PROMOTION = "promotion"
    TRUST = "trust"
    ADMIN_GRANT = "admin_grant"
    ENDLESS_KEY = "endless_key"
    RELAXATION = "relaxation"


SENTENCES: Mapping[Act, str] = {
    Act.PROMOTION: "Take roles, routes, channel policies and credential settings over from another environment.",
    Act.TRUST: "Raise a device to trust 3.",
    Act.ADMIN_GRANT: "Grant a scope of an administrator.",
    Act.ENDLESS_KEY: "Let a key or client secret never expire.",
    Act.RELAXATION: "No longer ask for a second operator.",
}
CHOICES = tuple(act for act in Act if act is not Act.RELAXATION)


class ReviewRequired(Conflict):
    """The tenant wants a second operator for this; ``extra`` holds what to send to ``/reviews``."""

    slug, title = "review_required", "A second operator must approve"
    default_detail = "This tenant wants a second operator to approve this; ask for a review."

    def __init__(self, caller: Caller, act: Act, fields: Fields) -> None:
        self.caller, self.act, self.fields = caller, act, fields
        super().__init__(extra={"review": {"act": act.value, "fields": dict(fields)}})


def acts_of(tenant_id: str) -> frozenset[str]:
    """Return the acts that need a second operator in this tenant."""
    stored = Tenant.objects.filter(id=tenant_id).values_list("four_eyes", flat=True).first() or []
    return frozenset(stored)


def require_second_operator(caller: Caller, act: Act, fields: Fields) -> None:
    """Raise ``ReviewRequired`` when the tenant wants a review of this act and the caller does not act on one."""
    if not caller.review_id and act.value in acts_of(caller.tenant_id):
        raise ReviewRequired(caller, act, fields)


def set_four_eyes(caller: Caller, *, acts: Iterable[str], now: datetime) -> frozenset[str]:
    """Set which acts of the caller's tenant need a second operator.

    Adding acts holds at once. Taking one out raises ``ReviewRequired``, unless a review approved exactly that.
    """
    wanted = frozenset(acts)
    unknown = sorted(wanted - set(CHOICES))
    if unknown:
        raise ValidationFailed(errors={"acts": [f"{unknown[0][:50]} is none of {', '.join(CHOICES)}."]})
    with transaction.atomic():
        tenant = Tenant.objects.select_for_update().get(id=caller.tenant_id)
        if set(tenant.four_eyes) - wanted and not caller.review_id:
            raise ReviewRequired(caller, Act.RELAXATION, {"acts": sorted(wanted)})
        if set(tenant.four_eyes) != wanted:
            tenant.four_eyes = sorted(wanted)
            tenant.save(update_fields=["four_eyes"])
            detail = {"changed": [f"four_eyes={' '.join(tenant.four_eyes) or 'nothing'}"]}
            record(caller, "tenant.updated", subject_id=tenant.id, detail=detail, now=now)
    return wanted
