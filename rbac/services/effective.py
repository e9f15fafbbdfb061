"""What a principal may do now: the scopes of its living grants, for one audience."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from authsvc.web.caller import Caller
from authsvc.web.problems import Forbidden
from rbac.audiences import scopes_of_gateways, scopes_of_own_api
from rbac.models import Gateway, Grant
from rbac.scopes import AUTHSVC_ADMIN, HeldScopes


class NotHeld(Forbidden):
    """Somebody tried to hand out a right they do not have."""

    slug, title = "scope_not_held", "Scope not held"


@dataclass(frozen=True, slots=True)
class EffectiveRights:
    """What a principal holds for one audience, and when the first of the grants behind it ends."""

    scopes: frozenset[str]
    until: datetime | None


def effective_scopes(*, tenant_id: str, principal_id: str, gateway: Gateway | None, now: datetime) -> frozenset[str]:
    """Return the scopes a principal holds on our own API, or on ``gateway``: every living grant's role together."""
    return effective_rights(tenant_id=tenant_id, principal_id=principal_id, gateway=gateway, now=now).scopes


def effective_rights(*, tenant_id: str, principal_id: str, gateway: Gateway | None, now: datetime) -> EffectiveRights:
    """Return what ``effective_scopes`` does, with the time until which it holds if nobody changes anything.

    A gateway that lists who may come has no rights for anybody else, whatever was granted.
    """
    if gateway is not None and not is_welcome(gateway, principal_id):
        return EffectiveRights(frozenset(), None)
    grants = Grant.objects.for_tenant(tenant_id).filter(principal_id=principal_id, revoked_at__isnull=True)
    living = grants.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now))
    at_gateway = Q(gateway__isnull=True) if gateway is None else Q(gateway__isnull=True) | Q(gateway=gateway)
    rows = list(living.filter(at_gateway).values_list("role__scopes", "scopes", "expires_at"))
    held = {scope for by_role, direct, _ in rows for scope in (*(by_role or ()), *direct)}
    ends = [expires_at for _, _, expires_at in rows if expires_at is not None]
    scopes = scopes_of_own_api(held) if gateway is None else scopes_of_gateways(held)
    return EffectiveRights(scopes, min(ends, default=None))


def is_welcome(gateway: Gateway, principal_id: str) -> bool:
    """True when the gateway lists nobody, or this principal; its own token always opens it."""
    return not gateway.allowed_principals or principal_id in {*gateway.allowed_principals, gateway.id}


def require_may_hand_out(caller: Caller, scopes: Iterable[str], *, gateway: Gateway | None, now: datetime) -> None:
    """Raise ``NotHeld`` unless the caller holds every scope it hands out.

    The environment's administrator (``authsvc:admin``) owns its gateways, and so every right on them.
    """
    if AUTHSVC_ADMIN in caller.scopes:
        return
    wanted = list(scopes)
    own = scopes_of_own_api(wanted)
    missing = set(HeldScopes(caller.scopes, admin_scope=AUTHSVC_ADMIN).missing(sorted(own)))
    elsewhere = [scope for scope in wanted if scope not in own]
    if elsewhere:
        held = _gateway_scopes(caller, gateway, now)
        missing |= set(held.missing(elsewhere))
    if missing:
        raise NotHeld(f"You do not hold: {', '.join(sorted(missing))}.")


def _gateway_scopes(caller: Caller, gateway: Gateway | None, now: datetime) -> HeldScopes:
    if gateway is None:
        return HeldScopes(())
    held = effective_scopes(tenant_id=caller.tenant_id, principal_id=caller.principal_id, gateway=gateway, now=now)
    return HeldScopes(held, admin_scope=gateway.admin_scope)
