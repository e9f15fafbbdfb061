"""Which browser tests drive: an installed chromium, and where there is one its shell without windows.

The shell is the same engine of the same version; a window of the whole program costs four times the processor time,
most of it for what surrounds a page.
"""

from __future__ import annotations

import shutil

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Return the path of an installed chromium."""
    return next((path for path in map(shutil.which, NAMES) if path), None)
