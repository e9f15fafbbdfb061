"""What a compatibility test does when its client cannot be had here: one line; under ``CI=true`` it is a failure."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def cannot_run(reason: str) -> NoReturn:
    """End the test: skipped with one line, or failed under ``CI=true``."""
    line = " ".join(reason.split())
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(line, pytrace=False)
    pytest.skip(line)
