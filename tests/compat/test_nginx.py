"""Real nginx with the sample of deploy/ in front of a WebSocket echo server, guarded by a live authsvc."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from string import Template

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.compat.agentos import fetch_jwks, on_free_port, running
from tests.compat.guarded import Guarded, bearer, echo_server, guarded_by, service_token
from tests.live import CERTIFICATES, ROOT, LiveServer, free_port

pytestmark = pytest.mark.compat

SAMPLE = ROOT / "deploy" / "nginx" / "gateway.conf.template"
MAIN = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/gateway.conf;
}}
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Yield nginx between a WebSocket echo server and a live authsvc that trusts it."""
    with guarded_by(tmp_path_factory.mktemp("nginx"), _nginx) as between:
        yield between


def test_right_token_connects_and_the_echo_answers(guarded: Guarded) -> None:
    with connect(f"ws://{guarded.address}/agents", additional_headers=bearer(service_token(guarded))) as socket:
        json.loads(socket.recv(timeout=5))
        socket.send("hello")
        assert socket.recv(timeout=5) == "hello"


@pytest.mark.parametrize("token", ["", "wrong", "foreign", "own api"])
def test_wrong_or_missing_token_is_401_with_a_challenge(guarded: Guarded, token: str) -> None:
    foreign = guarded.live.place("globex/prod")["gateway"]["token"]
    proofs = {"foreign": foreign, "own api": service_token(guarded, audience="")}
    with (
        pytest.raises(InvalidStatus) as refusal,
        connect(f"ws://{guarded.address}/agents", additional_headers=bearer(proofs.get(token, token))),
    ):
        raise AssertionError("connected")
    assert refusal.value.response.status_code == 401
    assert refusal.value.response.headers["WWW-Authenticate"].startswith("Bearer")


def test_route_the_token_may_not_use_is_403(guarded: Guarded) -> None:
    answer = httpx.delete(f"http://{guarded.address}/agents/a1", headers=bearer(service_token(guarded)))
    assert answer.status_code == 403


def test_path_that_two_readers_take_differently_is_403(guarded: Guarded) -> None:
    token = service_token(guarded)
    for path in ("/agents/..%2Fworkflows", "/agents/%2e%2e/workflows", "/agents%2fa1"):
        answer = httpx.get(f"http://{guarded.address}{path}", headers=bearer(token), verify=CERTIFICATES)
        assert answer.status_code == 403


def test_identity_reaches_the_gateway_signed_and_spoofed_fields_never_do(guarded: Guarded) -> None:
    spoofed = {
        "X-Authsvc-Subject": "root",
        "X-Authsvc-Identity": "forged",
        "X-Authsvc-Device": "dev_forged",
        "X_Authsvc_Subject": "root",
        "X-Forwarded-Uri": "/public",
        "X-Original-URI": "/public",
        "X-Original-Method": "OPTIONS",
    }
    headers = {**bearer(service_token(guarded)), **spoofed}
    with connect(f"ws://{guarded.address}/agents", additional_headers=headers) as socket:
        arrived = {name.lower(): value for name, value in json.loads(socket.recv(timeout=5))}
    assert arrived["x-authsvc-subject"] == guarded.place["client_id"]
    assert "x-authsvc-device" not in arrived
    assert "x_authsvc_subject" not in arrived
    assert not {"root", "forged", "dev_forged"} & set(arrived.values())
    keys = KeySet.import_key_set(httpx.get(f"{guarded.place['issuer']}/.well-known/jwks.json").json())
    identity = jwt.decode(arrived["x-authsvc-identity"], keys, algorithms=["RS256"])
    assert identity.claims["aud"] == guarded.place["gateway"]["audience"]
    assert identity.claims["sub"] == guarded.place["client_id"]


