"""Use cases of long opaque proofs: issue, verify, rotate with overlap, revoke. Only keyed hashes are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import DatabaseError, transaction

from authsvc.audit.changes import Remembered, current_changes
from authsvc.audit.record import record
from authsvc.tenants.four_eyes import Act, acts_of, require_second_operator
from authsvc.tenants.models import Principal, PrincipalState, TenantState
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import OpaqueToken, generate, is_same_hash, keyed_hash, parse, parse_imported
from authsvc.tokens.models import TYPE_OF_KIND, ApiKey, ApiKeyKind, TokenPolicy
from authsvc.tokens.policy import token_policy
from authsvc.web.address_ranges import checked_address_ranges, is_address_allowed
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared
from authsvc.web.problems import Conflict, NotFound, ValidationFailed
from authsvc.web.secret_text import SecretText

log = structlog.get_logger("authsvc.tokens")
LAST_USED_SECONDS = 60
DEFAULT_LIFE_DAYS = 90
CLIENT_SECRET_DAYS = 365


ROTATED_FIELDS = (
    "previous_secret_hash",
    "previous_valid_until",
    "secret_hash",
    "last_four",
    "rotated_at",
    "rotate_after",
)


_OF_RELATED = (
    "principal__kind",
    "principal__state",
    "environment__name",
    "environment__tenant",
    "environment__tenant__slug",
    "environment__tenant__state",
)
_KEY = Prepared(
    lambda key_id, environment: (
        ApiKey.unscoped.select_related("principal", "environment__tenant")
        .only(*(field.name for field in ApiKey._meta.concrete_fields), *_OF_RELATED)
        .filter(id=key_id, environment__name=environment)
        .order_by()
    )
)


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """A living key, and how long that holds by itself."""

    key: ApiKey
    since: datetime
    until: datetime


_VERIFIED: Remembered[bytes, VerifiedKey] = Remembered(10_000)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A fresh opaque proof: the row, and the text that is shown once."""

    key: ApiKey
    text: SecretText


def issue_api_key(
    caller: Caller,
    *,
    principal: Principal,
    kind: ApiKeyKind,
    name: str,
    now: datetime,
    scopes: Sequence[str] = (),
    address_ranges: Sequence[str] = (),
    expires_at: datetime | None = None,
    imported: SecretText | None = None,
) -> IssuedKey:
    """Issue a long opaque proof to a principal of the caller's environment; raises ``ValidationFailed``.

    With ``imported`` the proof is that text, which another product made, until it is rotated.

    Without ``expires_at`` an API key or gateway token lives 90 days and a device secret as long as the environment's
    policy allows; a client secret has no end, but where the tenant wants a second operator for endless keys it lives
    90 days too.
    """
    policy = token_policy(tenant_id=caller.tenant_id, environment_id=caller.environment_id)
    token = generate(TYPE_OF_KIND[kind], caller.environment)
    text = imported or token.text
    hashed = keyed_hash(pepper(), text)
    key = ApiKey(
        id=f"key_{token.id}",
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        kind=kind,
        principal=principal,
        name=name,
        secret_hash=hashed,
        imported_hash=hashed if imported else None,
        last_four=text.reveal()[-4:],
        scopes=list(scopes),
        address_ranges=checked_address_ranges(address_ranges),
        created_at=now,
        rotate_after=now + timedelta(days=policy.rotation_due_days),
        expires_at=_checked_expiry(kind, expires_at, policy, now),
    )
    with transaction.atomic():
        if imported and ApiKey.unscoped.filter(imported_hash=hashed).exists():
            raise ValidationFailed(errors={"token": ["This token is in use already; let us make a new one."]})
        key.save(force_insert=True)
        detail = {
            "kind": str(kind),
            "principal_id": principal.id,
            "name": name,
            "fingerprint": key.secret_hash[:12],
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        }
        event = "api_key.imported" if imported else "api_key.issued"
        record(caller, event, subject_id=key.id, detail=detail, now=now)
    return IssuedKey(key, text)


def verify_opaque(text: str, *, address: str, now: datetime) -> ApiKey:
    """Return the living key behind an opaque proof, for reading; raises ``TokenRefused``.

    A bad checksum costs no query. A good key is remembered like every accepted proof: until the tenant's count of
    changes moves, and a minute at most.
    """
    name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    known = _VERIFIED.find(name)
    if known is not None and known.value.since <= now < known.value.until:
        return known.value.key
    tenant_id, changes = changes_before(text)
    key = _verified(text, address, now)
    until = remembered_until(key, now)
    if now < until:
        _VERIFIED.put(name, tenant_id, changes, VerifiedKey(key, now, until))
    return key


