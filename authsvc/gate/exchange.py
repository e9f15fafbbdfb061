"""Token exchange (RFC 8693): a proof becomes a shorter, narrower access token.

Subject: an access token, API key, gateway token or device secret of this environment. The result never exceeds what
the subject may do now, nor what its kind of proof may carry, nor its maximum; a token's result does not outlive it and
keeps its audience. Whoever acts for the subject (``actor_token``, else an authenticated client that is not the subject)
is recorded in ``act``. Every bad token is the same ``invalid_request`` (RFC 8693 §2.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.http import HttpRequest

from authsvc.audit.record import record
from authsvc.gate.authentication import admit
from authsvc.gate.clients import authenticate_client, client_caller, has_client_proof
from authsvc.gate.issue import Asked, Holder, gateway_of_audience, issue_token
from authsvc.gate.oauth_errors import InvalidRequest, InvalidScopeRequested, InvalidTarget
from authsvc.gate.refresh_grant import issue_refresh
from authsvc.gate.token import TokenAnswer, TokenCall, asked_of, register_grant
from authsvc.tenants.models import Principal, PrincipalKind
from authsvc.tokens.claims import MAXIMUM_ACTORS, TokenRefused
from authsvc.tokens.formats import TokenType, is_opaque_shaped
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.models import IssuedToken
from authsvc.tokens.opaque import verify_opaque
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.problems import Forbidden, Unauthenticated
from authsvc.web.request_id import request_id_of
from devices.services.authenticate import authenticate_device
from devices.services.trust import DeviceTrust, trust_of
from devices.trust import TrustLevel
from rbac.audiences import scopes_of_gateways, scopes_of_own_api
from rbac.catalogue import Audience
from rbac.credential_kinds import CredentialKind, limit_to_kind
from rbac.models import Gateway, ServiceAccount
from rbac.scopes import AUTHSVC_ADMIN, intersect
from rbac.services.effective import effective_scopes

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
OWN_TYPES = {
    TokenType.API_KEY: "urn:authsvc:token-type:api-key",
    TokenType.GATEWAY_TOKEN: "urn:authsvc:token-type:gateway-token",
    TokenType.DEVICE_SECRET: "urn:authsvc:token-type:device-secret",
}
BAD_SUBJECT = "The subject_token is not valid here."
BAD_ACTOR = "The actor_token is not valid here."


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the new token is for, what it may carry at most, and how long at most."""

    principal: Principal
    proof: str
    scopes: frozenset[str]
    trust_level: int
    actors: tuple[str, ...] = ()
    family_id: str = ""
    ttl_seconds: int | None = None


def _exchange(call: TokenCall) -> TokenAnswer:
    _require_types(call)
    asked = asked_of(call.form, TOKEN_EXCHANGE)
    subject, gateway = _subject(call, asked.audience)
    actors = _actors(call, subject)
    caller = client_caller(call.request, call.place, subject.principal, "", subject.proof)
    holder = _holder(caller, subject, gateway, asked, call.now)
    wanted = replace(
        asked,
        audience=gateway.audience if gateway else API_AUDIENCE,
        ttl_seconds=subject.ttl_seconds,
        family_id=subject.family_id,
        actors=actors,
    )
    with transaction.atomic():
        minted = issue_token(caller, holder, wanted, now=call.now)
        detail = {
            "jti": minted.claims.jti,
            "principal_id": subject.principal.id,
            "actor_id": actors[0] if actors else "",
            "audience": minted.claims.audience,
            "scopes": list(minted.claims.scopes),
            "subject_token_type": subject.proof,
        }
        record(caller, "token.exchanged", subject_id=minted.claims.jti, detail=detail, now=call.now)
        refresh = None
        if subject.proof == CredentialKind.DEVICE_SECRET and not actors:
            refresh = issue_refresh(caller, minted=minted, grant_type=TOKEN_EXCHANGE, now=call.now)
    return TokenAnswer(minted, refresh, ACCESS_TOKEN_TYPE)


def _require_types(call: TokenCall) -> None:
    form = call.form
    if not form.get("subject_token") or not form.get("subject_token_type"):
        raise InvalidRequest("subject_token and subject_token_type are required.")
    _require_type(form.get("subject_token", ""), form.get("subject_token_type", ""), "subject_token_type")
    if form.get("requested_token_type", ACCESS_TOKEN_TYPE) not in {ACCESS_TOKEN_TYPE, JWT_TYPE}:
        raise InvalidRequest("requested_token_type: only access tokens are issued.")
    if bool(form.get("actor_token")) != bool(form.get("actor_token_type")):
        raise InvalidRequest("actor_token and actor_token_type belong together.")
    if form.get("actor_token"):
        _require_type(form.get("actor_token", ""), form.get("actor_token_type", ""), "actor_token_type")


def _require_type(raw: str, stated: str, field: str) -> None:
    """An opaque proof may call itself by its own type; a bearer of either shape is also an access token."""
    own = _opaque_type(raw)
    fitting = {ACCESS_TOKEN_TYPE, JWT_TYPE if own is None else OWN_TYPES.get(own, "")}
    if stated not in fitting:
        raise InvalidRequest(f"{field} does not fit the token.")


