"""Tenants, environments and principals as hot requests use them: looked up once per change of the tenant.

They are for reading. What changes a row gets its own from ``services``; these are shared between threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from authsvc.audit.changes import Remembered, current_changes
from authsvc.tenants.models import Environment, Principal, Tenant, TenantState
from authsvc.web.prepared import Prepared
from authsvc.web.problems import NotFound

Row = TypeVar("Row")
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
    found = _found(_TENANTS, tenant_id, tenant_id, partial(_TENANT.first, tenant_id=tenant_id))
    if found is None:
        raise NotFound
    return found


def find_environment(tenant_id: str, environment_id: str) -> Environment | None:
    """Return an environment of a tenant by its id, whatever state the tenant is in."""
    look = partial(_PLACE.first, tenant_id=tenant_id, environment_id=environment_id)
    return _found(_PLACES, environment_id, tenant_id, look)


def find_principal(tenant_id: str, principal_id: str) -> Principal | None:
    """Return a principal of a tenant by its id, disabled or not."""
    look = partial(_PRINCIPAL.first, tenant_id=tenant_id, principal_id=principal_id)
    return _found(_PRINCIPALS, principal_id, tenant_id, look)


def _found(memory: Remembered[str, Row], row_id: str, tenant_id: str, look: Callable[[], Row | None]) -> Row | None:
    """Return a row of the tenant that is remembered or there; that it is not there is never remembered."""
    known = memory.find(row_id)
    if known is not None and known.tenant_id == tenant_id:
        return known.value
    changes = current_changes(tenant_id)
    row = look()
    if row is not None:
        memory.put(row_id, tenant_id, changes, row)
    return row
