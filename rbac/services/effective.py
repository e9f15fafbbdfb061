"""What a principal may do now: the scopes of its living grants, for one audience."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from authsvc.audit.changes import Remembered, current_changes
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared
from authsvc.web.problems import Forbidden
from rbac.audiences import scopes_of_gateways, scopes_of_own_api
from rbac.models import Gateway, Grant
from rbac.scopes import AUTHSVC_ADMIN, HeldScopes

GrantRows = QuerySet[Grant, tuple[Any, Any, datetime | None]]


class NotHeld(Forbidden):
    """Somebody tried to hand out a right they do not have."""

    slug, title = "scope_not_held", "Scope not held"


@dataclass(frozen=True, slots=True)
class EffectiveRights:
    """What a principal holds for one audience, and when the first of the grants behind it ends."""

    scopes: frozenset[str]
    until: datetime | None


def _living_grants(tenant_id: str, principal_id: str, gateway_id: str, now: datetime) -> GrantRows:
    grants = Grant.objects.for_tenant(tenant_id).filter(principal_id=principal_id, revoked_at__isnull=True)
    living = grants.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now))
    here = living.filter(Q(gateway__isnull=True) | Q(gateway_id=gateway_id))
    return here.order_by().values_list("role__scopes", "scopes", "expires_at")


_RIGHTS: Remembered[tuple[str, str], tuple[datetime, EffectiveRights]] = Remembered(10_000)
_GRANTS = Prepared(_living_grants, moments=["now"])


def effective_scopes(*, tenant_id: str, principal_id: str, gateway: Gateway | None, now: datetime) -> frozenset[str]:
    """Return the scopes a principal holds on our own API, or on ``gateway``: every living grant's role together."""
    return effective_rights(tenant_id=tenant_id, principal_id=principal_id, gateway=gateway, now=now).scopes


def effective_rights(*, tenant_id: str, principal_id: str, gateway: Gateway | None, now: datetime) -> EffectiveRights:
    """Return what ``effective_scopes`` does, with the time until which it holds if nobody changes anything.

    A gateway that lists who may come has no rights for anybody else, whatever was granted.
    """
    if gateway is not None and not is_welcome(gateway, principal_id):
        return EffectiveRights(frozenset(), None)
    key = (principal_id, gateway.id if gateway else "")
    known = _RIGHTS.find(key)
    if known is not None and known.value[0] <= now and (known.value[1].until is None or now < known.value[1].until):
        return known.value[1]
    changes = current_changes(tenant_id)
    rights = _looked_up(tenant_id, principal_id, gateway, now)
    _RIGHTS.put(key, tenant_id, changes, (now, rights))
    return rights


def _looked_up(tenant_id: str, principal_id: str, gateway: Gateway | None, now: datetime) -> EffectiveRights:
    # No gateway has an empty id, so our own API meets only the grants that name none.
    rows = _GRANTS.rows(
        tenant_id=tenant_id, principal_id=principal_id, gateway_id=gateway.id if gateway else "", now=now
    )
    held = {scope for by_role, direct, _ in rows for scope in (*(by_role or ()), *direct)}
    ends = [expires_at for _, _, expires_at in rows if expires_at is not None]
    scopes = scopes_of_own_api(held) if gateway is None else scopes_of_gateways(held)
    return EffectiveRights(scopes, min(ends, default=None))


def effective_roles(*, tenant_id: str, principal_id: str, gateway: Gateway, now: datetime) -> list[str]:
    """Return the names of the roles a principal holds at a gateway, in order."""
    grants = Grant.objects.for_tenant(tenant_id).filter(principal_id=principal_id, revoked_at__isnull=True)
    living = grants.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), role__isnull=False)
    here = living.filter(Q(gateway__isnull=True) | Q(gateway=gateway))
    return sorted(set(here.values_list("role__name", flat=True)))


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
