"""Long opaque proofs at the door: parse, look up, compare, remember. Only keyed hashes are stored.

A bad shape or checksum costs no query; a good one is one read of its row by id. What the key belongs to (principal,
environment, tenant) is remembered until the tenant's count of changes moves, and so is an accepted key, for a minute.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import DatabaseError, transaction

from authsvc.audit.changes import Known, Remembered, current_changes
from authsvc.tenants.known import find_environment, find_principal
from authsvc.tenants.models import PrincipalState, TenantState
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import OpaqueToken, is_same_hash, keyed_hash, parse, parse_imported
from authsvc.tokens.models import TYPE_OF_KIND, ApiKey
from authsvc.web.address_ranges import is_address_allowed
from authsvc.web.prepared import Prepared
from authsvc.web.secret_text import SecretText

log = structlog.get_logger("authsvc.tokens")
LAST_USED_SECONDS = 60

_BY_ID = Prepared(lambda key_id: ApiKey.unscoped.filter(id=key_id).order_by())
_BY_HASH = Prepared(lambda hashed: ApiKey.unscoped.filter(imported_hash=hashed).order_by())


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """A living key, and how long that holds by itself; ``until`` is ``since`` when it must be looked at every time."""

    key: ApiKey
    since: datetime
    until: datetime


_VERIFIED: Remembered[bytes, VerifiedKey] = Remembered(10_000)


def verify_opaque(text: str, *, address: str, now: datetime) -> ApiKey:
    """Return the living key behind an opaque proof, for reading; raises ``TokenRefused``."""
    return verified_key(text, address=address, now=now).value.key


def verified_key(text: str, *, address: str, now: datetime) -> Known[VerifiedKey]:
    """Return the living key, and its tenant's count of changes from before the look-up; raises ``TokenRefused``."""
    name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    known = _VERIFIED.find(name)
    if known is not None and known.value.since <= now < known.value.until:
        return known
    proof = _read(text)
    tenant_id = proof.tenant_id()
    changes = current_changes(tenant_id)
    key = _verified(proof, address, now)
    fresh = Known(tenant_id, changes, VerifiedKey(key, now, _remembered_until(key, now)))
    if now < fresh.value.until:
        _VERIFIED.put(name, tenant_id, changes, fresh.value)
    return fresh


def find_named_key(text: str) -> ApiKey | None:
    """Return the key a text names, whether or not it proves it: for counting failures, never for admitting."""
    try:
        return _read(text).find_key()
    except TokenRefused:
        return None


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


@dataclass(frozen=True, slots=True)
class OurProof:
    """A proof that names its key: well-formed, with a good checksum."""

    token: OpaqueToken

    def tenant_id(self) -> str:
        """Return whose key it names; raises ``TokenRefused``."""
        return _tenant_of_key(f"key_{self.token.id}")

    def find_key(self) -> ApiKey | None:
        """Return the key it names, of the type and environment it says."""
        key = _BY_ID.first(key_id=f"key_{self.token.id}")
        if key is None or TYPE_OF_KIND[key.kind] != self.token.type:
            return None
        key = _with_place(key)
        return key if key is not None and key.environment.name == self.token.environment else None

    def hashed(self) -> str:
        """Return the keyed hash of its text."""
        return keyed_hash(pepper(), self.token.text)


@dataclass(frozen=True, slots=True)
class ImportedProof:
    """A proof that another product made: found by its hash alone."""

    text: SecretText

    def tenant_id(self) -> str:
        """Return whose key it is; raises ``TokenRefused``. It may be deleted here and imported there, so it is asked
        for each time.
        """
        found = ApiKey.unscoped.filter(imported_hash=self.hashed()).values_list("tenant_id", flat=True).first()
        if found is None:
            raise TokenRefused("unknown")
        return str(found)

    def find_key(self) -> ApiKey | None:
        """Return the key that was imported with this text."""
        key = _BY_HASH.first(hashed=self.hashed())
        return None if key is None else _with_place(key)

    def hashed(self) -> str:
        """Return the keyed hash of its text."""
        return keyed_hash(pepper(), self.text)


def _read(text: str) -> OurProof | ImportedProof:
    """Return what a text says of itself; raises ``TokenRefused`` for any other shape."""
    token = parse(text)
    if token is not None:
        return OurProof(token)
    imported = parse_imported(text)
    if imported is None:
        raise TokenRefused("shape")
    return ImportedProof(imported)


def _with_place(key: ApiKey) -> ApiKey | None:
    """Give a key its principal and environment, which are mostly remembered; ``None`` when they were just destroyed."""
    environment = find_environment(key.tenant_id, key.environment_id)
    principal = find_principal(key.tenant_id, key.principal_id)
    if environment is None or principal is None:
        return None
    key.environment, key.principal = environment, principal
    return key


def _verified(proof: OurProof | ImportedProof, address: str, now: datetime) -> ApiKey:
    key = proof.find_key()
    if key is None or not _is_current(key, proof.hashed(), now):
        raise TokenRefused("unknown or replaced")
    reason = _refusal(key, address, now)
    if reason:
        raise TokenRefused(reason)
    stamp_last_used(key, now)
    return key


def _remembered_until(key: ApiKey, now: datetime) -> datetime:
    """A key bound to addresses is looked at every time; any other once a minute, to stamp its use."""
    if key.address_ranges:
        return now
    overlap = key.previous_valid_until if key.previous_valid_until and now < key.previous_valid_until else None
    ends = [now + timedelta(seconds=LAST_USED_SECONDS), key.expires_at, overlap]
    return min(end for end in ends if end is not None)


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
