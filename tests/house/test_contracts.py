"""The two import contracts hold, and a planted violation breaks exactly the one it violates."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import PACKAGES, ROOT

DIRECTIONS = "Imports go down only"
PURITY = "Pure modules import no Django"
PLANTED = [
    ("authsvc/web/problems.py", "import django", PURITY),
    ("rbac/scopes.py", "import socket", PURITY),
    ("profiles/resolution.py", "from profiles import models", PURITY),
    ("authsvc/web/api.py", "from rbac.services import roles", DIRECTIONS),
    ("authsvc/tokens/keys.py", "from rbac.services import roles", DIRECTIONS),
    ("devices/views/devices.py", "from profiles.services import order", DIRECTIONS),
    ("authsvc/gate/jwks.py", "from authsvc.ops import health", DIRECTIONS),
]


def lint(folder: Path) -> tuple[int, dict[str, str]]:
    """Run import-linter in ``folder``; return its exit code and each contract's verdict by the start of its name."""
    program = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run(
        [str(program), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.strip() for line in result.stdout.splitlines()]
    found = {
        name: line.rsplit(" ", 1)[-1]
        for name in (DIRECTIONS, PURITY)
        for line in lines
        if line.startswith(name) and line.endswith(("KEPT", "BROKEN"))
    }
    return result.returncode, found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with a copy of our packages and the contracts."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_contracts_hold(copy: Path) -> None:
    assert lint(copy) == (0, {DIRECTIONS: "KEPT", PURITY: "KEPT"})


@pytest.mark.parametrize(("file", "line", "broken"), PLANTED, ids=lambda value: str(value)[:40])
def test_planted_import_breaks_its_contract(copy: Path, file: str, line: str, broken: str) -> None:
    path = copy / file
    path.write_text(path.read_text() + f"\n{line}\n")
    code, verdicts = lint(copy)
    assert code != 0
    assert verdicts[broken] == "BROKEN"
