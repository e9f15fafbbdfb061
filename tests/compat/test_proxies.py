"""Real Caddy and Envoy with the samples of deploy/ in front of a WebSocket echo server, guarded by a live authsvc."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.compat.guarded import Guarded, StartsProxy, bearer, echo_server, guarded_by, service_token
from tests.compat.proxies import caddy, envoy
from tests.live import LiveServer, free_port

pytestmark = pytest.mark.compat


@pytest.fixture(scope="module", params=[caddy, envoy], ids=["caddy", "envoy"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Yield a proxy between a WebSocket echo server and a live authsvc that trusts it."""
    with guarded_by(tmp_path_factory.mktemp("proxy"), request.param) as between:
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


@pytest.mark.parametrize(("proxy", "status"), [(caddy, 502), (envoy, 503)], ids=["caddy", "envoy"])
def test_nobody_to_ask_lets_nobody_through_and_is_no_refusal(
    live: LiveServer, tmp_path: Path, proxy: StartsProxy, status: int
) -> None:
    nobody = replace(live, base_url=f"http://127.0.0.1:{free_port()}")
    with echo_server() as upstream, proxy(tmp_path, nobody, upstream) as address:
        answer = httpx.get(f"http://{address}/agents", headers=bearer(live.place("acme/prod")["gateway"]["token"]))
    assert (answer.status_code, answer.text) == (status, "")
