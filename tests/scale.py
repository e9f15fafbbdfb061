"""How much a long acceptance run does: a quick size in the suite, all of it with ``AUTHSVC_TEST_SCALE=full``."""

from __future__ import annotations

import os


def scaled(quick: int, full: int) -> int:
    """Return ``full`` when the environment asks for it, else ``quick``."""
    return full if os.environ.get("AUTHSVC_TEST_SCALE") == "full" else quick