def remembered_until(key: ApiKey, now: datetime) -> datetime:
    """A key bound to addresses is looked at every time; any other once a minute, to stamp its use."""
    if key.address_ranges:
        return now
    overlap = key.previous_valid_until if key.previous_valid_until and now < key.previous_valid_until else None
    ends = [now + timedelta(seconds=LAST_USED_SECONDS), key.expires_at, overlap]
    return min(end for end in ends if end is not None)


def is_key_alive(tenant_id: str, key_id: str, *, now: datetime) -> bool:
    """True when the key of this id is neither revoked nor over."""
    key = ApiKey.objects.for_tenant(tenant_id).filter(id=key_id, revoked_at__isnull=True).first()
    return key is not None and (key.expires_at is None or now < key.expires_at)


def _verified(text: str, address: str, now: datetime) -> ApiKey:
    key, hashed = _presented(text)
    if key is None or not _is_current(key, hashed, now):
        raise TokenRefused("unknown or replaced")
    reason = _refusal(key, address, now)
    if reason:
        raise TokenRefused(reason)
    stamp_last_used(key, now)
    return key


def changes_before(text: str) -> tuple[str, int]:
    """Return (tenant id, its count of changes) to remember an opaque proof under; raises ``TokenRefused``.

    Call it before ``verify_opaque``: a change after this makes what was remembered stale.
    """
    imported = parse_imported(text)
    if imported is not None:
        tenant_id = _tenant_of_imported(keyed_hash(pepper(), imported))
        return tenant_id, current_changes(tenant_id)
    token = parse(text)
    if token is None:
        raise TokenRefused("shape")
    tenant_id = _tenant_of_key(f"key_{token.id}")
    return tenant_id, current_changes(tenant_id)


def find_named_key(text: str) -> ApiKey | None:
    """Return the key a text names, whether or not it proves it: for counting failures, never for admitting."""
    try:
        return _presented(text)[0]
    except TokenRefused:
        return None


def rotate_api_key(caller: Caller, *, key: ApiKey, overlap_seconds: int, now: datetime) -> IssuedKey:
    """Give a key a new secret under the same id; the old one works until the overlap ends."""
    token = generate(TYPE_OF_KIND[key.kind], caller.environment, key.id.removeprefix("key_"))
    with transaction.atomic():
        locked = ApiKey.objects.for_environment(caller).select_for_update().get(id=key.id)
        locked.previous_secret_hash = locked.secret_hash
        locked.previous_valid_until = now + timedelta(seconds=overlap_seconds)
        locked.secret_hash = keyed_hash(pepper(), token.text)
        locked.last_four, locked.rotated_at = token.last_four, now
        policy = token_policy(tenant_id=caller.tenant_id, environment_id=caller.environment_id)
        locked.rotate_after = now + timedelta(days=policy.rotation_due_days)
        locked.save(update_fields=ROTATED_FIELDS)
        detail = {
            "kind": locked.kind,
            "principal_id": locked.principal_id,
            "fingerprint": locked.secret_hash[:12],
            "overlap_until": locked.previous_valid_until.isoformat(),
        }
        record(caller, "api_key.rotated", subject_id=key.id, detail=detail, now=now)
    return IssuedKey(locked, token.text)


def revoke_api_key(caller: Caller, *, key: ApiKey, reason: str, now: datetime) -> bool:
    """End a key at once; True when it was alive."""
    with transaction.atomic():
        alive = ApiKey.objects.for_environment(caller).filter(id=key.id, revoked_at__isnull=True)
        if not alive.update(revoked_at=now, previous_secret_hash=""):
            return False
        detail = {"kind": key.kind, "principal_id": key.principal_id, "reason": reason}
        record(caller, "api_key.revoked", subject_id=key.id, detail=detail, now=now)
    return True


def make_endless(caller: Caller, *, key: ApiKey, reason: str, now: datetime) -> ApiKey:
    """Let a living key live until it is revoked; a reason is required. Raises ``ReviewRequired`` or ``Conflict``."""
    if not reason.strip():
        raise ValidationFailed(errors={"reason": ["Say why."]})
    require_second_operator(caller, Act.ENDLESS_KEY, {"key_id": key.id, "reason": reason})
    with transaction.atomic():
        alive = ApiKey.objects.for_environment(caller).filter(id=key.id, revoked_at__isnull=True, expires_at__gt=now)
        if not alive.update(expires_at=None):
            raise Conflict("The key has ended, or has no end already.")
        detail = {"kind": key.kind, "principal_id": key.principal_id, "reason": reason}
        record(caller, "api_key.made_endless", subject_id=key.id, detail=detail, now=now)
    key.expires_at = None
    return key


