"""Real Caddy with the sample of deploy/ in front of a WebSocket echo server, guarded by a live authsvc."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.compat.guarded import Guarded, bearer, guarded_by, service_token
from tests.live import ROOT, LiveServer, free_port

pytestmark = pytest.mark.compat

BINARY = Path(sys.executable).parent / "caddy"
SAMPLE = ROOT / "deploy" / "caddy" / "Caddyfile"
GLOBAL = "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n}\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Yield Caddy between a WebSocket echo server and a live authsvc that trusts it."""
    with guarded_by(tmp_path_factory.mktemp("caddy"), _caddy) as between:
        yield between


def test_right_token_connects_and_its_signed_identity_alone_arrives(guarded: Guarded) -> None:
    spoofed = {"X-Authsvc-Subject": "root", "X-Authsvc-Identity": "forged", "X-Authsvc-Device": "dev_forged"}
    headers = {**bearer(service_token(guarded)), **spoofed, "X-Forwarded-Uri": "/health", "X-Forwarded-Method": "GET"}
    with connect(f"ws://{guarded.address}/agents", additional_headers=headers) as socket:
        arrived = {name.lower(): value for name, value in json.loads(socket.recv(timeout=5))}
        socket.send("hello")
        assert socket.recv(timeout=5) == "hello"
    assert arrived["x-authsvc-subject"] == guarded.place["client_id"]
    assert not {"root", "forged", "dev_forged"} & set(arrived.values())
    keys = KeySet.import_key_set(httpx.get(f"{guarded.place['issuer']}/.well-known/jwks.json").json())
    identity = jwt.decode(arrived["x-authsvc-identity"], keys, algorithms=["RS256"])
    assert identity.claims["aud"] == guarded.place["gateway"]["audience"]


@pytest.mark.parametrize("token", ["", "wrong"])
def test_wrong_or_missing_token_is_401_with_a_challenge(guarded: Guarded, token: str) -> None:
    with (
        pytest.raises(InvalidStatus) as refusal,
        connect(f"ws://{guarded.address}/agents", additional_headers=bearer(token)),
    ):
        raise AssertionError("connected")
    assert refusal.value.response.status_code == 401
    assert refusal.value.response.headers["WWW-Authenticate"].startswith("Bearer")


def test_route_the_token_may_not_use_is_403_with_the_problem(guarded: Guarded) -> None:
    answer = httpx.delete(f"http://{guarded.address}/agents/a1", headers=bearer(service_token(guarded)))
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


@contextlib.contextmanager
def _caddy(folder: Path, live: LiveServer, upstream: str) -> Iterator[str]:
    """Run Caddy on a free port with the sample of deploy/."""
    address = f"127.0.0.1:{free_port()}"
    host = live.base_url.removeprefix("http://")
    values = {
        "gateway.example.com": f"http://{address}",
        "127.0.0.1:8000": host,
        "auth.example.com": host,
        "127.0.0.1:18789": upstream,
        "GATEWAY_ID": live.document["environments"]["acme/prod"]["gateway"]["id"],
    }
    text = SAMPLE.read_text()
    for sample, real in values.items():
        assert sample in text
        text = text.replace(sample, real)
    file = folder / "Caddyfile"
    file.write_text(GLOBAL + text)
    command = [str(BINARY), "run", "--config", str(file), "--adapter", "caddyfile"]
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": ""})
    try:
        _wait(address, process, folder / "caddy.log")
        yield address
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"Caddy ended: {log.read_text()[-2000:]}")
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://{address}/")
            return
        time.sleep(0.05)
    raise RuntimeError("Caddy did not answer")
