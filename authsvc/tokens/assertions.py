"""Client assertions (RFC 7523 §3, ``private_key_jwt``): a JWT that a client signs with its own registered key.

Refused: another audience than the issuer itself, a life over ten minutes, a second use of the same ``jti``, a key that
is not registered, an algorithm that is not the key's, any header beyond ``alg``, ``kid`` and ``typ``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction

from authsvc.tokens.claims import JTI, LEEWAY_SECONDS, TokenRefused
from authsvc.tokens.compact import CompactParts, take_apart
from authsvc.tokens.jwt import is_signed_with
from authsvc.tokens.models import UsedAssertion
from authsvc.web.caller import Caller

MAXIMUM_ASSERTION_SECONDS = 600
TYPES = frozenset({"JWT", "client-authentication+jwt"})


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion taken apart; nothing in it is verified. ``client_id`` is whom it claims to come from."""

    client_id: str
    parts: CompactParts


def read_assertion(raw: str) -> Assertion:
    """Take an assertion apart; raises ``TokenRefused`` unless issuer and subject are one client."""
    parts = take_apart(raw)
    if not {"alg"} <= set(parts.header) <= {"alg", "kid", "typ"} or parts.header.get("typ", "JWT") not in TYPES:
        raise TokenRefused("header")
    client_id = parts.payload.get("sub")
    if not isinstance(client_id, str) or not client_id or parts.payload.get("iss") != client_id:
        raise TokenRefused("iss")
    return Assertion(client_id, parts)


def check_assertion(
    caller: Caller, assertion: Assertion, *, keys: Sequence[Mapping[str, str]], issuer: str, now: datetime
) -> None:
    """Accept an assertion once; raises ``TokenRefused``. ``keys`` are the client's registered public JWKs."""
    parts = assertion.parts
    if not any(_fits(key, parts) and is_signed_with(key, parts) for key in keys):
        raise TokenRefused("signature")
    if parts.payload.get("aud") not in (issuer, [issuer]):
        raise TokenRefused("aud")
    expires_at = _expiry(parts.payload, now)
    jti = parts.payload.get("jti")
    if not isinstance(jti, str) or not JTI.match(jti):
        raise TokenRefused("jti")
    _use_once(caller, f"{assertion.client_id} {jti}", expires_at)


def _fits(key: Mapping[str, str], parts: CompactParts) -> bool:
    kid = parts.header.get("kid")
    return key["alg"] == parts.header["alg"] and (kid is None or key.get("kid", "") in {"", kid})


def _expiry(payload: Mapping[str, object], now: datetime) -> datetime:
    present = now.timestamp()
    ends = _seconds(payload, "exp")
    if not present < ends <= present + MAXIMUM_ASSERTION_SECONDS + LEEWAY_SECONDS:
        raise TokenRefused("exp")
    for name in ("iat", "nbf"):
        if name in payload and _seconds(payload, name) > present + LEEWAY_SECONDS:
            raise TokenRefused(name)
    return datetime.fromtimestamp(ends, UTC)


def _seconds(payload: Mapping[str, object], name: str) -> int:
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        raise TokenRefused(name)
    return value


def _use_once(caller: Caller, text: str, expires_at: datetime) -> None:
    """Insert the use; the primary key lets one of several simultaneous uses through."""
    row = UsedAssertion(
        id=hashlib.sha256(f"{caller.environment_id} {text}".encode()).hexdigest(),
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        expires_at=expires_at + timedelta(seconds=LEEWAY_SECONDS),
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise TokenRefused("replayed") from error
