"""How large a test is: quick in the suite, full where acceptance runs it with ``AUTHSVC_TEST_SCALE=full``."""

import os


def scaled(quick: int, full: int) -> int:
    """Return the full size when ``AUTHSVC_TEST_SCALE`` is ``full``, else the quick one."""
    return full if os.environ.get("AUTHSVC_TEST_SCALE") == "full" else quick
