"""Which ids somebody may act on: a token's, asked by a gateway, or the caller's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from authsvc.gate.decide import find_subject
from authsvc.tokens.models import ApiKey
from authsvc.web.caller import Caller
from rbac.models import Gateway
from rbac.scopes import AUTHSVC_ADMIN, EVERYTHING, HeldScopes, VisibleIds, intersect, is_own
from rbac.services.effective import effective_scopes
from rbac.services.known import known_gateway_of


def filter_ids(
    caller: Caller,
    *,
    token: str,
    gateway: Gateway | None,
    resource: str,
    action: str,
    ids: Sequence[str],
    now: datetime,
) -> list[str]:
    """Return those ids that a decision about each would allow, in their order; none for a token that is not valid."""
    subject = find_subject(caller, token, gateway, now)
    if subject is None:
        return []
    at = gateway or known_gateway_of(
        tenant_id=caller.tenant_id, environment_id=caller.environment_id, audience=subject.audience
    )
    held = HeldScopes(subject.scopes, admin_scope=at.admin_scope if at else AUTHSVC_ADMIN)
    return held.reachable(resource, action, ids)


def accessible_ids(caller: Caller, *, resource: str, action: str, gateway: Gateway | None, now: datetime) -> VisibleIds:
    """Return the ids on which the caller may act: on one gateway, or on any of its environment; a narrowed API key is
    narrowed here too. Own resources of this service are answered by the caller's scopes.
    """
    if is_own(resource, action, admin_scope=AUTHSVC_ADMIN) and gateway is None:
        return HeldScopes(caller.scopes, admin_scope=AUTHSVC_ADMIN).visible_ids(resource, action)
    found: set[str] = set()
    places = [gateway] if gateway else Gateway.objects.for_environment(caller)
    for place in places:
        visible = _held_at(caller, place, now).visible_ids(resource, action)
        if visible is EVERYTHING:
            return EVERYTHING
        found |= visible
    return frozenset(found)


def _held_at(caller: Caller, gateway: Gateway, now: datetime) -> HeldScopes:
    scopes = effective_scopes(tenant_id=caller.tenant_id, principal_id=caller.principal_id, gateway=gateway, now=now)
    key = ApiKey.objects.for_environment(caller).filter(id=caller.token_id).first()
    if key is not None and key.scopes:
        scopes = intersect(scopes, key.scopes, admin_scope=gateway.admin_scope)
    return HeldScopes(scopes, admin_scope=gateway.admin_scope)
