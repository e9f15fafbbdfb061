"""A real server for tests over real HTTP: gunicorn, a database of its own on the leg's engine, the demo document."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
SECONDS_TO_START = 40


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
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, input=stdin, cwd=ROOT, check=False
        )


@contextlib.contextmanager
def start_live_server(
    folder: Path, *, workers: int = 2, host: str = "127.0.0.1", **settings: str
) -> Iterator[LiveServer]:
    """Yield a live server; the folder keeps its database (on SQLite) and its log."""
    port = free_port()
    base_url = f"http://{host}:{port}"
    with fresh_database(folder) as database_url:
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
        made = subprocess.run(
            [sys.executable, "manage.py", "bootstrap", "--demo", "--json"],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"bootstrap failed: {made.stderr[-2000:]}")
        log = folder / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"],
                env=environment,
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )
        try:
            _wait_until_ready(base_url, process, log)
            yield LiveServer(base_url, json.loads(made.stdout), environment, log)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def fresh_database(folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database on the engine of this leg."""
    server = os.environ.get("TEST_DATABASE_URL", "")
    if not server:
        yield f"sqlite:///{folder / 'live.sqlite3'}"
        return
    import psycopg
    from psycopg import sql

    name = f"live_{secrets.token_hex(6)}"
    parts = urlsplit(server)
    host = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair).get("host", parts.hostname)
    with psycopg.connect(host=host, user=parts.username, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield f"postgres://{parts.username}@/{name}?host={host}"
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _wait_until_ready(base_url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{base_url}/health/ready", timeout=2) as answer:  # noqa: S310
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not become ready: {log.read_text()[-2000:]}")
