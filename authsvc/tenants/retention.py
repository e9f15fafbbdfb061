"""How long a tenant keeps what is over, and the hold that keeps everything."""

from __future__ import annotations

from datetime import datetime

from authsvc.tenants.models import Tenant
from authsvc.tenants.services import change_tenant
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
    return change_tenant(caller, tenant=tenant, changes=new, now=now)
