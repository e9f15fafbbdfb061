"""The database goes away under a live server: 503 with ``Retry-After``, never 500, and back without a restart.

On SQLite the file is moved away; on the PostgreSQL leg a server of this test's own is stopped hard and started again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from authsvc.audit.changes import POLL_SECONDS
from tests.live import LiveServer, start_live_server
from tests.servers import _account, _is_ready, _wait, postgresql_binaries

SECONDS_TO_RECOVER = 15


class SqliteFile:
    """A database file that can be taken away and brought back."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gone.sqlite3"
        self.away = folder / "away"
        self.away.mkdir()
        self.url = f"sqlite:///{self.path}"

    def stop(self) -> None:
        for path in self.path.parent.glob("gone.sqlite3*"):
            path.rename(self.away / path.name)

    def start(self) -> None:
        for path in self.path.parent.glob("gone.sqlite3*"):
            path.unlink()
        for path in self.away.iterdir():
            path.rename(self.path.parent / path.name)


@dataclass
class PostgresServer:
    """A PostgreSQL of our own in a short folder; ``stop`` is a crash, ``start`` recovers."""

    binaries: Path
    folder: Path
    account: dict[str, Any]
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"postgres://postgres@/postgres?host={self.folder}"

    def make(self) -> None:
        command = [str(self.binaries / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust"]
        subprocess.run([*command, "-E", "UTF8", "--locale=C"], check=True, capture_output=True, **self.account)

    def start(self) -> None:
        command = [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, "-c", "listen_addresses="],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self.account,
        )
        _wait(lambda: _is_ready(self.binaries, self.folder), self.process, "postgres")

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)  # immediate: no farewell to clients, recovery at the next start
        self.process.wait(20)


@contextlib.contextmanager
def database(folder: Path) -> Iterator[SqliteFile | PostgresServer]:
    if not os.environ.get("TEST_DATABASE_URL"):
        yield SqliteFile(folder)
        return
    short = Path(tempfile.mkdtemp(prefix="authsvc-fault-", dir="/tmp"))
    server = PostgresServer(postgresql_binaries(), short, _account(short))
    try:
        server.make()
        server.start()
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()
        shutil.rmtree(short, ignore_errors=True)


def answers(server: LiveServer) -> dict[str, httpx.Response]:
    place = server.place("acme/prod")
    bearer = {"Authorization": f"Bearer {place['api_key']}"}
    secret = {"grant_type": "client_credentials", "client_id": place["client_id"]}
    secret["client_secret"] = place["client_secret"]
    with httpx.Client(base_url=server.base_url, timeout=10, headers=bearer) as api, httpx.Client(timeout=10) as plain:
        issuer = f"{server.base_url}/t/acme/prod"
        return {
            "me": api.get("/api/v1/me"),
            "profiles": api.get("/api/v1/profiles"),
            "resolve": api.post("/api/v1/credentials/resolve", json={"provider": "anthropic"}),
            "role": api.post("/api/v1/roles", json={"name": f"r{time.time_ns()}", "scopes": ["profiles:read"]}),
            "token": plain.post(f"{issuer}/oauth/token", data=secret),
            "introspect": plain.post(f"{issuer}/oauth/introspect", data={**secret, "token": place["api_key"]}),
            "decide": api.post("/api/v1/decide", json={"token": place["api_key"], "scope": "profiles:read"}),
            "forward": plain.get(
                f"{issuer}/gateways/{place['gateway']['id']}/forward-auth?contract=caddy",
                headers={"Authorization": f"Bearer {place['gateway']['token']}"},
            ),
            "keys": plain.get(f"{issuer}/.well-known/jwks.json"),
            "ready": plain.get(f"{server.base_url}/health/ready"),
            "live": plain.get(f"{server.base_url}/health/live"),
        }


def require_fine(found: dict[str, httpx.Response]) -> None:
    assert {name: answer.status_code for name, answer in found.items() if answer.status_code not in {200, 201}} == {}


def test_database_gone_answers_503_and_recovers_alone(tmp_path: Path) -> None:
    with (
        database(tmp_path) as store,
        start_live_server(tmp_path, workers=1, DATABASE_URL=store.url) as server,
    ):
        before = answers(server)
        require_fine(before)
        published = before["keys"].json()
        store.stop()
        time.sleep(2 * POLL_SECONDS)  # until then a worker may tell what it knows, which is not yet too old
        for _ in range(2):
            gone = answers(server)
            assert gone.pop("live").status_code == 200
            ready = gone.pop("ready")
            assert ready.status_code == 503
            assert ready.json()["problems"]
            assert gone.pop("keys").json() == published  # gateways go on verifying
            for name, answer in gone.items():
                assert answer.status_code == 503, f"{name}: {answer.status_code} {answer.text[:200]}"
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.json()["code"] == "unavailable"
                assert "sqlite" not in answer.text.lower()
                assert "postgres" not in answer.text.lower()
        store.start()
        deadline = time.monotonic() + SECONDS_TO_RECOVER
        while answers(server)["ready"].status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        require_fine(answers(server))