def get_api_key(caller: Caller, key_id: str, *, principal_id: str | None = None) -> ApiKey:
    """Return a key of the caller's environment (of one principal, if given); raises ``NotFound``."""
    keys = ApiKey.objects.for_environment(caller).select_related("principal").filter(id=key_id)
    key = keys.first() if principal_id is None else keys.filter(principal_id=principal_id).first()
    if key is None:
        raise NotFound
    return key


def stamp_last_used(key: ApiKey, now: datetime) -> None:
    """Note the use, at most once a minute; never fails a request, not even on a full disk."""
    if key.last_used_at is not None and (now - key.last_used_at).total_seconds() < LAST_USED_SECONDS:
        return
    try:
        with transaction.atomic():
            ApiKey.objects.for_tenant(key.tenant_id).filter(id=key.id).update(last_used_at=now)
    except DatabaseError as error:
        log.warning("api_key.use_not_noted", reason=type(error).__name__)


def pepper() -> bytes:
    """Return the key of the keyed hashes, derived from the service's secret key."""
    return _derived(settings.SECRET_KEY)


@lru_cache(maxsize=4)
def _derived(secret_key: str) -> bytes:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"authsvc opaque token hash v1")
    return derive.derive(secret_key.encode())


@lru_cache(maxsize=10_000)
def _tenant_of_key(key_id: str) -> str:
    """A key never moves to another tenant, so this may be remembered for ever; a refusal is not remembered."""
    tenant_id = ApiKey.unscoped.filter(id=key_id).values_list("tenant_id", flat=True).first()
    if tenant_id is None:
        raise TokenRefused("unknown")
    return str(tenant_id)


def _tenant_of_imported(hashed: str) -> str:
    """A token made elsewhere may be deleted here and imported there, so its tenant is asked for each time."""
    tenant_id = ApiKey.unscoped.filter(imported_hash=hashed).values_list("tenant_id", flat=True).first()
    if tenant_id is None:
        raise TokenRefused("unknown")
    return str(tenant_id)


def _presented(text: str) -> tuple[ApiKey | None, str]:
    """Return the key a text names, if there is one, and the keyed hash of the text; raises ``TokenRefused``."""
    imported = parse_imported(text)
    if imported is not None:
        hashed = keyed_hash(pepper(), imported)
        return ApiKey.unscoped.select_related("principal", "environment__tenant").filter(
            imported_hash=hashed
        ).first(), hashed
    token = parse(text)
    if token is None:
        raise TokenRefused("shape")
    return _find(token), keyed_hash(pepper(), token.text)


def _find(token: OpaqueToken) -> ApiKey | None:
    found = _KEY.first(key_id=f"key_{token.id}", environment=token.environment)
    return found if isinstance(found, ApiKey) and TYPE_OF_KIND[found.kind] == token.type else None


def _is_current(key: ApiKey, hashed: str, now: datetime) -> bool:
    if is_same_hash(key.secret_hash, hashed):
        return True
    overlapping = key.previous_valid_until is not None and now < key.previous_valid_until
    return overlapping and is_same_hash(key.previous_secret_hash, hashed)


def _refusal(key: ApiKey, address: str, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and now >= key.expires_at:
        return "expired"
    if key.principal.state != PrincipalState.ACTIVE:
        return "principal disabled"
    if key.environment.tenant.state != TenantState.ACTIVE:
        return "tenant suspended"
    if not is_address_allowed(address, key.address_ranges):
        return "address"
    return ""


def _checked_expiry(
    kind: ApiKeyKind, expires_at: datetime | None, policy: TokenPolicy, now: datetime
) -> datetime | None:
    maximum = _maximum_days(kind, policy)
    if expires_at is None:
        days = _default_days(kind, policy.tenant_id, maximum)
        return now + timedelta(days=days) if days else None
    if not now < expires_at <= now + timedelta(days=maximum):
        raise ValidationFailed(errors={"expires_at": [f"Choose a time within the next {maximum} days."]})
    return expires_at


def _maximum_days(kind: ApiKeyKind, policy: TokenPolicy) -> int:
    match kind:
        case ApiKeyKind.API_KEY:
            return policy.api_key_days
        case ApiKeyKind.GATEWAY_TOKEN:
            return policy.gateway_token_days
        case ApiKeyKind.DEVICE_SECRET:
            return policy.device_secret_days
        case ApiKeyKind.CLIENT_SECRET:
            return CLIENT_SECRET_DAYS


def _default_days(kind: ApiKeyKind, tenant_id: str, maximum: int) -> int:
    """Return how long a proof lives when nobody says; 0 is for ever."""
    if kind == ApiKeyKind.CLIENT_SECRET:
        return DEFAULT_LIFE_DAYS if Act.ENDLESS_KEY in acts_of(tenant_id) else 0
    return maximum if kind == ApiKeyKind.DEVICE_SECRET else min(DEFAULT_LIFE_DAYS, maximum)
