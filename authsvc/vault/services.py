"""Use cases of the vault: seal and open a value at its place, rotate and re-wrap data keys, destroy them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import IntegrityError, transaction
from django.db.models import F

from authsvc.audit.changes import Remembered
from authsvc.audit.record import record
from authsvc.vault.envelope import (
    MAXIMUM_SEALS_PER_KEY,
    Place,
    SealBroken,
    associated_data,
    open_sealed,
    read_text,
    seal,
    write_text,
)
from authsvc.vault.keyring import Keyring, keyring
from authsvc.vault.models import DataKey, DataKeyState
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared
from authsvc.web.problems import Problem
from authsvc.web.secret_text import SecretText

_DATA_KEYS: Remembered[tuple[str, str], DataKey | None] = Remembered(1024)
_DATA_KEY = Prepared(
    lambda tenant_id, environment_id, key_id: (
        DataKey.objects.for_tenant(tenant_id).filter(id=key_id, environment_id=environment_id).order_by()
    )
)


class DataKeyDestroyed(Problem):
    """The key of this value was destroyed on purpose; the value is gone."""

    slug, title, status = "data_key_destroyed", "Value destroyed", 410
    default_detail = "The value was destroyed with its encryption key."


def seal_text(caller: Caller, place: Place, secret: SecretText, *, now: datetime) -> str:
    """Return ``secret`` sealed for ``place`` under the environment's active data key, which is made when missing.

    The seal is counted once the surrounding transaction is in: holding the key's row until then would make everybody
    who seals wait, and end in a deadlock with whoever took the audit's head first.
    """
    key = active_data_key(caller, now=now)
    used = DataKey.objects.for_tenant(place.tenant_id).filter(id=key.id)
    transaction.on_commit(lambda: used.update(seal_count=F("seal_count") + 1), robust=True)
    blob = seal(_plain_key(key), secret.reveal().encode("utf-8", "surrogatepass"), associated_data(place, key.id))
    return write_text(key.id, blob)


def open_text(place: Place, sealed: str) -> SecretText:
    """Return the secret; raises ``SealBroken``, ``DataKeyDestroyed`` or ``KeyEncryptionKeyMissing``."""
    key_id, blob = read_text(sealed)
    key = _known_data_key(place, key_id)
    if key is None:
        raise SealBroken
    if key.state == DataKeyState.DESTROYED:
        raise DataKeyDestroyed
    plaintext = open_sealed(_plain_key(key), blob, associated_data(place, key.id))
    return SecretText(plaintext.decode("utf-8", "surrogatepass"))


def _known_data_key(place: Place, key_id: str) -> DataKey | None:
    """Return a data key for reading, looked up once per change of its tenant; destroying one is such a change."""
    where = {"tenant_id": place.tenant_id, "environment_id": place.environment_id, "key_id": key_id}
    return _DATA_KEYS.known((place.environment_id, key_id), place.tenant_id, lambda: _DATA_KEY.first(**where))


def active_data_key(caller: Caller, *, now: datetime) -> DataKey:
    """Return the environment's active data key, making it when there is none or the old one sealed too often."""
    key = _find_active(caller)
    if key is not None and key.seal_count < MAXIMUM_SEALS_PER_KEY:
        return key
    try:
        with transaction.atomic():
            return rotate_data_key(caller, now=now)
    except IntegrityError:  # another process made it first; the constraint allows one
        winner = _find_active(caller)
        if winner is None:
            raise
        return winner


def rotate_data_key(caller: Caller, *, now: datetime) -> DataKey:
    """Retire the active data key and make a new one; what the old one sealed stays readable."""
    with transaction.atomic():
        DataKey.objects.for_environment(caller).filter(state=DataKeyState.ACTIVE).update(state=DataKeyState.RETIRED)
        ring = keyring()
        key = DataKey(
            tenant_id=caller.tenant_id, environment_id=caller.environment_id, kek_id=ring.primary_id, created_at=now
        )
        key.wrapped = ring.wrap(AESGCM.generate_key(bit_length=256), _key_place(key))
        key.save(force_insert=True)
        record(caller, "data_key.created", subject_id=key.id, detail={"kek_id": key.kek_id}, now=now)
    return key


def rewrap_data_keys(caller: Caller, *, now: datetime) -> Iterator[DataKey]:
    """Wrap every data key of the caller's tenant under the primary key-encryption key, one short transaction each.

    Can be stopped at any moment and started again: a key is readable before and after its own transaction.
    """
    ring = keyring()
    stale = DataKey.objects.for_tenant(caller.tenant_id).exclude(state=DataKeyState.DESTROYED)
    for key_id in list(stale.exclude(kek_id=ring.primary_id).values_list("id", flat=True)):
        yield _rewrap(caller, key_id, ring, now)


def destroy_data_keys(caller: Caller, *, reason: str, now: datetime) -> int:
    """Crypto-shred: erase every data key of the caller's tenant, in all environments; returns how many."""
    with transaction.atomic():
        keys = DataKey.objects.for_tenant(caller.tenant_id).exclude(state=DataKeyState.DESTROYED)
        key_ids = list(keys.select_for_update().values_list("id", flat=True))
        DataKey.objects.for_tenant(caller.tenant_id).filter(id__in=key_ids).update(
            state=DataKeyState.DESTROYED, wrapped="", destroyed_at=now
        )
        for key_id in key_ids:
            record(caller, "data_key.destroyed", subject_id=key_id, detail={"reason": reason}, now=now)
    return len(key_ids)


def unreadable_data_keys(tenant_id: str) -> list[tuple[str, str]]:
    """Return (data key id, reason slug) for every data key of a tenant that does not unwrap."""
    broken = []
    for key in DataKey.objects.for_tenant(tenant_id).exclude(state=DataKeyState.DESTROYED):
        try:
            keyring().unwrap(key.wrapped, _key_place(key))
        except Problem as problem:
            broken.append((key.id, problem.slug))
    return broken


def _rewrap(caller: Caller, key_id: str, ring: Keyring, now: datetime) -> DataKey:
    with transaction.atomic():
        key = DataKey.objects.for_tenant(caller.tenant_id).select_for_update().get(id=key_id)
        previous = key.kek_id
        key.wrapped = ring.wrap(ring.unwrap(key.wrapped, _key_place(key)), _key_place(key))
        key.kek_id = ring.primary_id
        key.save(update_fields=["wrapped", "kek_id"])
        record(
            caller,
            "data_key.rewrapped",
            subject_id=key.id,
            detail={"kek_id": key.kek_id, "previous_kek_id": previous},
            now=now,
            environment_id=key.environment_id,
        )
    return key


def _find_active(caller: Caller) -> DataKey | None:
    return DataKey.objects.for_environment(caller).filter(state=DataKeyState.ACTIVE).first()


def _key_place(key: DataKey) -> Place:
    return Place(key.tenant_id, key.environment_id, "data_key", key.id, "wrapped")


def _plain_key(key: DataKey) -> bytes:
    return _unwrapped(key.wrapped, _key_place(key), tuple(keyring().keys))


@lru_cache(maxsize=1024)
def _unwrapped(wrapped: str, place: Place, _kek_ids: tuple[str, ...]) -> bytes:
    """Cached by the wrapped text itself: another wrapping, place or set of key-encryption keys misses the cache."""
    return keyring().unwrap(wrapped, place)
