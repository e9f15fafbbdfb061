"""Gateways and compiled scopes as decisions use them: looked up once per change of the tenant, never changed.

What changes a gateway gets its own row from ``gateways.get_gateway``; these are shared between threads.
"""

from __future__ import annotations

from functools import lru_cache

from authsvc.audit.changes import Remembered, current_changes
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared
from authsvc.web.problems import NotFound
from rbac.models import Gateway
from rbac.scopes import HeldScopes

MAXIMUM_REMEMBERED = 4096

_BY_ID: Remembered[tuple[str, str], Gateway] = Remembered(MAXIMUM_REMEMBERED)
_BY_AUDIENCE: Remembered[tuple[str, str], Gateway] = Remembered(MAXIMUM_REMEMBERED)
_WITH_ID = Prepared(
    lambda tenant_id, environment_id, gateway_id: (
        Gateway.objects.for_tenant(tenant_id).filter(environment_id=environment_id, id=gateway_id).order_by()
    )
)
_WITH_AUDIENCE = Prepared(
    lambda tenant_id, environment_id, audience: (
        Gateway.objects.for_tenant(tenant_id).filter(environment_id=environment_id, audience=audience).order_by()
    )
)


def known_gateway(caller: Caller, gateway_id: str) -> Gateway:
    """Return a gateway of the caller's environment for reading; raises ``NotFound``."""
    found = find_known_gateway(caller.tenant_id, caller.environment_id, gateway_id)
    if found is None:
        raise NotFound
    return found


def find_known_gateway(tenant_id: str, environment_id: str, gateway_id: str) -> Gateway | None:
    """Return a gateway by its id, if it is registered in this environment."""
    known = _BY_ID.find((environment_id, gateway_id))
    if known is not None:
        return known.value
    changes = current_changes(tenant_id)
    found = _WITH_ID.first(tenant_id=tenant_id, environment_id=environment_id, gateway_id=gateway_id)
    if found is not None:
        _BY_ID.put((environment_id, gateway_id), tenant_id, changes, found)
    return found


def known_gateway_of(*, tenant_id: str, environment_id: str, audience: str) -> Gateway | None:
    """Return the gateway of an audience, if it is registered in this environment."""
    known = _BY_AUDIENCE.find((environment_id, audience))
    if known is not None:
        return known.value
    changes = current_changes(tenant_id)
    found = _WITH_AUDIENCE.first(tenant_id=tenant_id, environment_id=environment_id, audience=audience)
    if found is not None:
        _BY_AUDIENCE.put((environment_id, audience), tenant_id, changes, found)
    return found


@lru_cache(maxsize=1024)
def compiled(scopes: frozenset[str], admin_scope: str) -> HeldScopes:
    """Return the scopes compiled; the same set is compiled once."""
    return HeldScopes(scopes, admin_scope=admin_scope)
