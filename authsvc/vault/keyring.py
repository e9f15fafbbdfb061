"""Key-encryption keys: ``AUTHSVC_KEKS`` is ``id:base64[,id:base64…]``, the first is primary; they wrap data keys.

A missing key is ``KeyEncryptionKeyMissing`` with its id and 503: tokens and JWKS go on, credentials wait.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings

from authsvc.vault.envelope import KEY_BYTES, Place, associated_data, open_sealed, read_text, seal, write_text
from authsvc.web.problems import Problem

KEK_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class KeyringInvalid(ValueError):
    """``AUTHSVC_KEKS`` cannot be read; the message says why and never holds a key."""


class KeyEncryptionKeyMissing(Problem):
    """A data key is wrapped by a key-encryption key that is not configured."""

    slug, title, status = "key_encryption_key_missing", "Encryption key unavailable", 503
    default_detail = "An encryption key is not available right now."


@dataclass(frozen=True, slots=True)
class Keyring:
    """The configured key-encryption keys by id; ``primary_id`` wraps everything new."""

    primary_id: str
    keys: Mapping[str, bytes] = field(repr=False)

    def wrap(self, data_key: bytes, place: Place) -> str:
        """Return the data key sealed under the primary key."""
        blob = seal(self.keys[self.primary_id], data_key, associated_data(place, self.primary_id))
        return write_text(self.primary_id, blob)

    def unwrap(self, wrapped: str, place: Place) -> bytes:
        """Return the data key; raises ``KeyEncryptionKeyMissing`` or ``SealBroken``."""
        kek_id, blob = read_text(wrapped)
        if kek_id not in self.keys:
            raise KeyEncryptionKeyMissing(hint=f"Configure the key-encryption key {kek_id!r} in AUTHSVC_KEKS.")
        return open_sealed(self.keys[kek_id], blob, associated_data(place, kek_id))


def keyring() -> Keyring:
    """Return the keyring of the present settings."""
    return parse_keyring(settings.AUTHSVC_KEKS)


@lru_cache(maxsize=8)
def parse_keyring(text: str) -> Keyring:
    """Parse ``id:base64[,…]``; raises ``KeyringInvalid``. Cached by text, so a change of the setting is seen."""
    keys: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        kek_id, _, encoded = entry.partition(":")
        if not KEK_ID.match(kek_id) or kek_id in keys:
            raise KeyringInvalid("Each key needs an id of its own: letters, digits, _ and -.")
        keys[kek_id] = _decode(kek_id, encoded)
    if not keys:
        raise KeyringInvalid("No key is configured.")
    return Keyring(next(iter(keys)), keys)


def _decode(kek_id: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyringInvalid(f"Key {kek_id!r} is not base64.") from error
    if len(key) != KEY_BYTES:
        raise KeyringInvalid(f"Key {kek_id!r} has {len(key)} bytes; it must have {KEY_BYTES}.")
    return key
