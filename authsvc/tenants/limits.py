"""Rate limits of a tenant's own, within the bounds of the service; without them everybody's apply."""

from __future__ import annotations

from datetime import datetime

from authsvc.audit.changes import Remembered, current_changes
from authsvc.tenants.models import Tenant
from authsvc.tenants.services import change_tenant
from authsvc.web.caller import Caller
from authsvc.web.limits import SETTING_BOUNDS, TenantRates
from authsvc.web.problems import NotFound, ValidationFailed

BOUNDS = {"general_limit": SETTING_BOUNDS["API_RATE_LIMIT"], "sensitive_limit": SETTING_BOUNDS["SENSITIVE_RATE_LIMIT"]}
MAXIMUM_REMEMBERED = 10_000

_RATES: Remembered[str, TenantRates] = Remembered(MAXIMUM_REMEMBERED)


def set_limits(
    caller: Caller, *, tenant: Tenant, general_limit: int | None, sensitive_limit: int | None, now: datetime
) -> Tenant:
    """Set a tenant's requests a minute; ``None`` takes everybody's. Raises ``ValidationFailed`` outside the bounds.

    Every worker applies them within a second.
    """
    new = {"general_limit": general_limit, "sensitive_limit": sensitive_limit}
    for field, bounds in BOUNDS.items():
        value = new[field]
        if value is not None and not bounds.least <= value <= bounds.most:
            raise ValidationFailed(errors={field: [f"Choose {bounds.least} to {bounds.most} requests a minute."]})
    return change_tenant(caller, tenant=tenant, changes=new, now=now)


def get_tenant(caller: Caller) -> Tenant:
    """Return the caller's own tenant; raises ``NotFound`` above all tenants."""
    tenant = Tenant.objects.filter(id=caller.tenant_id).first()
    if tenant is None:
        raise NotFound
    return tenant


def rates_of(tenant_id: str) -> TenantRates:
    """Return the rates a tenant has of its own, remembered until its count of changes moves."""
    known = _RATES.find(tenant_id)
    if known is not None:
        return known.value
    changes = current_changes(tenant_id)
    row = Tenant.objects.filter(id=tenant_id).values_list("general_limit", "sensitive_limit").first()
    rates = TenantRates(*row) if row else TenantRates()
    _RATES.put(tenant_id, tenant_id, changes, rates)
    return rates
