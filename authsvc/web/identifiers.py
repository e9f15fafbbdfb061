"""Opaque random identifiers: ``<prefix>_<22 characters of base62>`` with 128 bits of randomness.

The first of the 22 is a letter: Django's admin reads ``_5F`` and the like in an address as an escaped character, so
that an identifier which began with these digits could not be asked for as it stands.

PURE apart from the system's random source. Identifiers are no secrets: their random bytes are fetched for many at once,
because each fetch lets another thread run first. Secrets fetch their own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_CHARACTERS = 22
BYTES_AT_ONCE = 4096


class _Fetched(threading.local):
    """What a thread fetched and has not used."""

    rest = b""


_fetched = _Fetched()


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as ``prf_3kT…``; unguessable, never reused."""
    body = _base62(RANDOM_CHARACTERS, _next_bytes)
    while body[0].isdigit():
        body = _base62(RANDOM_CHARACTERS, _next_bytes)
    return f"{prefix}_{body}"


def random_base62(length: int) -> str:
    """Return ``length`` characters of the alphabet for a secret, each chosen independently and equally likely."""
    return _base62(length, os.urandom)


def _base62(length: int, random_bytes: Callable[[int], bytes]) -> str:
    characters = b""
    while len(characters) < length:
        characters += random_bytes(length + 10).translate(_CHARACTER_OF_BYTE, _UNEVEN)
    return characters[:length].decode()


def _next_bytes(count: int) -> bytes:
    """Return bytes that nobody else got or will get."""
    rest = _fetched.rest
    if len(rest) < count:
        rest = os.urandom(BYTES_AT_ONCE)
    _fetched.rest = rest[count:]
    return rest[:count]


def _forget_fetched() -> None:
    """A forked process must not give out what its parent will."""
    _fetched.rest = b""


os.register_at_fork(after_in_child=_forget_fetched)
# 248 is the largest multiple of 62 in a byte: bytes from there on would favour some characters, and are thrown away.
_UNEVEN = bytes(range(248, 256))
_CHARACTER_OF_BYTE = bytes(ord(ALPHABET[value % len(ALPHABET)]) for value in range(256))
