"""A real server for tests over real HTTP: gunicorn, a database of its own on the leg's engine, the demo document."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from tests import warm
from tests.live_database import bootstrap, demo, fresh_database

ROOT = Path(__file__).resolve().parent.parent
OWN_DEMO = {"DATABASE_URL", "AUTHSVC_KEKS"}  # another database, or other keys, need a demo of their own
GUNICORN = ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
SECONDS_TO_START = 120
# For ``verify=``: httpx else reads the machine's certificates for each request, even where none is needed.
CERTIFICATES = httpx.create_ssl_context()


@dataclass(frozen=True)
class LiveServer:
    """A running server and what its demo made."""

    base_url: str
    document: dict[str, Any]
    environment: dict[str, str]
    log: Path

    def place(self, name: str) -> dict[str, Any]:
        """Return one environment of the demo document."""
        place: dict[str, Any] = self.document["environments"][name]
        return place

    def manage(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a management command against the same database."""
        return warm.run(["manage.py", *arguments], self.environment, stdin=stdin)


@contextlib.contextmanager
def start_live_server(
    folder: Path, *, workers: int = 2, host: str = "127.0.0.1", is_warm: bool = True, **settings: str
) -> Iterator[LiveServer]:
    """Yield a live server; the folder keeps its database (on SQLite) and its log.

    ``is_warm`` starts it where others' modules are loaded already, which a measured server must do for itself.
    """
    port = free_port()
    base_url = f"http://{host}:{port}"
    is_own = bool(settings.keys() & OWN_DEMO)
    like = "" if is_own else demo().database_url
    with fresh_database(folder, like=like) as database_url:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "authsvc.settings",
            "DATABASE_URL": database_url,
            "AUTHSVC_BASE_URL": base_url,
            "AUTHSVC_DEMO_LIMITS": "off",
            "GUNICORN_BIND": f"127.0.0.1:{port}",
            "GUNICORN_WORKERS": str(workers),
            **settings,
        }
        document = json.loads(bootstrap(environment) if is_own else demo().printed_for(base_url))
        log = folder / "server.log"
        with log.open("wb") as output:
            process = (warm.start if is_warm else _start)(GUNICORN, environment, output)
        try:
            _wait_until_ready(base_url, process, log)
            yield LiveServer(base_url, document, environment, log)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()


def _start(arguments: list[str], environment: dict[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, *arguments]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(base_url: str, process: subprocess.Popen[bytes] | warm.Program, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{base_url}/health/ready", timeout=2) as answer:  # noqa: S310
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not become ready: {log.read_text()[-2000:]}")
