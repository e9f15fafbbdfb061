"""The notifier tells each change once and the recovery once; the units are ones that systemd accepts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.live import LiveServer

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy" / "systemd"
CHECK = "import json, os, sys; print(os.environ['DOCUMENT']); sys.exit(int(os.environ['CODE']))"


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[Any]]]:
    """Yield an address and what was posted to it."""
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", seen
    server.shutdown()
    server.server_close()


def _notify(folder: Path, url: str, code: int, state: str = "ok") -> int:
    profile = {"profileId": "anthropic:default", "status": state}
    document = {"tenant": "acme", "environment": "prod", "auth": {"oauth": {"profiles": [profile]}}}
    environment = {
        "PATH": os.environ["PATH"],
        "NOTIFY_WEBHOOK_URL": url,
        "NOTIFY_STATE": str(folder / "state" / "verdict.json"),
        "DOCUMENT": json.dumps(document),
        "CODE": str(code),
    }
    command = [sys.executable, str(DEPLOY / "authsvc-notify"), "--", sys.executable, "-c", CHECK]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=30).returncode


def test_notifier_tells_each_change_once_and_the_recovery(tmp_path: Path, webhook: tuple[str, list[Any]]) -> None:
    url, seen = webhook
    for code, state in (
        (0, "ok"),
        (2, "expiring"),
        (2, "expiring"),
        (1, "expired"),
        (1, "expired"),
        (0, "ok"),
        (0, "ok"),
    ):
        assert _notify(tmp_path, url, code, state) == code
    assert [message["code"] for message in seen] == [2, 1, 0]
    assert seen[-1]["title"] == "authsvc: recovered"
    assert seen[1]["failing"] == ["acme/prod anthropic:default expired"]


def test_notifier_tries_again_what_nobody_took(tmp_path: Path, webhook: tuple[str, list[Any]]) -> None:
    url, seen = webhook
    assert _notify(tmp_path, "http://127.0.0.1:9/", 1, "expired") == 1
    assert _notify(tmp_path, url, 1, "expired") == 1
    assert [message["code"] for message in seen] == [1]


def test_commands_end_with_the_codes_that_monitoring_reads(live: LiveServer, tmp_path: Path) -> None:
    place = ("--tenant", "globex", "--env", "dev")
    assert live.manage("models", "status", "--check", *place).returncode == 0
    assert live.manage("models", "status", "--nonsense").returncode == 64
    assert live.manage("models", "auth", "paste-token", "--token", "x", *place).returncode == 64
    token = "pasted-through-a-pipe-000001"
    pasted = live.manage(
        "models", "auth", "paste-token", "--provider", "pipe-llm", "--expires-in", "2h", *place, stdin=f"{token}\n"
    )
    assert (pasted.returncode, token in pasted.stdout + pasted.stderr) == (0, False)
    assert live.manage("models", "status", "--check", *place).returncode == 2
    away = replace(live, environment={**live.environment, "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"})
    assert away.manage("models", "status", "--check", *place).returncode == 3


def test_units_pass_systemd_analyze(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    units = sorted(path for path in DEPLOY.iterdir() if path.suffix in {".service", ".timer"})
    assert len(units) == 4
    for unit in units:
        text = unit.read_text()
        # The programs are installed by the operator; here only the units themselves are judged.
        (tmp_path / unit.name).write_text(text.replace("/usr/local/bin/", f"{shutil.which('true')} "))
    if analyze is None:
        print("systemd-analyze is not installed: the units were read, not verified")  # noqa: T201
        assert all("[Unit]" in unit.read_text() for unit in units)
        return
    names = [str(tmp_path / unit.name) for unit in units]
    verified = subprocess.run([analyze, "verify", *names], capture_output=True, text=True, check=False, timeout=60)
    ours = [line for line in verified.stderr.splitlines() if str(tmp_path) in line or "authsvc-" in line]
    assert (verified.returncode, ours) == (0, [])
