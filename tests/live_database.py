"""The databases of live servers: on the engine of this leg, empty or as a copy of the demo's, made once for a run."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests import warm

ROOT = Path(__file__).resolve().parent.parent
DEMO_URL = "http://demo.invalid"


@dataclass(frozen=True)
class Demo:
    """What ``bootstrap --demo --json`` printed, and the database it filled."""

    printed: str
    database_url: str

    def printed_for(self, base_url: str) -> str:
        """Return the printed document as it reads on a server at this address."""
        return self.printed.replace(DEMO_URL, base_url)


def bootstrap(environment: dict[str, str]) -> str:
    """Fill the database an environment names by the command people type; returns what it printed."""
    made = warm.run(["manage.py", "bootstrap", "--demo", "--json"], environment)
    if made.returncode:
        raise RuntimeError(f"bootstrap failed: {made.stderr[-2000:]}")
    return made.stdout


def demo() -> Demo:
    """Return the demo every live server of this run starts from; the first of its test processes makes it."""
    return _demo_on(os.environ.get("TEST_DATABASE_URL", ""))


@functools.cache
def _demo_on(server: str) -> Demo:
    """Make it once for each database server: a test may bring its own."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    run = run and f"{run}-{hashlib.sha256(server.encode()).hexdigest()[:8]}"
    folder = (
        Path(tempfile.gettempdir()) / f"authsvc-demo-{run}" if run else Path(tempfile.mkdtemp(prefix="authsvc-demo-"))
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "demo.json"
        if not made.exists():
            made.write_text(json.dumps(asdict(_make_demo(server, folder))))
        return Demo(**json.loads(made.read_text()))


def _make_demo(server: str, folder: Path) -> Demo:
    database_url = _create(server, template="template1") if server else f"sqlite:///{folder / 'demo.sqlite3'}"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "authsvc.settings", "DATABASE_URL": database_url}
    return Demo(bootstrap({**environment, "AUTHSVC_BASE_URL": DEMO_URL}), database_url)


@contextlib.contextmanager
def fresh_database(folder: Path, like: str = "") -> Iterator[str]:
    """Yield the URL of a database on the engine of this leg: empty, or a copy of the one at the URL ``like``."""
    server = os.environ.get("TEST_DATABASE_URL", "")
    if not server:
        file = folder / "live.sqlite3"
        if like:
            _copy(like.removeprefix("sqlite:///"), file)
        yield f"sqlite:///{file}"
        return
    made = _create(server, template=_name(like) if like else "template1")
    yield made
    _run(server, "DROP DATABASE {} WITH (FORCE)", _name(made))


def _copy(source: str, target: Path) -> None:
    with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _create(server: str, *, template: str) -> str:
    name = f"live_{secrets.token_hex(6)}"
    _run(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    address = _address(server)
    return f"postgres://{address['user']}@/{name}?host={address['host']}"


def _run(server: str, statement: str, *names: str) -> None:
    with psycopg.connect(**_address(server), dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _address(server: str) -> dict[str, Any]:
    parts = urlsplit(server)
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {"host": query.get("host", parts.hostname), "user": parts.username}


def _name(database_url: str) -> str:
    return urlsplit(database_url).path.removeprefix("/")
