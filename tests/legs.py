"""Which legs there are: the database to run on, and the newest Django on a newer Python when one is installed.

``python -m tests.legs`` makes the environment of the newer Python beforehand.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.lock"
INSTALLER = ROOT / "tests" / "environments.py"
NEWER = ("3.14", "3.13", "3.12")


@dataclass(frozen=True, slots=True)
class Leg:
    """One run of the suite."""

    name: str
    python: str
    database_url: str
    arguments: list[str] = field(default_factory=list)


def newer_python_leg() -> Leg | None:
    """Return the leg on the newest Python beside ours, made from the lock; ``None`` without one."""
    if sys.version_info >= (3, 12):
        return None
    python = next((found for version in NEWER if (found := _working(f"python{version}"))), None)
    if python is None:
        return None
    interpreter = _environment(python)
    # What depends on Django runs again, but for the long crawl; pure modules and foreign clients are the same for both.
    return Leg(
        "newest Django",
        interpreter,
        "",
        [
            "tests/admin",
            "--ignore=tests/admin/test_isolation.py",
            *(f"tests/api/test_{name}.py" for name in ("areas", "devices", "input", "oauth", "limits")),
        ],
    )


def _working(name: str) -> str | None:
    """Return an interpreter that runs; pyenv's shims do not, for a version that is installed and not selected."""
    path = shutil.which(name)
    if path is None:
        return None
    installed = (Path(path).parent.parent / "versions").glob(f"{name.removeprefix('python')}*/bin/{name}")
    return next((str(found) for found in (Path(path), *sorted(installed)) if _runs(found)), None)


def _runs(python: Path) -> bool:
    return subprocess.run([str(python), "-c", "import venv"], capture_output=True, check=False).returncode == 0


def _environment(python: str) -> str:
    folder = ROOT / f".venv-{Path(python).name}"
    interpreter = folder / "bin" / "python"
    stamp = folder / "lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, str(INSTALLER), python, str(folder), str(LOCK)], check=True)
        stamp.write_text(wanted)
    return str(interpreter)


if __name__ == "__main__":
    newer_python_leg()
