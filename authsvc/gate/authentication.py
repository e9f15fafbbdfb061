"""The front door: a proof becomes a Caller here and nowhere else.

Bearer tokens of the API, introspection, forward-auth and decisions all pass ``admit``. Refused: anything not signed or
issued by us, expired or revoked proofs, disabled principals, inactive devices, suspended tenants, foreign audiences.
Scopes are what the proof carries and its principal still holds.

An accepted proof is remembered by the SHA-256 of its whole text, until the tenant's count of changes moves
(``audit/changes.py``) or something in it ends by itself. A refusal is never remembered, so garbage pushes nothing out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from authsvc.audit.changes import Known, Remembered
from authsvc.gate.failed_proofs import note_failed_bearer
from authsvc.gate.standing import standing_of
from authsvc.tenants.models import PrincipalKind
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import is_opaque_shaped
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.models import ApiKeyKind
from authsvc.tokens.opaque import verified_key
from authsvc.tokens.services import verify_access_token
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.client_address import client_address
from authsvc.web.problems import Unauthenticated
from authsvc.web.proven import note_proven
from authsvc.web.request_id import request_id_of
from rbac.models import Gateway
from rbac.scopes import AUTHSVC_ADMIN, intersect

CHALLENGE = 'Bearer realm="authsvc"'
INVALID_TOKEN = f'{CHALLENGE}, error="invalid_token"'
BEARER_KINDS = frozenset({ApiKeyKind.API_KEY.value, ApiKeyKind.GATEWAY_TOKEN.value})
MAXIMUM_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Admission:
    """An accepted proof and how long it may be accepted without asking again."""

    caller: Caller
    since: datetime
    until: datetime


_ADMITTED: Remembered[tuple[bytes, str], Admission] = Remembered(MAXIMUM_REMEMBERED)


def admit(raw: str, *, audience: str | None, now: datetime, address: str = "", request_id: str = "") -> Caller:
    """Return the caller behind a token or API key; raises ``TokenRefused`` with a reason for the log alone.

    ``audience`` is ours or a gateway's; ``None`` takes a token for whatever registered audience it names.
    """
    key = _key_of(raw, audience)
    known = _ADMITTED.find(key)
    if known is not None and known.value.since <= now < known.value.until:
        return _in_request(known.value.caller, address, request_id)
    admit_kind = _admit_key if is_opaque_shaped(raw) else _admit_token
    fresh = admit_kind(raw, audience, now, address)
    if now < fresh.value.until:
        _ADMITTED.put(key, fresh.tenant_id, fresh.changes, fresh.value)
    return _in_request(fresh.value.caller, address, request_id)


def find_admission(raw: str, *, audience: str | None) -> Known[Admission] | None:
    """Return what is remembered of a proof, if it still may be used."""
    return _ADMITTED.find(_key_of(raw, audience))


def _key_of(raw: str, audience: str | None) -> tuple[bytes, str]:
    return hashlib.sha256(raw.encode("utf-8", "surrogatepass")).digest(), audience or ""


def _in_request(caller: Caller, address: str, request_id: str) -> Caller:
    """Return the caller with where this request comes from; the subject of a question comes from nowhere."""
    return replace(caller, address=address, request_id=request_id) if address or request_id else caller


class BearerAuthentication(BaseAuthentication):
    """DRF's door to :func:`admit`: the Authorization header only, never a cookie or the query."""

    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        """Return the caller, or ``None`` without a header; raises ``Unauthenticated`` for any bad proof."""
        caller = admit_request(request._request, now=datetime.now(UTC))
        return None if caller is None else (caller, "bearer")

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return CHALLENGE


def admit_request(request: HttpRequest, *, now: datetime) -> Caller | None:
    """Return the caller of a request to our own API, ``None`` without a proof; raises ``Unauthenticated``."""
    raw = bearer_of(request.META.get("HTTP_AUTHORIZATION", ""))
    if raw is None:
        return None
    address, request_id = client_address(request), request_id_of(request)
    try:
        caller = admit(raw, audience=API_AUDIENCE, now=now, address=address, request_id=request_id)
    except TokenRefused as refusal:
        note_failed_bearer(request, raw, now=now)
        raise Unauthenticated(headers={"WWW-Authenticate": INVALID_TOKEN}) from refusal
    note_proven(request, caller.tenant_id)
    return caller


def bearer_of(header: str) -> str | None:
    """Return the token of an Authorization header; ``None`` without a header, empty when it is not a bearer."""
    if not header:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else ""


def _admit_token(raw: str, audience: str | None, now: datetime, _address: str) -> Known[Admission]:
    verified = verify_access_token(raw, now=now)
    claims = verified.claims
    named = (claims.audience, *claims.other_audiences)
    meant = audience or (API_AUDIENCE if API_AUDIENCE in named else claims.audience)
    if meant not in named:
        raise TokenRefused("aud")
    standing = standing_of(
        tenant_id=verified.tenant_id,
        environment_id=verified.environment_id,
        principal_id=claims.subject,
        audience=meant,
        proof="access_token",
        now=now,
    )
    caller = Caller(
        tenant_id=verified.tenant_id,
        tenant=claims.tenant,
        environment_id=verified.environment_id,
        environment=claims.environment,
        principal_id=claims.subject,
        kind=CallerKind(standing.principal.kind),
        scopes=_common(frozenset(claims.scopes), standing.permitted, standing.gateway),
        trust_level=min(standing.trust.level, claims.trust_level),
        proof="access_token",
        token_id=claims.jti,
        device_id=claims.device_id,
        audience=meant,
        changes=verified.changes,
    )
    until = _earliest(claims.expires_at, standing.until)
    return Known(verified.tenant_id, verified.changes, Admission(caller, now, until))


def _admit_key(raw: str, audience: str | None, now: datetime, address: str) -> Known[Admission]:
    proof = verified_key(raw, address=address, now=now)
    key, tenant_id = proof.value.key, proof.tenant_id
    if key.kind not in BEARER_KINDS:
        raise TokenRefused("kind")
    wanted = audience or API_AUDIENCE
    standing = standing_of(
        tenant_id=tenant_id,
        environment_id=key.environment_id,
        principal_id=key.principal_id,
        audience=wanted,
        proof=key.kind,
        now=now,
    )
    permitted = standing.permitted
    caller = Caller(
        tenant_id=tenant_id,
        tenant=key.environment.tenant.slug,
        environment_id=key.environment_id,
        environment=key.environment.name,
        principal_id=key.principal_id,
        kind=CallerKind(standing.principal.kind),
        scopes=_common(frozenset(key.scopes), permitted, standing.gateway) if key.scopes else permitted,
        trust_level=standing.trust.level,
        proof=key.kind,
        token_id=key.id,
        device_id=key.principal_id if standing.principal.kind == PrincipalKind.DEVICE else "",
        audience=wanted,
        changes=proof.changes,
    )
    return Known(tenant_id, proof.changes, Admission(caller, now, _earliest(proof.value.until, standing.until)))


def _earliest(first: datetime, *others: datetime | None) -> datetime:
    return min([first, *(other for other in others if other is not None)])


def _common(left: frozenset[str], right: frozenset[str], gateway: Gateway | None) -> frozenset[str]:
    return _intersection(left, right, gateway.admin_scope if gateway else AUTHSVC_ADMIN)


@lru_cache(maxsize=1024)
def _intersection(left: frozenset[str], right: frozenset[str], admin_scope: str) -> frozenset[str]:
    """Many tokens carry the same scopes; their callers share one set."""
    return intersect(left, right, admin_scope=admin_scope)
