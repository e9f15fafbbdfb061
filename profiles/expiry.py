"""Expiry of a foreign credential: absent, a moment in milliseconds, or present and useless. PURE.

Refuses to guess: a value that is not a finite number of milliseconds in (0, 8.64e15] is ``INVALID``, not "never".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Final

MAX_TIMESTAMP_MS: Final = 8_640_000_000_000_000  # the last moment an ECMAScript Date can name


class InvalidExpiry(Enum):
    """The one value that says an expiry was given and cannot be one."""

    INVALID = "invalid"


INVALID: Final = InvalidExpiry.INVALID
Expiry = int | InvalidExpiry | None


def read_expiry(record: Mapping[str, object], field: str = "expires") -> Expiry:
    """Return the expiry of a foreign record; an explicit JSON null counts as invalid, a missing key as none."""
    if field not in record:
        return None
    return checked_expiry(record[field])


def checked_expiry(value: object) -> int | InvalidExpiry:
    """Return whole milliseconds, rounded up so that ``now >= expires`` answers as it would for a fraction."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return INVALID
    if isinstance(value, float) and not math.isfinite(value):
        return INVALID
    if not 0 < value <= MAX_TIMESTAMP_MS:
        return INVALID
    return math.ceil(value)


def is_past(expiry: Expiry, now_ms: int) -> bool:
    """Return whether a readable expiry has been reached; the moment itself counts as past."""
    return isinstance(expiry, int) and now_ms >= expiry
