"""Tenants and environments as hot requests use them: looked up once per change of the tenant, never changed.

What changes a row gets its own from ``services``; these are shared between threads.
"""

from __future__ import annotations

from authsvc.audit.changes import Remembered, current_changes
from authsvc.tenants.models import Environment, Tenant, TenantState
from authsvc.web.prepared import Prepared
from authsvc.web.problems import NotFound

MAXIMUM_REMEMBERED = 4096

_ENVIRONMENTS: Remembered[tuple[str, str], Environment] = Remembered(MAXIMUM_REMEMBERED)
_TENANTS: Remembered[str, Tenant] = Remembered(MAXIMUM_REMEMBERED)
_BY_NAMES = Prepared(
    lambda tenant, environment: (
        Environment.unscoped.select_related("tenant")
        .filter(tenant__slug=tenant, name=environment, tenant__state=TenantState.ACTIVE)
        .order_by()
    )
)
_TENANT = Prepared(lambda tenant_id: Tenant.objects.filter(id=tenant_id).order_by())


def known_environment(*, tenant: str, environment: str) -> Environment:
    """Return an environment by the two names in an issuer's address; ``NotFound`` unless its tenant is active."""
    known = _ENVIRONMENTS.find((tenant, environment))
    if known is not None:
        return known.value
    found = _BY_NAMES.first(tenant=tenant, environment=environment)
    if not isinstance(found, Environment):
        raise NotFound
    # The tenant is known only now: its count is read first, then the row a second time.
    changes = current_changes(found.tenant_id)
    current = _BY_NAMES.first(tenant=tenant, environment=environment)
    if not isinstance(current, Environment):
        raise NotFound
    _ENVIRONMENTS.put((tenant, environment), current.tenant_id, changes, current)
    return current


def known_tenant(tenant_id: str) -> Tenant:
    """Return a tenant for reading its settings; raises ``NotFound``."""
    known = _TENANTS.find(tenant_id)
    if known is not None:
        return known.value
    changes = current_changes(tenant_id)
    found = _TENANT.first(tenant_id=tenant_id)
    if found is None:
        raise NotFound
    _TENANTS.put(tenant_id, tenant_id, changes, found)
    return found
