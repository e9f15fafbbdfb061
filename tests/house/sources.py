"""Which files the house tests read: our own Python without tests and migrations."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("authsvc", "rbac", "devices", "profiles")
SOURCES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts
)
EVERYTHING = sorted({*SOURCES, ROOT / "manage.py", *(ROOT / "deploy").rglob("*.py")})


def module_of(path: Path) -> str:
    """Return the module's name, e.g. ``authsvc.web.api``."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
