"""Why a token is not accepted: every check of the verifier in its order, up to the first that fails.

For administrators, about their own environment alone: a key or a proof of another one is as unknown as a made-up one.
Nothing is audited, stamped or changed, and the token is neither kept nor logged. The checks are the verifier's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from authsvc.tenants.models import Principal, PrincipalState
from authsvc.tokens.claims import AccessClaims, TokenRefused, check_header, check_payload
from authsvc.tokens.compact import CompactParts, take_apart
from authsvc.tokens.formats import is_opaque_shaped, parse
from authsvc.tokens.issuer import API_AUDIENCE, issuer_of
from authsvc.tokens.keys import verifying_backend
from authsvc.tokens.models import VERIFYING_STATES, ApiKey, SigningKey
from authsvc.tokens.revoked import is_revoked
from authsvc.web.caller import Caller

CLAIM_FAULTS = {
    "iss": "iss is not the issuer of this environment.",
    "tenant": "tenant is not this tenant.",
    "env": "env is not this environment: a token of another one is worth nothing here.",
    "exp": "exp: the token has expired, or claims a life beyond the cap.",
    "nbf": "nbf: the token is not valid yet; compare the clocks.",
    "iat": "iat: the token comes from the future; compare the clocks.",
    "scope": "scope and scopes do not say the same.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its stable name, whether the token passed it, and a sentence that holds nothing of the token."""

    name: str
    passed: bool
    detail: str


class _Failed(Exception):
    """A check failed; the message is its sentence."""


Rule = Callable[[], str]


def diagnose_token(caller: Caller, raw: str, *, audience: str, now: datetime) -> list[Check]:
    """Return the checks up to the first that fails; ``audience`` is whom the token is shown to, ours when empty."""
    look = _key_rules if is_opaque_shaped(raw) else _token_rules
    checks: list[Check] = []
    for name, rule in look(caller, raw, audience or API_AUDIENCE, now):
        try:
            checks.append(Check(name, True, rule()))
        except _Failed as failure:
            return [*checks, Check(name, False, str(failure))]
    return checks


def _token_rules(caller: Caller, raw: str, audience: str, now: datetime) -> Iterator[tuple[str, Rule]]:
    """Yield each check when it is its turn; what one found, the next ones use."""
    examined = _Examined(caller, raw, audience, now)
    yield "shape", examined.shape
    yield "key", examined.key
    yield "signature", examined.signature
    yield "claims", examined.claims
    yield "audience", examined.audience
    yield "revocation", examined.revocation
    yield "principal", examined.principal


class _Examined:
    """A JWT under examination."""

    def __init__(self, caller: Caller, raw: str, audience: str, now: datetime) -> None:
        self._caller, self._raw, self._audience, self._now = caller, raw, audience, now
        self._parts: CompactParts
        self._key: SigningKey
        self._claims: AccessClaims

    def shape(self) -> str:
        try:
            self._parts = take_apart(self._raw)
            check_header(self._parts.header)
        except TokenRefused as refusal:
            raise _Failed(f"Not a token of this service: {refusal.reason}.") from refusal
        return "Three canonical parts, and exactly our header."

    def key(self) -> str:
        kid = check_header(self._parts.header)
        found = SigningKey.objects.for_environment(self._caller).filter(kid=kid).first()
        if found is None:
            raise _Failed("No key of this environment has this kid: another environment, or another issuer.")
        if found.state not in VERIFYING_STATES:
            raise _Failed(f"The key {found.kid} is {found.state} and checks nothing.")
        self._key = found
        return f"The key {found.kid} ({found.algorithm}, {found.state}); its id is its thumbprint."

    def signature(self) -> str:
        try:
            verifying_backend(self._key).check(self._parts)
        except TokenRefused as refusal:
            reason = f"The signature is not of the key with this thumbprint ({refusal.reason})."
            raise _Failed(f"{reason} Signed elsewhere, or altered on its way.") from refusal
        return "The signature is good."

    def claims(self) -> str:
        caller = self._caller
        issuer = issuer_of(caller.tenant, caller.environment)
        try:
            self._claims = check_payload(
                self._parts.payload,
                issuer=issuer,
                tenant=caller.tenant,
                environment=caller.environment,
                now=self._now,
            )
        except TokenRefused as refusal:
            raise _Failed(CLAIM_FAULTS.get(refusal.reason, f"{refusal.reason} is missing or malformed.")) from refusal
        return f"Every claim is right; the token ends at {self._claims.expires_at:%Y-%m-%d %H:%M:%S} UTC."

    def audience(self) -> str:
        if self._audience not in (self._claims.audience, *self._claims.other_audiences):
            raise _Failed(f"The token is not for {self._audience}: ask for it with audience={self._audience}.")
        if self._key.audience not in {"", self._audience}:
            raise _Failed("The shared secret that signed belongs to another gateway.")
        return f"The token is for {self._audience}."

    def revocation(self) -> str:
        if is_revoked(self._caller.tenant_id, self._claims.jti):
            raise _Failed("The token was revoked.")
        return "The token was not revoked."

    def principal(self) -> str:
        return _active(self._caller, self._claims.subject)


def _key_rules(caller: Caller, raw: str, _audience: str, now: datetime) -> Iterator[tuple[str, Rule]]:
    parsed = parse(raw)

    def shape() -> str:
        if parsed is None:
            raise _Failed("The checksum is wrong: a character was lost or altered.")
        return "The checksum is right."

    def known() -> str:
        if _key_of(caller, parsed.id if parsed else "") is None:
            raise _Failed("No key of this environment has this id: another environment, or another service.")
        return "A key of this environment has this id; whether the secret is right is not told here."

    def alive() -> str:
        key = _key_of(caller, parsed.id if parsed else "")
        if key is None or key.revoked_at is not None:
            raise _Failed("The key was revoked.")
        if key.expires_at is not None and now >= key.expires_at:
            raise _Failed("The key has expired.")
        return f"The key is a {key.get_kind_display()} and alive."

    def principal() -> str:
        key = _key_of(caller, parsed.id if parsed else "")
        return _active(caller, key.principal_id if key else "")

    yield from (("shape", shape), ("key", known), ("revocation", alive), ("principal", principal))


def _key_of(caller: Caller, key_id: str) -> ApiKey | None:
    return ApiKey.objects.for_environment(caller).filter(id=f"key_{key_id}").first()


def _active(caller: Caller, principal_id: str) -> str:
    active = Principal.objects.for_environment(caller).filter(id=principal_id, state=PrincipalState.ACTIVE)
    if not active.exists():
        raise _Failed("The principal is disabled or gone.")
    return "The principal is active."
