"""Pairing codes of chat channels: eight of 32 letters and digits, without 0, O, 1 and I, as openclaw shows them. PURE.

Read back forgivingly (case, spaces and dashes); anything else is refused rather than guessed.
"""

from __future__ import annotations

from collections.abc import Callable

from authsvc.web.problems import ValidationFailed

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LENGTH = 8
LONGEST_INPUT = 64


class PairingCodeMalformed(ValidationFailed):
    """The text cannot be a pairing code; says nothing about which codes exist."""

    slug, title = "pairing_code_malformed", "Not a pairing code"
    default_detail = "A pairing code has eight letters and digits, for example K7QM2XPA."


def new_pairing_code(draw_below: Callable[[int], int]) -> str:
    """Return a fresh code; ``draw_below(n)`` is a random number below n, such as ``secrets.randbelow``."""
    return "".join(ALPHABET[draw_below(len(ALPHABET))] for _ in range(LENGTH))


def normalise_pairing_code(text: str) -> str:
    """Return the code somebody typed; raises ``PairingCodeMalformed``."""
    code = "".join(text[:LONGEST_INPUT].split()).replace("-", "")
    if len(text) > LONGEST_INPUT or not code.isascii() or len(code) != LENGTH or not set(code.upper()) <= set(ALPHABET):
        raise PairingCodeMalformed
    return code.upper()
