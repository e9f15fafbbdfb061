"""Opening what another product sealed under a passphrase, once, while moving in; nothing is sealed like this. PURE.

agtOS derives an AES-256-GCM key from a secret and a hex salt: with PBKDF2 (100,000 rounds) and 16-byte nonces, later
with scrypt (N 16384, r 8, p 1), 12-byte nonces and the provider's name as associated data. The tag tells which fits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authsvc.vault.envelope import KEY_BYTES, TAG_BYTES
from authsvc.web.secret_text import SecretText

MINIMUM_SALT: Final = 16
MAXIMUM_SALT: Final = 64
MAXIMUM_SALTS: Final = 8
ROUNDS: Final = 100_000
SCRYPT_MEMORY: Final = 64 * 1024 * 1024
Derivation = Callable[[bytes, bytes], bytes]


def read_salt(text: str) -> bytes:
    """Return the bytes of a hex salt; raises ``ValueError`` for anything else, and for fewer than 16 bytes."""
    salt = bytes.fromhex(text)
    if not MINIMUM_SALT <= len(salt) <= MAXIMUM_SALT or salt.hex() != text.lower():
        raise ValueError("A salt is 16 to 64 bytes in hex.")
    return salt


class ForeignKeys:
    """The keys of one passphrase, derived once per salt and forgotten with this object; at most a few salts."""

    def __init__(self, passphrase: SecretText) -> None:
        self._secret = passphrase.reveal().encode()
        self._known: dict[tuple[str, bytes], bytes] = {}
        self._salts: set[bytes] = set()

    def open(self, salt: bytes, nonce: bytes, blob: bytes, name: str) -> bytes | None:
        """Return the plaintext of ``blob`` (ciphertext || tag), or ``None`` when no known derivation opens it."""
        self._salts.add(salt)
        if len(blob) < TAG_BYTES or len(self._salts) > MAXIMUM_SALTS:
            return None
        for label, derive in DERIVATIONS.get(len(nonce), {}).items():
            key = self._known.setdefault((label, salt), b"") or derive(self._secret, salt)
            self._known[label, salt] = key
            for data in (name.encode(), None):
                try:
                    return AESGCM(key).decrypt(nonce, blob, data)
                except InvalidTag:
                    continue
        return None


def _pbkdf2_sha256(secret: bytes, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", secret, salt, ROUNDS, KEY_BYTES)


def _pbkdf2_sha512(secret: bytes, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", secret, salt, ROUNDS, KEY_BYTES)


def _scrypt(secret: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(secret, salt=salt, n=16_384, r=8, p=1, maxmem=SCRYPT_MEMORY, dklen=KEY_BYTES)


DERIVATIONS: Final[Mapping[int, Mapping[str, Derivation]]] = {
    16: {"pbkdf2-sha256": _pbkdf2_sha256, "pbkdf2-sha512": _pbkdf2_sha512},
    12: {"scrypt": _scrypt},
}
