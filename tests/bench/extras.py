"""Software that only the measurements need: installed once, from lock files, into a folder git ignores.

Whoever asks for it gets the folder, or ``LeftOut`` with one line that says why it is not to be had here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.live import ROOT

FOLDER = ROOT / ".venv-bench"
PYTHON_LOCK = Path(__file__).with_name("extras.lock")
NODE_PACKAGES = Path(__file__).with_name("node")
PIP = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--upgrade", "--require-hashes"]
NPM = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
SECONDS_TO_INSTALL = 300


class LeftOut(RuntimeError):
    """A peer cannot run here; the message says why in one line."""


def python_extras() -> Path:
    """Return the folder with the locked Python packages, without what they need that our own lock holds already."""
    folder = FOLDER / f"python-{platform.python_version()}"
    _install_once(folder, PYTHON_LOCK, [*PIP, "--no-deps", "--target", ".", "-r", str(PYTHON_LOCK)])
    return folder


def python_path(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process of this interpreter that also finds the extras."""
    known = {**os.environ, **environment}
    return {**known, "PYTHONPATH": os.pathsep.join(filter(None, [str(python_extras()), known.get("PYTHONPATH", "")]))}


def node_extras() -> Path:
    """Return the folder that holds ``node_modules`` as locked."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise LeftOut("node and npm are not installed")
    folder = FOLDER / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE_PACKAGES / name, folder / name)
    _install_once(folder, NODE_PACKAGES / "package-lock.json", NPM)
    return folder


def binary(path: Path) -> str:
    """Return a program of the extras that this machine can run."""
    if not os.access(path, os.X_OK):
        raise LeftOut(f"there is no {path.name} for {platform.system()} on {platform.machine()}")
    return str(path)


def _install_once(folder: Path, lock: Path, command: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stamp, wanted = folder / "lock.sha256", hashlib.sha256(lock.read_bytes()).hexdigest()
    with (folder / "installing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        try:
            made = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS_TO_INSTALL
            )
        except subprocess.TimeoutExpired as error:
            raise LeftOut(f"it was not installed within {SECONDS_TO_INSTALL} seconds") from error
        if made.returncode:
            raise LeftOut(f"it cannot be installed: {' '.join(made.stderr.split())[-200:]}")
        stamp.write_text(wanted)
