"""Sealing and opening: AES-256-GCM with a fresh 96-bit nonce and associated data that says where the value lives. PURE.

A sealed value is the text ``v1.<data key id>.<base64url(nonce || ciphertext || tag)>``. Moved to another row,
field, tenant or environment, flipped, cut or re-labelled, it does not open.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authsvc.web.problems import Problem

VERSION = "v1"
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
MAXIMUM_SEALS_PER_KEY = 2**31  # far below the 2**32 random nonces of NIST SP 800-38D §8.3


class SealBroken(Problem):
    """A sealed value does not open here: altered, moved, cut, or sealed under another key."""

    slug, title, status = "seal_broken", "Stored value cannot be opened", 409
    default_detail = "The stored value cannot be opened; store it again."
    default_hint = "The ciphertext was altered or moved. Restore the row from a backup or store the value again."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value lives; every part is bound into the seal."""

    tenant_id: str
    environment_id: str
    table: str
    row_id: str
    field: str


def associated_data(place: Place, key_id: str) -> bytes:
    """Return the length-prefixed parts, so that ("ab", "c") and ("a", "bc") differ."""
    parts = (VERSION, place.tenant_id, place.environment_id, place.table, place.row_id, place.field, key_id)
    encoded = [part.encode() for part in parts]
    return b"".join(struct.pack(">I", len(part)) + part for part in encoded)


def seal(key: bytes, plaintext: bytes, data: bytes) -> bytes:
    """Return nonce || ciphertext || tag. ``key`` is 32 bytes; ``data`` is authenticated, not stored."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, data)


def open_sealed(key: bytes, blob: bytes, data: bytes) -> bytes:
    """Return the plaintext; raises ``SealBroken`` for anything that was not sealed with this key and data."""
    if len(key) != KEY_BYTES or len(blob) < NONCE_BYTES + TAG_BYTES:
        raise SealBroken
    try:
        return AESGCM(key).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], data)
    except InvalidTag as error:
        raise SealBroken from error


def write_text(key_id: str, blob: bytes) -> str:
    """Return the text that is stored."""
    return f"{VERSION}.{key_id}.{encode(blob)}"


def read_text(text: str) -> tuple[str, bytes]:
    """Return the data key's id and the blob; raises ``SealBroken`` for any other spelling."""
    version, _, rest = text.partition(".")
    key_id, _, body = rest.partition(".")
    if version != VERSION or not key_id:
        raise SealBroken
    return key_id, decode(body)


def encode(blob: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(blob).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of canonical base64url without padding; raises ``SealBroken``."""
    try:
        blob = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise SealBroken from error
    if encode(blob) != text:
        raise SealBroken
    return blob