def _subject(call: TokenCall, audience: str) -> tuple[Subject, Gateway | None]:
    gateway = gateway_of_audience(call.place.tenant_id, call.place.id, audience)
    raw = call.form.get("subject_token", "")
    if _opaque_type(raw) == TokenType.DEVICE_SECRET:
        return _device_subject(call, raw, gateway), gateway
    wanted = (gateway.audience if gateway else API_AUDIENCE) if is_opaque_shaped(raw) else None
    seen = _admitted(call, raw, wanted, BAD_SUBJECT)
    if seen.proof == CredentialKind.ACCESS_TOKEN and audience not in {"", seen.audience}:
        raise InvalidTarget("A token keeps its audience.")
    at = gateway or gateway_of_audience(seen.tenant_id, seen.environment_id, seen.audience)
    scopes = limit_to_kind(
        CredentialKind(seen.proof), seen.scopes, audience=Audience.GATEWAY if at else Audience.AUTHSVC
    )
    principal = Principal.objects.for_environment(seen).get(id=seen.principal_id)
    if seen.proof != CredentialKind.ACCESS_TOKEN:
        return Subject(principal, seen.proof, scopes, seen.trust_level), at
    row = IssuedToken.objects.for_environment(seen).filter(id=seen.token_id).first()
    if row is None:
        raise InvalidRequest(BAD_SUBJECT)
    left = int((row.expires_at - call.now).total_seconds())
    return Subject(principal, seen.proof, scopes, seen.trust_level, tuple(row.actors), row.family_id, left), at


def _device_subject(call: TokenCall, raw: str, gateway: Gateway | None) -> Subject:
    address = client_address(call.request)
    try:
        key = verify_opaque(raw, address=address, now=call.now)
        proven = authenticate_device(
            key.principal_id,
            raw,
            within=None,
            address=address,
            request_id=request_id_of(call.request),
            now=call.now,
        )
    except (TokenRefused, Unauthenticated, Forbidden) as refusal:
        raise InvalidRequest(BAD_SUBJECT) from refusal
    if proven.caller.environment_id != call.place.id:
        raise InvalidRequest(BAD_SUBJECT)
    held = effective_scopes(tenant_id=key.tenant_id, principal_id=proven.device.id, gateway=gateway, now=call.now)
    scopes = limit_to_kind(
        CredentialKind.DEVICE_SECRET,
        proven.trust.permitted(held),
        audience=Audience.GATEWAY if gateway else Audience.AUTHSVC,
    )
    return Subject(proven.device.principal, CredentialKind.DEVICE_SECRET, scopes, proven.trust.level)


def _admitted(call: TokenCall, raw: str, audience: str | None, message: str) -> Caller:
    request: HttpRequest = call.request
    try:
        seen = admit(
            raw, audience=audience, now=call.now, address=client_address(request), request_id=request_id_of(request)
        )
    except TokenRefused as refusal:
        raise InvalidRequest(message) from refusal
    if seen.environment_id != call.place.id:
        raise InvalidRequest(message)
    return seen


def _actors(call: TokenCall, subject: Subject) -> tuple[str, ...]:
    """Return who acts, the present one first; nobody when the subject acts for itself."""
    actor = ""
    if has_client_proof(call.request):
        actor = authenticate_client(call.request, call.place, now=call.now).principal.id
    if call.form.get("actor_token"):
        actor = _admitted(call, call.form.get("actor_token", ""), None, BAD_ACTOR).principal_id
    if actor in {"", subject.principal.id}:
        return subject.actors
    if len(subject.actors) >= MAXIMUM_ACTORS:
        raise InvalidRequest("The chain of actors is too long.")
    return (actor, *subject.actors)


def _holder(caller: Caller, subject: Subject, gateway: Gateway | None, asked: Asked, now: datetime) -> Holder:
    limit, default = _limits(caller, subject, gateway)
    is_device = subject.principal.kind == PrincipalKind.DEVICE
    if not limit and (asked.scopes or not is_device):  # an empty maximum would mean no limit
        raise InvalidScopeRequested
    return Holder(
        principal=subject.principal,
        client_id=subject.principal.id,
        maximum_scopes=tuple(sorted(limit)),
        default_scopes=tuple(sorted(default)),
        trust=_device_trust(subject, now) if is_device else DeviceTrust.of_service(subject.trust_level),
        device_id=subject.principal.id if is_device else "",
        may_be_empty=is_device and not limit,
    )


def _device_trust(subject: Subject, now: datetime) -> DeviceTrust:
    """Return the device's trust, at most what its proof showed, under the ceilings of its environment."""
    level = TrustLevel(subject.trust_level)
    trust = trust_of(subject.principal, proof="access_token", at_most=level, now=now)
    if trust is None:
        raise InvalidRequest(BAD_SUBJECT)
    return trust


def _limits(caller: Caller, subject: Subject, gateway: Gateway | None) -> tuple[frozenset[str], frozenset[str]]:
    """Return the most, and what an empty request gets: an account's key gives its default set, others what they are."""
    account = ServiceAccount.objects.for_environment(caller).filter(id=subject.principal.id).first()
    limit = subject.scopes
    if account is None:
        return limit, limit
    admin_scope = gateway.admin_scope if gateway else AUTHSVC_ADMIN
    mean = scopes_of_gateways if gateway else scopes_of_own_api
    if account.maximum_scopes:
        limit = intersect(limit, mean(account.maximum_scopes), admin_scope=admin_scope)
    if subject.proof == CredentialKind.ACCESS_TOKEN or not account.default_scopes:
        return limit, limit
    return limit, intersect(limit, mean(account.default_scopes), admin_scope=admin_scope)


def _opaque_type(raw: str) -> TokenType | None:
    head = raw.partition("_")[0]
    return TokenType(head) if head in set(TokenType) else None


register_grant(TOKEN_EXCHANGE, _exchange)
