"""A running service is given secrets; afterwards its files, its database's dump and log, and the process list have
none.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.canary import found_in
from tests.live import ROOT, LiveServer, start_live_server
from tests.servers import postgresql, postgresql_binaries

STORE = ROOT / "tests" / "vectors" / "stores" / "08_explicit_order_cooldown.json"


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the folder of a PostgreSQL that logs every statement, on that leg; empty on SQLite."""
    if not os.environ.get("TEST_DATABASE_URL"):
        yield ""
        return
    with postgresql("log_statement=all", "log_min_duration_statement=0") as url:
        monkeypatch.setenv("TEST_DATABASE_URL", url)
        yield parse_qs(urlsplit(url).query)["host"][0]


class ProcessList(threading.Thread):
    """Remembers every command line and environment that any process here was seen with."""

    def __init__(self) -> None:
        super().__init__()
        self.done = threading.Event()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        """Look again and again until told that it is over."""
        while not self.done.wait(0.05):
            for name in ("cmdline", "environ"):
                for path in Path("/proc").glob(f"[0-9]*/{name}"):
                    with contextlib.suppress(OSError):
                        self.seen.add(path.read_bytes())


def _planted(server: LiveServer) -> dict[str, str]:
    """Give the service secrets over HTTP and by command; return them."""
    canaries = {
        kind: f"canary-{secrets.token_urlsafe(40)}" for kind in ("api_key", "token", "oauth", "pasted", "refresh")
    }
    stored = json.loads(STORE.read_text())
    place = server.place("acme/prod")
    headers = {"Authorization": f"Bearer {place['api_key']}"}
    with httpx.Client(base_url=f"{server.base_url}/api/v1", headers=headers, timeout=60) as client:
        for kind in ("api_key", "token", "oauth"):
            body = {"provider": "canary-llm", "name": kind, "kind": kind, "value": canaries[kind]}
            body |= {"refresh": canaries["refresh"]} if kind == "oauth" else {}
            assert client.post("/profiles", json=body, headers={"Idempotency-Key": kind}).status_code == 201
        assert client.post("/profiles/import", json={"format": "openclaw", "content": stored}).status_code == 200
        assert client.post("/profiles", json={"provider": canaries["token"], "kind": 1}).status_code == 400
        for provider in ("anthropic", "canary-llm"):
            assert found_in(client.post("/credentials/resolve", json={"provider": provider}).text, canaries) or provider
    paste = ("models", "auth", "paste-token", "--provider", "canary-llm", "--tenant", "acme", "--env", "prod")
    command = [sys.executable, "manage.py", *paste]  # typed, so that the list of processes shows what was typed
    subprocess.run(command, input=canaries["pasted"], env=server.environment, cwd=ROOT, text=True, check=True)
    fields = ("key", "token", "access", "refresh")
    return canaries | {
        f"{name} {field}": entry[field]
        for name, entry in stored["profiles"].items()
        for field in fields
        if field in entry
    }


@contextlib.contextmanager
def _open_journal(path: Path, database: str) -> Iterator[None]:
    """Keep a connection to SQLite, so that its write-ahead log stays on the disk; nothing to do on PostgreSQL."""
    if database:
        yield
        return
    with contextlib.closing(sqlite3.connect(path)) as held:
        held.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield


def _dump(folder: str, url: str) -> str:
    command = [postgresql_binaries() / "pg_dump", "-h", folder, "-U", "postgres", urlsplit(url).path.strip("/")]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


def test_planted_secrets_are_in_no_file_dump_statement_log_or_process(tmp_path: Path, database: str) -> None:
    processes = ProcessList()
    processes.start()
    try:
        with start_live_server(tmp_path, workers=1, AUTHSVC_LOG_LEVEL="DEBUG") as server:
            with _open_journal(tmp_path / "live.sqlite3", database):
                canaries = _planted(server)
                kept = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
            kept["dumpdata"] = server.manage("dumpdata", "--all").stdout.encode()
            if database:
                kept["pg_dump"] = _dump(database, server.environment["DATABASE_URL"]).encode()
                kept["statements"] = (Path(database) / "log").read_bytes()
    finally:
        processes.done.set()
        processes.join(10)
    expected = {"pg_dump", "statements"} if database else {"live.sqlite3", "live.sqlite3-wal"}
    assert expected | {"server.log", "dumpdata"} <= set(kept)
    holders = {name for name in expected if b"canary-llm" in kept[name]}  # SQLite: the rows are in one of the two
    assert holders == expected if database else holders
    assert any(b"paste-token" in line and sys.executable.encode() in line for line in processes.seen)
    kept["process list"] = b"\n".join(processes.seen)
    assert {name: hits for name, content in kept.items() if (hits := found_in(content, canaries))} == {}
