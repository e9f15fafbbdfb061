"""Clients that are not Python packages of ours: installed once, from a lock file, into a folder git ignores.

What cannot be had here ends its tests with one line; under ``CI=true`` that is a failure.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest


def install_once(name: str, folder: Path, lock: Path, commands: Sequence[Sequence[str]]) -> None:
    """Run the commands in ``folder`` unless they ran there for this very lock file; one process at a time."""
    folder.mkdir(exist_ok=True)
    stamp, wanted = folder / "lock.sha256", hashlib.sha256(lock.read_bytes()).hexdigest()
    with (folder / "installing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        for command in commands:
            made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if made.returncode:
                cannot_run(f"{name} cannot be installed here: {made.stderr.strip()[-200:]}")
        stamp.write_text(wanted)


def cannot_run(reason: str) -> NoReturn:
    """End the test: skipped with one line, or failed under ``CI=true``."""
    line = " ".join(reason.split())
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(line, pytrace=False)
    pytest.skip(line)
