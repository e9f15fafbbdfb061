"""Makes a Python environment from a lock file, by uv where it works: pip takes twice its processor time.

``python tests/environments.py PYTHON FOLDER LOCK`` is this file; it imports nothing of the project. Both installers
check every hash of the lock. uv is the one the lock names; where it cannot be had or reaches no index, pip does it all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def install(interpreter: Path, lock: Path) -> None:
    """Install a lock file into the environment of an interpreter; raises ``CalledProcessError``."""
    uv = _uv(interpreter)
    if uv is not None:
        index = _index_of_pip(interpreter)
        # Compiled at once, on every core: else each test process of the first run would compile for itself.
        command = [str(uv), "pip", "install", "-q", "--compile-bytecode", "--python", str(interpreter)]
        told = ["--default-index", index] if index else []
        if subprocess.run([*command, *told, "--require-hashes", "-r", str(lock)], check=False).returncode == 0:
            return
        print("uv could not install the lock file; pip tries", file=sys.stderr)  # noqa: T201
    _pip_install(interpreter, lock)


def _uv(interpreter: Path) -> Path | None:
    """Return the uv of our own environment or of this one, where the lock's is put first."""
    own, beside = ROOT / ".venv" / "bin" / "uv", interpreter.parent / "uv"
    named = re.search(r"^uv==(?:.*\\\n)*.*\n", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    if not own.exists() and not beside.exists() and named:
        with tempfile.NamedTemporaryFile("w", suffix=".lock") as lines:
            lines.write(named.group())
            lines.flush()
            try:
                _pip_install(interpreter, Path(lines.name))
            except subprocess.CalledProcessError:
                return None
    return next((path for path in (own, beside) if path.exists()), None)


def _pip_install(interpreter: Path, lock: Path) -> None:
    pip = [str(interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "-r", str(lock)], check=True)


def _index_of_pip(interpreter: Path) -> str:
    """Return the index pip was told to use; empty for its default."""
    asked = [str(interpreter), "-m", "pip", "config", "get", "global.index-url"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    return os.environ.get("PIP_INDEX_URL", "") or told.stdout.strip()


def main(arguments: list[str]) -> int:
    """Make the environment ``FOLDER`` for ``PYTHON`` from ``LOCK``; the exit code says whether it worked."""
    python, folder, lock = arguments[0], Path(arguments[1]), Path(arguments[2])
    interpreter = folder / "bin" / "python"
    try:
        if not interpreter.exists():
            subprocess.run([python, "-m", "venv", str(folder)], check=True)
        install(interpreter, lock)
    except subprocess.CalledProcessError as error:
        print(f"{folder.name}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
