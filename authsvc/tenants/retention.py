"""How long a tenant keeps what is over, and the hold that keeps everything."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import Tenant
from authsvc.tenants.services import tenant_caller
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed

BOUNDS = {"usage_retention_days": (1, 365), "audit_retention_days": (30, 3650)}


def set_retention(
    caller: Caller,
    *,
    tenant: Tenant,
    usage_retention_days: int | None = None,
    audit_retention_days: int | None = None,
    retention_hold: bool | None = None,
    now: datetime,
) -> Tenant:
    """Change how long a tenant keeps what is over; raises ``ValidationFailed`` outside the bounds."""
    given = {
        "usage_retention_days": usage_retention_days,
        "audit_retention_days": audit_retention_days,
        "retention_hold": retention_hold,
    }
    new = {field: value for field, value in given.items() if value is not None}
    for field, (least, most) in BOUNDS.items():
        if field in new and not least <= int(new[field]) <= most:
            raise ValidationFailed(errors={field: [f"Choose {least} to {most} days."]})
    with transaction.atomic():
        for field, value in new.items():
            setattr(tenant, field, value)
        tenant.save(update_fields=sorted(new))
        inside = tenant_caller(caller, tenant)
        record(inside, "tenant.updated", subject_id=tenant.id, detail={"changed": sorted(new)}, now=now)
    return tenant
