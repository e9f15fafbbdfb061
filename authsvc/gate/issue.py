"""What a token may carry: requested ∩ granted ∩ client maximum ∩ trust ceiling, for one audience; then it is minted.

An empty request gets the client's default set, never everything. Raises the OAuth error that names the fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from authsvc.audit.changes import look_again
from authsvc.gate.claim_values import claims_for
from authsvc.gate.oauth_errors import InvalidScopeRequested, InvalidTarget
from authsvc.tenants.models import Principal, PrincipalState
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.jwt import DEFAULT_ALGORITHM, SHARED_SECRET_ALGORITHM
from authsvc.tokens.policy import access_token_seconds
from authsvc.tokens.services import MintedToken, TokenRequest, mint
from authsvc.web.caller import Caller
from devices.services.trust import DeviceTrust
from rbac.audiences import scopes_of_gateways, scopes_of_own_api
from rbac.catalogue import expand_for_agno, is_known
from rbac.models import Gateway, GatewayKind
from rbac.scopes import AUTHSVC_ADMIN, intersect, minimise
from rbac.services.effective import effective_scopes
from rbac.services.known import known_gateway_of
from rbac.services.scopes import defined_scopes

MAXIMUM_NAMED = 255  # characters of all audiences together, as the token's row keeps them


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks for. ``scopes`` empty means the default set; ``audience`` empty means our own API."""

    scopes: tuple[str, ...]
    audience: str
    grant_type: str
    ttl_seconds: int | None = None
    family_id: str = ""
    actors: tuple[str, ...] = ()
    session_id: str = ""
    more_audiences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who the token is for, with the limits of its client."""

    principal: Principal
    client_id: str
    maximum_scopes: tuple[str, ...]
    default_scopes: tuple[str, ...]
    trust: DeviceTrust
    device_id: str = ""
    may_be_empty: bool = False  # a device without any scope is still somebody: its token says who, and opens nothing


def issue_token(caller: Caller, holder: Holder, asked: Asked, *, now: datetime) -> MintedToken:
    """Mint an access token for ``holder`` in the caller's environment, within all four limits."""
    gateway = gateway_of_audience(caller.tenant_id, caller.environment_id, asked.audience)
    scopes = issuable_scopes(caller, holder, asked.scopes, gateway, now=now)
    others = shared_gateways(caller, gateway, asked.more_audiences)
    for other in others:  # what is not allowed at each of them is carried to none
        there = issuable_scopes(caller, holder, asked.scopes, other, now=now)
        scopes = intersect(scopes, there, admin_scope=other.admin_scope)
    if others and not scopes:
        raise InvalidScopeRequested
    request = TokenRequest(
        principal_id=holder.principal.id,
        client_id=holder.client_id,
        audience=gateway.audience if gateway else API_AUDIENCE,
        scopes=scopes,
        ttl_seconds=_ttl(caller, asked),
        trust_level=holder.trust.level,
        grant_type=asked.grant_type,
        device_id=holder.device_id,
        family_id=asked.family_id,
        actors=asked.actors,
        algorithm=gateway.algorithm if gateway else DEFAULT_ALGORITHM,
        session_id=asked.session_id,
        other_audiences=tuple(other.audience for other in others),
    )
    if gateway is not None and gateway.claims:
        more = claims_for(gateway, request, holder.principal, environment=caller.environment, now=now)
        request = replace(request, more_claims=more)

    def still() -> bool:
        principals = Principal.objects.for_tenant(caller.tenant_id).filter(id=holder.principal.id)
        is_active = principals.filter(state=PrincipalState.ACTIVE).exists()
        try:
            given = [issuable_scopes(caller, holder, asked.scopes, at, now=now) for at in (gateway, *others)]
        except InvalidScopeRequested:
            return False
        return is_active and all(scopes <= here for here in given)

    return mint(caller, request, still=still, now=now)


