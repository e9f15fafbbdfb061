"""Which browser tests drive: an installed chromium."""

from __future__ import annotations

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Return the path of an installed chromium."""
    return next((path for path in map(shutil.which, NAMES) if path), None)
