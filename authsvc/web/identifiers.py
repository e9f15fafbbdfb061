"""Opaque random identifiers: ``<prefix>_<22 characters of base62>`` with 128 bits of randomness.

PURE apart from the system's random source.
"""

from __future__ import annotations

import secrets

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_CHARACTERS = 22


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as ``prf_3kT…``; unguessable, never reused."""
    return f"{prefix}_{random_base62(RANDOM_CHARACTERS)}"


def random_base62(length: int) -> str:
    """Return ``length`` characters of the alphabet, each chosen independently and equally likely."""
    characters = b""
    while len(characters) < length:
        characters += secrets.token_bytes(length + 10).translate(_CHARACTER_OF_BYTE, _UNEVEN)
    return characters[:length].decode()


# 248 is the largest multiple of 62 in a byte: bytes from there on would favour some characters, and are thrown away.
_UNEVEN = bytes(range(248, 256))
_CHARACTER_OF_BYTE = bytes(ord(ALPHABET[value % len(ALPHABET)]) for value in range(256))
