"""Which claims an access token carries and how each is checked (RFC 9068, RFC 7519). PURE.

Refused: a missing or mistyped claim, a foreign issuer, audience, tenant or environment, a life outside the cap, times
beyond the skew, any header but exactly ``{alg, kid, typ: "at+jwt"}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

LEEWAY_SECONDS = 10
MAXIMUM_LIFE_SECONDS = 86_400
MAXIMUM_AUDIENCES = 10
MAXIMUM_ACTORS = 5
TYPE = "at+jwt"
HEADER_FIELDS = frozenset({"alg", "kid", "typ"})
RESERVED_SUBJECTS = re.compile(r"(sa:|__)")
JTI = re.compile(r"[A-Za-z0-9_.:-]{1,128}\Z")


class TokenRefused(Exception):
    """A proof is not accepted; ``reason`` is for the operator's log, never for the caller."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """The checked claims of one access token; times are aware UTC."""

    issuer: str
    audience: str
    subject: str
    client_id: str
    jti: str
    issued_at: datetime
    not_before: datetime
    expires_at: datetime
    tenant: str
    environment: str
    scopes: tuple[str, ...]
    trust_level: int = 0
    device_id: str = ""
    session_id: str = ""
    email: str = ""
    name: str = ""
    roles: tuple[str, ...] = field(default=())
    actors: tuple[str, ...] = field(default=())
    other_audiences: tuple[str, ...] = field(default=())


def as_payload(claims: AccessClaims) -> dict[str, object]:
    """Return the JSON payload: ``scope`` as a string and ``scopes`` as an array with the same content."""
    payload: dict[str, object] = {
        "iss": claims.issuer,
        "aud": [claims.audience, *claims.other_audiences] if claims.other_audiences else claims.audience,
        "sub": claims.subject,
        "client_id": claims.client_id,
        "jti": claims.jti,
        "iat": int(claims.issued_at.timestamp()),
        "nbf": int(claims.not_before.timestamp()),
        "exp": int(claims.expires_at.timestamp()),
        "tenant": claims.tenant,
        "env": claims.environment,
        "scope": " ".join(claims.scopes),
        "scopes": list(claims.scopes),
        "trust_level": claims.trust_level,
    }
    optional = {
        "device_id": claims.device_id,
        "session_id": claims.session_id,
        "email": claims.email,
        "name": claims.name,
        "roles": list(claims.roles),
        "act": nested_actors(claims.actors),
    }
    payload.update({name: value for name, value in optional.items() if value})
    return payload


def check_header(header: Mapping[str, object]) -> str:
    """Return the ``kid`` of a header that is exactly ours; raises ``TokenRefused``."""
    if set(header) != HEADER_FIELDS or header["typ"] != TYPE:
        raise TokenRefused("header")
    kid = header["kid"]
    if not isinstance(kid, str) or not JTI.match(kid):
        raise TokenRefused("kid")
    if not isinstance(header["alg"], str):
        raise TokenRefused("alg")
    return kid


def check_payload(
    payload: Mapping[str, object], *, issuer: str, tenant: str, environment: str, now: datetime
) -> AccessClaims:
    """Return the claims of a payload whose signature is good; raises ``TokenRefused`` with the claim's name."""
    _require_equal(payload, "iss", issuer)
    _require_equal(payload, "tenant", tenant)
    _require_equal(payload, "env", environment)
    issued_at, not_before, expires_at = _times(payload, now)
    scopes = _scopes(payload)
    audiences = _audiences(payload)
    return AccessClaims(
        issuer=issuer,
        audience=audiences[0],
        subject=_subject(payload),
        client_id=_text(payload, "client_id"),
        jti=_jti(payload),
        issued_at=issued_at,
        not_before=not_before,
        expires_at=expires_at,
        tenant=tenant,
        environment=environment,
        scopes=scopes,
        trust_level=_trust_level(payload),
        device_id=_optional_text(payload, "device_id"),
        session_id=_optional_text(payload, "session_id"),
        email=_optional_text(payload, "email"),
        name=_optional_text(payload, "name"),
        roles=_optional_list(payload, "roles"),
        actors=_actors(payload.get("act"), MAXIMUM_ACTORS) if "act" in payload else (),
        other_audiences=audiences[1:],
    )


def _audiences(payload: Mapping[str, object]) -> tuple[str, ...]:
    """We mint one audience, or several that share; RFC 7519 §4.1.3: a reader must find its own in the list."""
    value = payload.get("aud")
    listed = value if isinstance(value, list) else [value]
    if not 0 < len(listed) <= MAXIMUM_AUDIENCES:
        raise TokenRefused("aud")
    return tuple(_text({"aud": one}, "aud") for one in listed)


def nested_actors(actors: tuple[str, ...]) -> dict[str, object]:
    """Return the ``act`` claim (RFC 8693 §4.1): the present actor outside, earlier ones inside."""
    if not actors:
        return {}
    inner = nested_actors(actors[1:])
    return {"sub": actors[0], "act": inner} if inner else {"sub": actors[0]}


def _actors(act: object, room: int) -> tuple[str, ...]:
    if not isinstance(act, dict) or not {"sub"} <= set(act) <= {"sub", "act"} or not room:
        raise TokenRefused("act")
    earlier = _actors(act["act"], room - 1) if "act" in act else ()
    return (_text(act, "sub"), *earlier)


def _require_equal(payload: Mapping[str, object], name: str, expected: str) -> None:
    value = payload.get(name)
    if not isinstance(value, str) or value != expected:
        raise TokenRefused(name)


def _text(payload: Mapping[str, object], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
        raise TokenRefused(name)
    return value


def _optional_text(payload: Mapping[str, object], name: str) -> str:
    return _text(payload, name) if name in payload else ""


def _optional_list(payload: Mapping[str, object], name: str) -> tuple[str, ...]:
    return _texts(payload[name], name) if name in payload else ()


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TokenRefused(name)
    return tuple(str(item) for item in value)


def _subject(payload: Mapping[str, object]) -> str:
    subject = _text(payload, "sub")
    if RESERVED_SUBJECTS.match(subject):
        raise TokenRefused("sub")
    return subject


def _jti(payload: Mapping[str, object]) -> str:
    jti = payload.get("jti")
    if not isinstance(jti, str) or not JTI.match(jti):
        raise TokenRefused("jti")
    return jti


def _scopes(payload: Mapping[str, object]) -> tuple[str, ...]:
    scopes = _texts(payload.get("scopes"), "scopes")
    scope = payload.get("scope")
    if not isinstance(scope, str) or scope != " ".join(scopes):
        raise TokenRefused("scope")
    return scopes


def _trust_level(payload: Mapping[str, object]) -> int:
    level = payload.get("trust_level", 0)
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= 3:
        raise TokenRefused("trust_level")
    return level


def _times(payload: Mapping[str, object], now: datetime) -> tuple[datetime, datetime, datetime]:
    issued, begins, ends = (_seconds(payload, name) for name in ("iat", "nbf", "exp"))
    present = now.timestamp()
    if issued > present + LEEWAY_SECONDS:
        raise TokenRefused("iat")
    if begins > present + LEEWAY_SECONDS or begins > ends:
        raise TokenRefused("nbf")
    if ends <= present or ends <= issued or ends - issued > MAXIMUM_LIFE_SECONDS:
        raise TokenRefused("exp")
    return _moment(issued), _moment(begins), _moment(ends)


def _seconds(payload: Mapping[str, object], name: str) -> int:
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        raise TokenRefused(name)
    return value


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
