"""Who passed the gate, told to the guarded server: plain header fields, and one short JWT that proves them.

The JWT's audience is the gateway, it lives a minute (and is told again for ten seconds), and its type keeps it from
ever being taken for an access token. Every field is always sent, empty where nothing is known, so that a proxy
overwrites what a client made up.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from authsvc.audit.changes import Remembered, current_changes
from authsvc.tokens.issuer import issuer_of
from authsvc.tokens.keys import active_key, signing_backend
from authsvc.web.caller import Caller
from authsvc.web.identifiers import new_id
from rbac.models import Gateway

LIFE_SECONDS = 60
REPEATED = timedelta(seconds=10)
MAXIMUM_REMEMBERED = 4096
IDENTITY_TYPE = "authsvc-identity+jwt"
IDENTITY_FIELDS = (
    "X-Authsvc-Subject",
    "X-Authsvc-Kind",
    "X-Authsvc-Tenant",
    "X-Authsvc-Environment",
    "X-Authsvc-Gateway",
    "X-Authsvc-Scopes",
    "X-Authsvc-Trust-Level",
    "X-Authsvc-Device",
    "X-Authsvc-Identity",
)


_SIGNED: Remembered[tuple[Caller, str], tuple[datetime, dict[str, str]]] = Remembered(MAXIMUM_REMEMBERED)


def identity_headers(caller: Caller, gateway: Gateway, *, now: datetime) -> dict[str, str]:
    """Return the header fields of an admitted caller."""
    values = (
        caller.principal_id,
        str(caller.kind),
        caller.tenant,
        caller.environment,
        gateway.id,
        " ".join(sorted(caller.scopes)),
        str(caller.trust_level),
        caller.device_id,
        identity_token(caller, gateway, now=now),
    )
    return dict(zip(IDENTITY_FIELDS, values, strict=True))


def nobody_headers() -> dict[str, str]:
    """Return the fields where nobody is known, all empty."""
    return dict.fromkeys(IDENTITY_FIELDS, "")


def known_identity_headers(caller: Caller, gateway: Gateway, *, now: datetime) -> tuple[dict[str, str], datetime]:
    """Return the header fields and until when they are told, signing the same caller here once in some seconds."""
    changes = current_changes(caller.tenant_id)
    key = (replace(caller, address="", request_id=""), gateway.id)
    known = _SIGNED.find(key)
    if known is not None and known.value[0] <= now < known.value[0] + REPEATED:
        return known.value[1], known.value[0] + REPEATED
    headers = identity_headers(caller, gateway, now=now)
    _SIGNED.put(key, caller.tenant_id, changes, (now, headers))
    return headers, now + REPEATED


def identity_token(caller: Caller, gateway: Gateway, *, now: datetime) -> str:
    """Return the signed identity, verifiable with the environment's published keys."""
    moment = int(now.timestamp())
    claims: dict[str, object] = {
        "iss": issuer_of(caller.tenant, caller.environment),
        "aud": gateway.audience,
        "sub": caller.principal_id,
        "jti": new_id("idt"),
        "iat": moment,
        "nbf": moment,
        "exp": moment + LIFE_SECONDS,
        "kind": str(caller.kind),
        "tenant": caller.tenant,
        "env": caller.environment,
        "scope": " ".join(sorted(caller.scopes)),
        "trust_level": caller.trust_level,
    }
    if caller.device_id:
        claims["device_id"] = caller.device_id
    key = active_key(caller, algorithm=gateway.algorithm, now=now)
    return signing_backend(key).encode(claims, typ=IDENTITY_TYPE)
