"""Tenants, environments and principals as hot requests use them: looked up once per change of the tenant.

They are for reading. What changes a row gets its own from ``services``; these are shared between threads.
"""

from __future__ import annotations

from authsvc.audit.changes import Remembered, current_changes
from authsvc.tenants.models import Environment, Principal, PrincipalState, Tenant, TenantState
from authsvc.web.prepared import Prepared
from authsvc.web.problems import NotFound

MAXIMUM_REMEMBERED = 4096
MAXIMUM_PRINCIPALS = 10_000

_ENVIRONMENTS: Remembered[tuple[str, str], Environment] = Remembered(MAXIMUM_REMEMBERED)
_PLACES: Remembered[str, Environment] = Remembered(MAXIMUM_REMEMBERED)
_PRINCIPALS: Remembered[str, Principal] = Remembered(MAXIMUM_PRINCIPALS)
_TENANTS: Remembered[str, Tenant] = Remembered(MAXIMUM_REMEMBERED)
_BY_NAMES = Prepared(
    lambda tenant, environment: (
        Environment.unscoped.select_related("tenant")
        .filter(tenant__slug=tenant, name=environment, tenant__state=TenantState.ACTIVE)
        .order_by()
    )
)
_PLACE = Prepared(
    lambda tenant_id, environment_id: (
        Environment.objects.for_tenant(tenant_id).select_related("tenant").filter(id=environment_id).order_by()
    )
)
_PRINCIPAL = Prepared(
    lambda tenant_id, principal_id: Principal.objects.for_tenant(tenant_id).filter(id=principal_id).order_by()
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


def find_environment(tenant_id: str, environment_id: str) -> Environment | None:
    """Return an environment by its id, with its tenant, whatever state that is in."""
    known = _PLACES.find(environment_id)
    if known is not None:
        return known.value
    changes = current_changes(tenant_id)
    found = _PLACE.first(tenant_id=tenant_id, environment_id=environment_id)
    if found is not None:
        _PLACES.put(environment_id, tenant_id, changes, found)
    return found


def find_principal(tenant_id: str, principal_id: str) -> Principal | None:
    """Return a principal by its id, disabled or not; a disabled one is looked up each time."""
    known = _PRINCIPALS.find(principal_id)
    if known is not None:
        return known.value
    changes = current_changes(tenant_id)
    found = _PRINCIPAL.first(tenant_id=tenant_id, principal_id=principal_id)
    if found is not None and found.state == PrincipalState.ACTIVE:
        _PRINCIPALS.put(principal_id, tenant_id, changes, found)
    return found
