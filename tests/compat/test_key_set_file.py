"""``authsvc-jwks`` beside a live server: when it writes, what it refuses, and that the old file always stays."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compat.conftest import Tenancy
from tests.live import ROOT, free_port

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("compat")]
PROGRAM = ROOT / "deploy" / "gateway" / "authsvc-jwks"
UNCHANGED, CHANGED, UNKNOWN, USAGE = 0, 10, 3, 64
GOOD = {"kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB"}


def test_key_set_file_is_written_once_and_then_left_alone(prod: Tenancy, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    assert _sync(prod.issuer, file).returncode == CHANGED
    published = httpx.get(f"{prod.issuer}/.well-known/jwks.json").json()
    assert json.loads(file.read_text()) == published
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = file.stat().st_ino
    assert _sync(prod.issuer, file).returncode == UNCHANGED
    assert file.stat().st_ino == written
    assert list(tmp_path.iterdir()) == [file]


def test_stale_key_set_file_is_replaced(prod: Tenancy, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(b"\xff")
    assert _sync(prod.issuer, file).returncode == CHANGED
    assert json.loads(file.read_text())["keys"]


def test_server_that_is_away_leaves_the_file(tmp_path: Path) -> None:
    _assert_file_stays(f"http://127.0.0.1:{free_port()}", tmp_path)


def test_unknown_issuer_leaves_the_file(prod: Tenancy, tmp_path: Path) -> None:
    _assert_file_stays(f"{prod.issuer}-unknown", tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b'{"keys": []}',
        b'{"keys": ["text"]}',
        json.dumps({"keys": [{**GOOD, "d": "AQAB"}]}).encode(),
        json.dumps({"keys": [{"kty": "oct", "kid": "one", "k": "AQAB"}]}).encode(),
        json.dumps({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}).encode(),
        json.dumps({"keys": [GOOD, GOOD]}).encode(),
        json.dumps({"keys": [{**GOOD, "kid": "\x1b[2J"}]}).encode(),
        b"[" * 100_000,
        json.dumps({"keys": [{**GOOD, "n": "A" * 1_100_000}]}).encode(),
    ],
    ids=[
        "no json",
        "a list",
        "no keys",
        "text",
        "private",
        "symmetric",
        "no id",
        "same id",
        "odd id",
        "too deep",
        "too large",
    ],
)
def test_bad_key_set_leaves_the_file(answer: bytes, tmp_path: Path) -> None:
    with _answering(200, answer) as address:
        _assert_file_stays(address, tmp_path)


def test_redirect_is_not_followed(prod: Tenancy, tmp_path: Path) -> None:
    with _answering(302, b"", Location=f"{prod.issuer}/.well-known/jwks.json") as address:
        _assert_file_stays(address, tmp_path)


@pytest.mark.parametrize("issuer", ["http://auth.example/t/acme/prod", "file:///etc", "auth.example", ""])
def test_issuer_without_https_is_bad_usage(issuer: str, tmp_path: Path) -> None:
    done = _sync(issuer, tmp_path / "jwks.json")
    assert done.returncode == USAGE
    assert list(tmp_path.iterdir()) == []


def _assert_file_stays(issuer: str, folder: Path) -> None:
    file = folder / "jwks.json"
    file.write_text("what was there")
    done = _sync(issuer, file)
    assert done.returncode == UNKNOWN
    assert done.stderr.startswith(f"authsvc-jwks: {file} stays as it is: ")
    assert file.read_text() == "what was there"
    assert list(folder.iterdir()) == [file]


def _sync(issuer: str, file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(PROGRAM), "--issuer", issuer, "--file", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def _answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """Yield the address of a server that gives everybody this answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
