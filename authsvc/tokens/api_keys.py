"""Use cases of long opaque proofs: issue, rotate with overlap, revoke. Verifying them is in ``opaque.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.four_eyes import Act, acts_of, require_second_operator
from authsvc.tenants.models import Principal
from authsvc.tokens.formats import generate, keyed_hash
from authsvc.tokens.models import TYPE_OF_KIND, ApiKey, ApiKeyKind, TokenPolicy
from authsvc.tokens.opaque import pepper
from authsvc.tokens.policy import token_policy
from authsvc.web.address_ranges import checked_address_ranges
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, NotFound, ValidationFailed
from authsvc.web.secret_text import SecretText

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


def is_key_alive(tenant_id: str, key_id: str, *, now: datetime) -> bool:
    """True when the key of this id is neither revoked nor over."""
    key = ApiKey.objects.for_tenant(tenant_id).filter(id=key_id, revoked_at__isnull=True).first()
    return key is not None and (key.expires_at is None or now < key.expires_at)


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
