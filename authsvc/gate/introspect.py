"""``POST {issuer}/oauth/introspect`` (RFC 7662).

Everything not alive in this environment is ``{"active": false}`` and no more.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest, JsonResponse

from authsvc.audit.changes import Remembered, current_changes
from authsvc.gate.authentication import admit, bearer_of, find_admission
from authsvc.gate.clients import authenticate_client, form_of
from authsvc.gate.failed_proofs import note_failed_bearer
from authsvc.gate.oauth_errors import InvalidClient, InvalidRequest
from authsvc.gate.told import Repeatable, say_repeatable
from authsvc.tenants.known import known_environment
from authsvc.tenants.models import Environment
from authsvc.tokens.claims import TokenRefused, nested_actors
from authsvc.tokens.issuer import API_AUDIENCE, issuer_of
from authsvc.tokens.models import ApiKey, IssuedToken
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.prepared import Prepared
from authsvc.web.request_id import request_id_of
from rbac.permissions import has_scope

_TIMES: Remembered[str, dict[str, object]] = Remembered(4096)
_TOKEN = Prepared(lambda tenant_id, jti: IssuedToken.objects.for_tenant(tenant_id).filter(id=jti).order_by())


def introspection_endpoint(request: HttpRequest, tenant: str, environment: str) -> JsonResponse:
    """Answer what a token of this environment is worth now. A client or a bearer with ``tokens:read`` may ask."""
    now = datetime.now(UTC)
    place = known_environment(tenant=tenant, environment=environment)
    form = form_of(request)
    caller = require_client_or_bearer(request, place, scope="tokens:read", now=now)
    raw = form.get("token", "")
    if not raw:
        raise InvalidRequest("token is missing.")
    try:
        subject = admit(raw, audience=None, now=now)
    except TokenRefused:
        return _answer({"active": False})
    if subject.environment_id != place.id:
        return _answer({"active": False})
    response = _answer(_document(subject))
    said = _repeatable(request, caller, raw, now)
    if said is not None:
        say_repeatable(response, said, subject)
    return response


def _repeatable(request: HttpRequest, caller: Caller, raw: str, now: datetime) -> Repeatable | None:
    """Return how long the answer holds: while the proof in the header and the token asked about are remembered."""
    bearer, subject = bearer_of(request.META.get("HTTP_AUTHORIZATION", "")), find_admission(raw, audience=None)
    asker = find_admission(bearer, audience=API_AUDIENCE) if bearer else None
    if subject is None or asker is None:
        return None
    until = min(subject.value.until, asker.value.until)
    return Repeatable(caller, now, until, is_decision=False, counts_for_tenant=False)


def require_client_or_bearer(request: HttpRequest, place: Environment, *, scope: str, now: datetime) -> Caller:
    """Return the caller: an OAuth client of the environment, or a bearer with ``scope`` or a gateway token of it."""
    raw = bearer_of(request.headers.get("Authorization", ""))
    if not raw:
        return authenticate_client(request, place, now=now).caller
    try:
        caller = admit(
            raw,
            audience="authsvc",
            now=now,
            address=client_address(request),
            request_id=request_id_of(request),
        )
    except TokenRefused as refusal:
        note_failed_bearer(request, raw, place=place, now=now)
        raise InvalidClient from refusal
    allowed = caller.proof == "gateway_token" or has_scope(caller, scope)
    if caller.environment_id != place.id or not allowed:
        raise InvalidClient
    return caller


def _document(subject: Caller) -> dict[str, object]:
    document: dict[str, object] = {
        "active": True,
        "token_type": "Bearer",
        "iss": issuer_of(subject.tenant, subject.environment),
        "sub": subject.principal_id,
        "aud": subject.audience,
        "scope": " ".join(sorted(subject.scopes)),
        "scopes": sorted(subject.scopes),
        "jti": subject.token_id,
        "tenant": subject.tenant,
        "env": subject.environment,
        "trust_level": subject.trust_level,
        "client_id": subject.principal_id,
    }
    if subject.device_id:
        document["device_id"] = subject.device_id
    document.update(_times(subject))
    return document


def _times(subject: Caller) -> dict[str, object]:
    """Return when the proof began and ends, and who acts: looked up once per change of the tenant."""
    known = _TIMES.find(subject.token_id)
    if known is not None:
        return known.value
    changes = current_changes(subject.tenant_id)
    times = _looked_up_times(subject)
    _TIMES.put(subject.token_id, subject.tenant_id, changes, times)
    return times


def _looked_up_times(subject: Caller) -> dict[str, object]:
    if subject.proof != "access_token":
        key = ApiKey.objects.for_tenant(subject.tenant_id).get(id=subject.token_id)
        times = {"iat": int(key.created_at.timestamp())}
        return {**times, "exp": int(key.expires_at.timestamp())} if key.expires_at else {**times}
    token = _TOKEN.first(tenant_id=subject.tenant_id, jti=subject.token_id)
    if token is None:
        return {}
    document: dict[str, object] = {
        "iat": int(token.created_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "client_id": token.client_id,
    }
    if token.actors:
        document["act"] = nested_actors(tuple(token.actors))
    return document


def _answer(document: dict[str, object]) -> JsonResponse:
    return JsonResponse(document, headers={"Cache-Control": "no-store"})
