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

from tests.scale import scaled

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.lock"
INSTALLER = ROOT / "tests" / "environments.py"
NEWER = ("3.14", "3.13", "3.12")
# What asks no database, or asks each alike, runs once, on SQLite: the pure rules, the shape of the source and of the
# described API, who is let in where, forms and their buttons, texts, starts, browsers and other people's clients.
ALIKE = (
    "tests/unit",
    "tests/house",
    "tests/browser",
    "tests/compat",
    *(f"tests/api/test_{name}.py" for name in ("cors", "forward_auth", "gateway_snippets", "schema",
                                               "schema_examples")),
    *(f"tests/admin/test_{name}.py" for name in ("addresses", "auditor", "gateway_routes", "isolation", "passkeys",
                                                 "second_factor", "step_up")),
    *(f"tests/services/test_{name}.py" for name in ("canary_everywhere", "command_usage", "onboard_terminal",
                                                    "production_start", "worker_start")),
    "tests/faults/test_no_outbound.py",
)  # fmt: skip
SCOPES_OF_CALLS = [
    f"--deselect=tests/api/test_areas.py::test_call_with_{rest}"
    for rest in (
        "another_scope_is_403_that_names_the_scope_and_is_audited",
        "its_scope_alone_is_not_refused_for_scope",
    )
]


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
    # What depends on Django runs again, but for the long crawls; pure modules and foreign clients are alike for both.
    crawls = (f"--ignore=tests/admin/test_{name}.py" for name in ("addresses", "auditor", "isolation"))
    areas = (f"tests/api/test_{name}.py" for name in ("areas", "devices", "input", "limits", "oauth"))
    return Leg("newest Django", interpreter, "", ["tests/admin", *crawls, *areas, *SCOPES_OF_CALLS])


def asks_the_database() -> list[str]:
    """Return what of the suite a second database is asked: all of it at the full scale."""
    return [] if scaled(quick=0, full=1) else [*(f"--ignore={path}" for path in ALIKE), *SCOPES_OF_CALLS]


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
