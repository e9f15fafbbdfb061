"""Use cases of access tokens: mint, verify, revoke.

What a principal may do is decided above and comes in as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction

from authsvc.audit.changes import Known, Remembered, current_changes
from authsvc.audit.ledger import Ledger
from authsvc.audit.record import record
from authsvc.audit.together import write_together
from authsvc.tenants.models import TenantState
from authsvc.tokens.claims import AccessClaims, TokenRefused, as_payload, check_header, check_payload
from authsvc.tokens.compact import MAXIMUM_CHARACTERS, CompactParts, take_apart
from authsvc.tokens.issuer import issuer_of
from authsvc.tokens.jwt import DEFAULT_ALGORITHM, SHARED_SECRET_ALGORITHM, SigningKeyBackend
from authsvc.tokens.keys import active_key, get_shared_secret, signing_backend, verifying_backend
from authsvc.tokens.models import VERIFYING_STATES, IssuedToken, RefreshFamily, SigningKey
from authsvc.tokens.revoked import is_known_revoked
from authsvc.web.caller import Caller
from authsvc.web.identifiers import new_id
from authsvc.web.problems import NotFound
from authsvc.web.secret_text import SecretText

_KEYS: Remembered[str, VerifyingKey] = Remembered(4096)
LASTING_REASONS = frozenset({"signature", "exp", "revoked"})
_REFUSED: Remembered[bytes, Refusal] = Remembered(1024)


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A signing key that may verify, with its public half already parsed."""

    key: SigningKey
    backend: SigningKeyBackend


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token is refused, from when on."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A fresh access token, what it says, and its row."""

    text: SecretText
    claims: AccessClaims
    row: IssuedToken


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token whose signature, claims and revocation are checked; rights are not looked at yet.

    ``changes`` is the tenant's count of changes from before anything was looked up.
    """

    tenant_id: str
    environment_id: str
    claims: AccessClaims
    changes: int


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What is to be minted; everything in it was decided by the floors above.

    ``more_claims`` stand beside ours and never replace one.
    """

    principal_id: str
    client_id: str
    audience: str
    scopes: frozenset[str]
    ttl_seconds: int
    trust_level: int
    grant_type: str
    device_id: str = ""
    family_id: str = ""
    actors: tuple[str, ...] = ()
    algorithm: str = DEFAULT_ALGORITHM
    session_id: str = ""
    other_audiences: tuple[str, ...] = ()
    more_claims: Mapping[str, str | int | list[str]] = field(default_factory=dict)


def mint(
    caller: Caller, request: TokenRequest, *, still: Callable[[], bool] = lambda: True, now: datetime
) -> MintedToken:
    """Sign an access token in the caller's environment, and write its row and audit event in one transaction.

    ``still`` says whether the request would be decided the same now; it is asked when rights changed meanwhile.
    """
    claims = _claims(caller, request, now)
    payload = {**request.more_claims, **as_payload(claims)}
    text = signing_backend(_minting_key(caller, request, now)).encode(payload)
    row = IssuedToken(
        id=claims.jti,
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        principal_id=request.principal_id,
        client_id=request.client_id,
        audience=named_audiences(request),
        scopes=list(claims.scopes),
        grant_type=request.grant_type,
        trust_level=request.trust_level,
        family_id=request.family_id,
        actors=list(request.actors),
        created_at=now,
        expires_at=claims.expires_at,
    )
    detail = _issue_detail(claims, request)

    def issue(ledger: Ledger) -> None:
        ledger.insert(row)
        ledger.record(caller, "token.issued", subject_id=claims.jti, detail=detail, now=now)

    write_together(caller, issue, still=still)
    return MintedToken(SecretText(text), claims, row)


def verify_access_token(raw: str, *, now: datetime) -> VerifiedToken:
    """Return the verified token; raises ``TokenRefused`` with a reason that only the log sees.

    The key is found by ``kid`` alone; issuer, tenant and environment must then be those of the key's owner. What is
    refused for a reason that lasts is remembered apart from what is accepted, until the tenant's rights change.
    """
    name = sha256(raw.encode("utf-8", "surrogatepass")).digest() if len(raw) <= MAXIMUM_CHARACTERS else b""
    refused = _REFUSED.find(name)
    if refused is not None and refused.value.since <= now:
        raise TokenRefused(refused.value.reason)
    parts = take_apart(raw)
    known = _verifying_key(check_header(parts.header))
    try:
        return _verified(parts, known, now)
    except TokenRefused as refusal:
        if refusal.reason in LASTING_REASONS:
            _REFUSED.put(name, known.tenant_id, known.changes, Refusal(refusal.reason, now))
        raise


