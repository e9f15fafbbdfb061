"""Durations people type: a number with ``ms``, ``s``, ``m``, ``h`` or ``d``. PURE.

Refuses signs, fractions and anything that would not fit a calendar: ``None`` is the answer, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MALFORMED: Final = "Give a number followed by ms, s, m, h or d."
MAXIMUM_MS: Final = 100 * 366 * 86_400_000


def parse_duration_ms(text: str, default_unit: str) -> int | None:
    """Return milliseconds, or None for text that is no duration; a bare number is in ``default_unit``."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        return None
    milliseconds = int(match["number"]) * _UNITS_MS[match["unit"] or default_unit]
    return milliseconds if milliseconds <= MAXIMUM_MS else None


_DURATION: Final = re.compile(r"(?P<number>[0-9]{1,15})\s*(?P<unit>ms|s|m|h|d)?", re.ASCII)
_UNITS_MS: Final[Mapping[str, int]] = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
