"""How much of a long run is done: a quick size for every day, the promised one with ``AUTHSVC_TEST_SCALE=full``."""

from __future__ import annotations

import os


def scaled(quick: int, full: int) -> int:
    """Return ``full`` when the environment asks for the full size, else ``quick``."""
    return full if os.environ.get("AUTHSVC_TEST_SCALE") == "full" else quick