def issuable_scopes(
    caller: Caller, holder: Holder, requested: Sequence[str], gateway: Gateway | None, *, now: datetime
) -> frozenset[str]:
    """Return what may be issued; raises ``InvalidScopeRequested`` for an unknown scope or an empty result."""
    require_known_scopes(caller, requested)
    admin_scope = gateway.admin_scope if gateway else AUTHSVC_ADMIN
    wanted = for_audience(requested or holder.default_scopes, gateway)
    scopes = _within_limits(caller, holder, wanted, gateway, now=now)
    if len(scopes) < len(wanted):  # a grant another worker has just made counts at once
        look_again(caller.tenant_id)
        scopes = _within_limits(caller, holder, wanted, gateway, now=now)
    if not scopes and not holder.may_be_empty:
        raise InvalidScopeRequested
    issued = minimise(scopes, admin_scope=admin_scope)
    return expand_for_agno(issued) if gateway and gateway.kind == GatewayKind.AGNO else issued


def _within_limits(
    caller: Caller, holder: Holder, wanted: frozenset[str], gateway: Gateway | None, *, now: datetime
) -> frozenset[str]:
    admin_scope = gateway.admin_scope if gateway else AUTHSVC_ADMIN
    granted = effective_scopes(tenant_id=caller.tenant_id, principal_id=holder.principal.id, gateway=gateway, now=now)
    scopes = intersect(wanted, holder.trust.permitted(granted), admin_scope=admin_scope)
    if holder.maximum_scopes:
        scopes = intersect(scopes, for_audience(holder.maximum_scopes, gateway), admin_scope=admin_scope)
    return scopes


def gateway_of_audience(tenant_id: str, environment_id: str, audience: str) -> Gateway | None:
    """Return the gateway a client names; none or our own name means our own API. Raises ``InvalidTarget``."""
    if audience in {"", API_AUDIENCE}:
        return None
    gateway = known_gateway_of(tenant_id=tenant_id, environment_id=environment_id, audience=audience)
    if gateway is None:
        raise InvalidTarget
    return gateway


def shared_gateways(caller: Caller, first: Gateway | None, names: Sequence[str]) -> list[Gateway]:
    """Return the further gateways a token is to be for; raises ``InvalidTarget`` unless every one of them shares.

    A token has one audience: whoever runs a gateway can use what it is shown elsewhere. Ours is never shared, nor is
    one with a secret or claims of its own, or another idea of what an administrator is.
    """
    others = [gateway_of_audience(caller.tenant_id, caller.environment_id, name) for name in names]
    everybody = [gateway for gateway in (first, *others) if gateway is not None and gateway.shares_tokens]
    alike = {(gateway.algorithm, gateway.admin_scope, gateway.kind) for gateway in everybody}
    is_own = any(gateway.claims or gateway.algorithm == SHARED_SECRET_ALGORITHM for gateway in everybody)
    text = " ".join(gateway.audience for gateway in everybody)
    if names and (len(everybody) <= len(names) or len(alike) > 1 or is_own or len(text) > MAXIMUM_NAMED):
        raise InvalidTarget("A token is for several audiences only where each of them shares its tokens.")
    return everybody[1:] if names else []


def for_audience(scopes: Sequence[str], gateway: Gateway | None) -> frozenset[str]:
    """Return those scopes that mean something to the audience."""
    return scopes_of_own_api(scopes) if gateway is None else scopes_of_gateways(scopes)


def require_known_scopes(caller: Caller, requested: Sequence[str]) -> None:
    """Refuse with ``InvalidScopeRequested`` what neither the catalogue nor the caller's environment defines."""
    unknown = [scope for scope in requested if not is_known(scope)]
    extra = defined_scopes(caller) if unknown else frozenset()
    unknown = [scope for scope in unknown if not is_known(scope, extra)]
    if unknown:
        raise InvalidScopeRequested(f"Unknown scope: {unknown[0][:100]}")


def _ttl(caller: Caller, asked: Asked) -> int:
    ceiling = access_token_seconds(caller)
    return min(asked.ttl_seconds or ceiling, ceiling)
