"""The front door: a proof becomes a Caller here and nowhere else.

Bearer tokens of the API, introspection, forward-auth and decisions all pass ``admit``. Refused: anything not signed or
issued by us, expired or revoked proofs, disabled principals, inactive devices, suspended tenants, foreign audiences.
Scopes are what the proof carries and its principal still holds.
"""

from __future__ import annotations

from datetime import UTC, datetime

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from authsvc.tenants.models import Principal, PrincipalKind, PrincipalState
from authsvc.tokens.api_keys import verify_opaque
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import is_opaque_shaped
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.tokens.services import VerifiedToken, verify_access_token
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.client_address import client_address
from authsvc.web.problems import Unauthenticated
from authsvc.web.request_id import request_id_of
from devices.services.trust import DeviceTrust, trust_of
from rbac.models import Gateway
from rbac.scopes import AUTHSVC_ADMIN, intersect
from rbac.services.effective import effective_scopes
from rbac.services.gateways import find_gateway_by_audience

CHALLENGE = 'Bearer realm="authsvc"'
INVALID_TOKEN = f'{CHALLENGE}, error="invalid_token"'
BEARER_KINDS = frozenset({ApiKeyKind.API_KEY.value, ApiKeyKind.GATEWAY_TOKEN.value})
BASIC_TRUST = 1


def admit(raw: str, *, audience: str | None, now: datetime, address: str = "", request_id: str = "") -> Caller:
    """Return the caller behind a token or API key; raises ``TokenRefused`` with a reason for the log alone.

    ``audience`` is ours or a gateway's; ``None`` takes a token for whatever registered audience it names.
    """
    if is_opaque_shaped(raw):
        return _admit_key(verify_opaque(raw, address=address, now=now), audience, now, address, request_id)
    return _admit_token(verify_access_token(raw, now=now), audience, now, address, request_id)


class BearerAuthentication(BaseAuthentication):
    """DRF's door to :func:`admit`: the Authorization header only, never a cookie or the query."""

    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        """Return the caller, or ``None`` without a header; raises ``Unauthenticated`` for any bad proof."""
        raw = bearer_of(request.META.get("HTTP_AUTHORIZATION", ""))
        if raw is None:
            return None
        try:
            caller = admit(
                raw,
                audience=API_AUDIENCE,
                now=datetime.now(UTC),
                address=client_address(request._request),
                request_id=request_id_of(request._request),
            )
        except TokenRefused as refusal:
            raise Unauthenticated(headers={"WWW-Authenticate": INVALID_TOKEN}) from refusal
        return caller, "bearer"

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return CHALLENGE


def bearer_of(header: str) -> str | None:
    """Return the token of an Authorization header; ``None`` without a header, empty when it is not a bearer."""
    if not header:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else ""


def _admit_token(verified: VerifiedToken, audience: str | None, now: datetime, address: str, request_id: str) -> Caller:
    claims = verified.claims
    if audience is not None and claims.audience != audience:
        raise TokenRefused("aud")
    gateway = _gateway(verified.tenant_id, verified.environment_id, claims.audience)
    principal = _active_principal(verified.tenant_id, verified.environment_id, claims.subject)
    trust = _trust(principal, "access_token", now)
    held = effective_scopes(tenant_id=verified.tenant_id, principal_id=principal.id, gateway=gateway, now=now)
    scopes = _common(frozenset(claims.scopes), trust.permitted(held), gateway)
    return Caller(
        tenant_id=verified.tenant_id,
        tenant=claims.tenant,
        environment_id=verified.environment_id,
        environment=claims.environment,
        principal_id=principal.id,
        kind=CallerKind(principal.kind),
        scopes=scopes,
        trust_level=min(trust.level, claims.trust_level),
        proof="access_token",
        token_id=claims.jti,
        device_id=claims.device_id,
        audience=claims.audience,
        request_id=request_id,
        address=address,
    )


def _admit_key(key: ApiKey, audience: str | None, now: datetime, address: str, request_id: str) -> Caller:
    if key.kind not in BEARER_KINDS:
        raise TokenRefused("kind")
    wanted = audience or API_AUDIENCE
    gateway = _gateway(key.tenant_id, key.environment_id, wanted)
    trust = _trust(key.principal, key.kind, now)
    held = trust.permitted(
        effective_scopes(tenant_id=key.tenant_id, principal_id=key.principal_id, gateway=gateway, now=now)
    )
    return Caller(
        tenant_id=key.tenant_id,
        tenant=key.environment.tenant.slug,
        environment_id=key.environment_id,
        environment=key.environment.name,
        principal_id=key.principal_id,
        kind=CallerKind(key.principal.kind),
        scopes=_common(frozenset(key.scopes), held, gateway) if key.scopes else held,
        trust_level=trust.level,
        proof=key.kind,
        token_id=key.id,
        device_id=key.principal_id if key.principal.kind == PrincipalKind.DEVICE else "",
        audience=wanted,
        request_id=request_id,
        address=address,
    )


def _gateway(tenant_id: str, environment_id: str, audience: str) -> Gateway | None:
    if audience == API_AUDIENCE:
        return None
    gateway = find_gateway_by_audience(tenant_id=tenant_id, environment_id=environment_id, audience=audience)
    if gateway is None:
        raise TokenRefused("aud")
    return gateway


def _active_principal(tenant_id: str, environment_id: str, principal_id: str) -> Principal:
    principals = Principal.objects.for_tenant(tenant_id).filter(environment_id=environment_id)
    principal = principals.filter(id=principal_id, state=PrincipalState.ACTIVE).first()
    if principal is None:
        raise TokenRefused("sub")
    return principal


def _trust(principal: Principal, proof: str, now: datetime) -> DeviceTrust:
    if principal.kind != PrincipalKind.DEVICE:
        return DeviceTrust.of_service(BASIC_TRUST)
    trust = trust_of(principal, proof=proof, now=now)
    if trust is None:
        raise TokenRefused("device")
    return trust


def _common(left: frozenset[str], right: frozenset[str], gateway: Gateway | None) -> frozenset[str]:
    return intersect(left, right, admin_scope=gateway.admin_scope if gateway else AUTHSVC_ADMIN)