def test_revoked_token_is_refused_within_a_second(guarded: Guarded) -> None:
    token, key = service_token(guarded), guarded.place["api_key"]
    claims = httpx.post(
        f"{guarded.live.base_url}/api/v1/decide", json={"token": token, "scope": "agents:read"}, headers=bearer(key)
    ).json()
    assert claims["allowed"] is True
    address = f"http://{guarded.address}/agents"
    assert httpx.get(address, headers=bearer(token), verify=CERTIFICATES).status_code != 401
    body = {"principal_id": guarded.place["client_id"], "reason": "test"}
    revoked = httpx.post(f"{guarded.live.base_url}/api/v1/tokens/revoke-all", json=body, headers=bearer(key))
    assert revoked.status_code == 200
    started = time.monotonic()
    while httpx.get(address, headers=bearer(token), verify=CERTIFICATES).status_code != 401:
        assert time.monotonic() - started < 1.0
    assert time.monotonic() - started < 1.0


def test_agentos_behind_nginx_is_reached_by_the_right_token_alone(tmp_path: Path, guarded: Guarded) -> None:
    place = guarded.place
    fetch_jwks(place["issuer"], tmp_path / "jwks.json")
    system = on_free_port(tmp_path / "jwks.json", place["issuer"], place["gateway"]["audience"])
    with (
        running(sys.executable, tmp_path, system),
        _nginx(tmp_path, guarded.live, f"127.0.0.1:{system.port}") as address,
        httpx.Client(base_url=f"http://{address}", timeout=30) as client,
    ):
        token = service_token(guarded)
        listed = client.get("/agents", headers=bearer(token))
        assert (listed.status_code, len(listed.json())) == (200, 3)
        for wrong in ("", "wrong", service_token(guarded, audience="")):
            refused = client.get("/agents", headers=bearer(wrong))
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert client.delete("/agents/agent-1", headers=bearer(token)).status_code == 403
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        api = f"{guarded.live.base_url}/api/v1/tokens/{claims['jti']}"
        assert httpx.delete(api, headers=bearer(place["api_key"])).status_code == 204
        started = time.monotonic()
        while client.get("/agents", headers=bearer(token)).status_code != 401:
            assert time.monotonic() - started < 1.0
        assert client.get("/agents", headers=bearer(service_token(guarded))).status_code == 200


def test_authsvc_away_passes_nothing(tmp_path: Path, guarded: Guarded) -> None:
    gone = LiveServer(f"http://127.0.0.1:{free_port()}", guarded.live.document, {}, guarded.live.log)
    with echo_server() as upstream, _nginx(tmp_path, gone, upstream) as address:
        answer = httpx.get(f"http://{address}/agents", headers=bearer(service_token(guarded)))
    assert answer.status_code == 500


@contextlib.contextmanager
def _nginx(folder: Path, live: LiveServer, upstream: str) -> Iterator[str]:
    """Run nginx on a free port with the sample of deploy/."""
    binary = shutil.which("nginx")
    assert binary, "nginx is not installed (Debian: apt-get install nginx-light)"
    address = f"127.0.0.1:{free_port()}"
    place = live.document["environments"]["acme/prod"]
    values = {
        "LISTEN": address,
        "AUTHSVC_ADDRESS": live.base_url.removeprefix("http://"),
        "AUTHSVC_HOST": live.base_url.removeprefix("http://"),
        "GATEWAY_ADDRESS": upstream,
        "FORWARD_AUTH": f"/t/acme/prod/gateways/{place['gateway']['id']}/forward-auth",
    }
    (folder / "gateway.conf").write_text(Template(SAMPLE.read_text()).safe_substitute(values))
    main = folder / "nginx.conf"
    main.write_text(MAIN.format(folder=folder))
    process = subprocess.Popen([binary, "-p", str(folder), "-c", str(main)], stderr=subprocess.PIPE)
    try:
        _wait(address, process)
        yield address
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended: {process.stderr.read().decode() if process.stderr else ''}")
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://{address}/")
            return
        time.sleep(0.05)
    raise RuntimeError("nginx did not answer")
