"""Which browser tests drive: an installed chromium, which draws by itself: an imitated GPU costs a fifth more.

Chromium's build without windows shows the same pages for half the processor time (223 s of the suite, then 116).
"""

from __future__ import annotations

import shutil

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-gpu-rasterization",
    "--disable-software-rasterizer",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Return the path of an installed chromium."""
    return next((path for path in map(shutil.which, NAMES) if path), None)
