"""Which legs there are: everything on SQLite, then what asks the database on PostgreSQL and the newest Django.

The second leg runs on the newest Python beside ours when one is installed, as the image of ``deploy/`` does, and the
lock gives it a newer Django. At the full scale everything runs on PostgreSQL too, in a leg between the two.
``python -m tests.legs`` makes the environment of the newer Python beforehand, and compiles the tests, which else each
process would do.
"""

from __future__ import annotations

import hashlib
import os
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
# described API, who is let in where, crawls of the admin, texts, starts, browsers and other people's clients.
ALIKE = (
    "tests/unit",
    "tests/house",
    "tests/browser",
    "tests/compat",
    *(f"tests/api/test_{name}.py" for name in ("areas", "cors", "forward_auth", "gateway_snippets", "schema",
                                               "schema_examples", "standard_eight", "trust_matrix", "two_doors")),
    *(f"tests/admin/test_{name}.py" for name in ("addresses", "auditor", "isolation")),
    *(f"tests/services/test_{name}.py" for name in ("canary_everywhere", "command_usage", "onboard_terminal",
                                                    "figures", "production_start", "token_catalogue",
                                                    "worker_start")),
    "tests/faults/test_no_outbound.py",
)  # fmt: skip
ALIKE_BY_NAME = ("tests/api/test_input.py::test_every_route_has_the_house_headers_on_every_answer",)


@dataclass(frozen=True, slots=True)
class Leg:
    """One run of the suite."""

    name: str
    python: str
    database_url: str
    arguments: list[str] = field(default_factory=list)


def legs(database_url: str) -> list[Leg]:
    """Return what to run here; the URL is empty where there is no PostgreSQL."""
    newer = newer_python()
    found = [Leg("sqlite", sys.executable, "")]
    if database_url and (is_full() or newer is None):
        found.append(Leg("postgresql", sys.executable, database_url, [] if is_full() else asks_the_database()))
    if newer is not None:
        name = "postgresql, newest Django" if database_url else "newest Django"
        found.append(Leg(name, newer, database_url, asks_the_database()))
    return found


def asks_the_database() -> list[str]:
    """Return what leaves out of a leg what SQLite's leg has asked already."""
    return [*(f"--ignore={path}" for path in ALIKE), *(f"--deselect={test}" for test in ALIKE_BY_NAME)]


def is_full() -> bool:
    """True when everything is to be run at its full size."""
    return bool(scaled(quick=0, full=1))


def newer_python() -> str | None:
    """Return the newest Python beside ours, with what the tests need, made from the lock; ``None`` without one."""
    if sys.version_info >= (3, 12):
        return None
    python = next((found for version in NEWER if (found := _working(f"python{version}"))), None)
    return None if python is None else _environment(python)


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


def compile_tests() -> None:
    """Let each Python collect the tests once, which keeps them compiled."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for python in filter(None, (sys.executable, newer_python())):
        command = [python, "-m", "pytest", "--collect-only", "--quiet"]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    compile_tests()
