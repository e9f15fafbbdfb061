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
    """Return ``length`` characters of the alphabet, each chosen independently: one number, written to base 62."""
    number = secrets.randbelow(len(ALPHABET) ** length)
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return "".join(characters)