def _verified(parts: CompactParts, known: Known[VerifyingKey], now: datetime) -> VerifiedToken:
    key = known.value.key
    payload = known.value.backend.check(parts)
    tenant, environment = key.environment.tenant.slug, key.environment.name
    issuer = issuer_of(tenant, environment)
    claims = check_payload(payload, issuer=issuer, tenant=tenant, environment=environment, now=now)
    if key.audience and (claims.audience != key.audience or claims.other_audiences):
        raise TokenRefused("aud")
    if is_known_revoked(key.tenant_id, claims.jti, now=now):
        raise TokenRefused("revoked")
    return VerifiedToken(key.tenant_id, key.environment_id, claims, known.changes)


def get_token(caller: Caller, jti: str) -> IssuedToken:
    """Return an issued token of the caller's environment; raises ``NotFound``."""
    token = IssuedToken.objects.for_environment(caller).filter(id=jti).first()
    if token is None:
        raise NotFound
    return token


def revoke_token(caller: Caller, *, jti: str, reason: str, now: datetime) -> bool:
    """Revoke one token of the caller's environment; True when it was alive. Raises ``NotFound`` for an unknown id."""
    token = get_token(caller, jti)
    with transaction.atomic():
        alive = IssuedToken.objects.for_environment(caller).filter(id=jti, revoked_at__isnull=True)
        if not alive.update(revoked_at=now):
            return False
        detail = {"jti": jti, "principal_id": token.principal_id, "reason": reason}
        record(caller, "token.revoked", subject_id=jti, detail=detail, now=now)
    return True


def revoke_all_tokens(caller: Caller, *, principal_id: str, reason: str, now: datetime) -> int:
    """Revoke every living token of a principal, or of the whole environment when ``principal_id`` is empty.

    Their refresh families end with them; the count is that of the access tokens.
    """
    whose = {"principal_id": principal_id} if principal_id else {}
    with transaction.atomic():
        families = RefreshFamily.objects.for_environment(caller).filter(ended_at__isnull=True, **whose)
        families.update(ended_at=now, end_reason="all tokens revoked")
        alive = IssuedToken.objects.for_environment(caller).filter(revoked_at__isnull=True, expires_at__gt=now)
        count = alive.filter(**whose).update(revoked_at=now)
        detail = {"principal_id": principal_id, "count": count, "reason": reason}
        record(caller, "tokens.revoked_all", subject_id=principal_id, detail=detail, now=now)
    return count


def _claims(caller: Caller, request: TokenRequest, now: datetime) -> AccessClaims:
    moment = now.replace(microsecond=0)
    return AccessClaims(
        issuer=issuer_of(caller.tenant, caller.environment),
        audience=request.audience,
        subject=request.principal_id,
        client_id=request.client_id,
        jti=new_id("jti"),
        issued_at=moment,
        not_before=moment,
        expires_at=moment + timedelta(seconds=request.ttl_seconds),
        tenant=caller.tenant,
        environment=caller.environment,
        scopes=tuple(sorted(request.scopes)),
        trust_level=request.trust_level,
        device_id=request.device_id,
        session_id=request.session_id,
        actors=request.actors,
        other_audiences=request.other_audiences,
    )


def named_audiences(request: TokenRequest) -> str:
    """Return whom a token is for as one text, as its row and its event keep it."""
    return " ".join((request.audience, *request.other_audiences))


def _issue_detail(claims: AccessClaims, request: TokenRequest) -> dict[str, str | int | bool | list[str] | None]:
    scopes: Iterable[str] = claims.scopes
    return {
        "jti": claims.jti,
        "principal_id": claims.subject,
        "audience": named_audiences(request),
        "scopes": list(scopes),
        "grant_type": request.grant_type,
        "expires_at": claims.expires_at.isoformat(),
    }


def _minting_key(caller: Caller, request: TokenRequest, now: datetime) -> SigningKey:
    if request.algorithm == SHARED_SECRET_ALGORITHM:
        return get_shared_secret(caller, audience=request.audience)
    return active_key(caller, algorithm=request.algorithm, now=now)


def _verifying_key(kid: str) -> Known[VerifyingKey]:
    """Return the key that may verify now, remembered until the tenant's count of changes moves."""
    known = _KEYS.find(kid)
    if known is not None:
        return known
    tenant_id = SigningKey.unscoped.filter(kid=kid).values_list("tenant_id", flat=True).first()
    if tenant_id is None:
        raise TokenRefused("kid")
    changes = current_changes(tenant_id)
    found = (
        SigningKey.unscoped.select_related("environment__tenant")
        .filter(kid=kid, state__in=VERIFYING_STATES, environment__tenant__state=TenantState.ACTIVE)
        .first()
    )
    if not isinstance(found, SigningKey):
        raise TokenRefused("kid")
    value = VerifyingKey(found, verifying_backend(found))
    _KEYS.put(kid, tenant_id, changes, value)
    return Known(tenant_id, changes, value)
