"""How long the long tests are: a quick size in the suite, the full one where acceptance is shown."""

from __future__ import annotations

import os


def scaled(quick: int, full: int) -> int:
    """Return ``full`` when ``AUTHSVC_TEST_SCALE`` is ``full``, else ``quick``."""
    return full if os.environ.get("AUTHSVC_TEST_SCALE") == "full" else quick
