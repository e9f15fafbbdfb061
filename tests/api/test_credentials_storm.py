"""Many connections to many processes want one ended login at once: the provider is asked exactly once."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fake_provider import fake_provider
from tests.live import LiveServer, start_live_server
from tests.scale import scaled

CONNECTIONS = 32
REQUESTS_EACH = scaled(quick=4, full=313)  # 10,016 requests in all


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield a live server with four processes."""
    with start_live_server(tmp_path_factory.mktemp("storm"), workers=4) as started:
        yield started


def _connect(server: LiveServer) -> http.client.HTTPConnection:
    parts = urlsplit(server.base_url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)


def _send(connection: http.client.HTTPConnection, method: str, path: str, key: str, body: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request(method, f"/api/v1{path}", json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def _storm(server: LiveServer, key: str, name: str, each: int) -> Counter[tuple[int, str]]:
    """Resolve over many connections at once; count the answers by status and value or reason."""
    ready = threading.Barrier(CONNECTIONS)

    def run(_number: int) -> list[tuple[int, str]]:
        connection = _connect(server)
        ready.wait(60)
        answers = [_send(connection, "POST", "/credentials/resolve", key, {"provider": name}) for _ in range(each)]
        connection.close()
        return [(status, str(answer.get("value", answer.get("reason", answer)))) for status, answer in answers]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return Counter(answer for found in pool.map(run, range(CONNECTIONS)) for answer in found)


def _store_login(server: LiveServer, key: str, name: str, token_url: str) -> str:
    connection = _connect(server)
    status, _ = _send(connection, "PUT", f"/providers/{name}", key, {"token_url": token_url})
    assert status == 200
    login = {
        "provider": name,
        "kind": "oauth",
        "value": "access-0",
        "refresh": "refresh-0",
        "expires_at": "2020-01-01T00:00:00Z",
    }
    status, profile = _send(connection, "POST", "/profiles", key, login)
    assert status == 201, profile
    connection.close()
    return str(profile["id"])


def test_storm_on_one_ended_login_asks_the_provider_once(server: LiveServer) -> None:
    with fake_provider() as provider:
        provider.delay_seconds = 0.5
        key = server.place("acme/prod")["api_key"]
        _store_login(server, key, "storm-llm", provider.url)
        answers = _storm(server, key, "storm-llm", REQUESTS_EACH)
    assert answers == {(200, "access-1"): CONNECTIONS * REQUESTS_EACH}
    assert len(provider.requests) == 1


def test_storm_on_a_refused_login_asks_the_provider_once(server: LiveServer) -> None:
    with fake_provider() as provider:
        provider.mode, provider.delay_seconds = "invalid_grant", 0.3
        key = server.place("acme/prod")["api_key"]
        _store_login(server, key, "refused-llm", provider.url)
        answers = _storm(server, key, "refused-llm", 2)
    assert answers == {(409, "invalid_grant"): CONNECTIONS * 2}
    assert len(provider.requests) == 1


def test_storm_on_a_provider_killed_half_way_loses_no_refresh_token(server: LiveServer) -> None:
    with fake_provider() as provider:
        provider.mode, provider.delay_seconds = "hang_up", 0.3
        key = server.place("acme/prod")["api_key"]
        profile_id = _store_login(server, key, "dying-llm", provider.url)
        answers = _storm(server, key, "dying-llm", 2)
    assert answers == {(409, "provider_unreachable"): CONNECTIONS * 2}
    assert len(provider.requests) == 1
    connection = _connect(server)
    _, status = _send(connection, "GET", "/status?provider=dying-llm", key, None)
    assert [line["status"] for line in status["auth"]["oauth"]["profiles"]] == ["refresh_failed"]
    _, export = _send(connection, "GET", "/profiles/export?secrets=full&refresh_tokens=include", key, None)
    connection.close()
    kept = next(entry for entry in export["document"]["profiles"].values() if entry["provider"] == "dying-llm")
    assert (kept["access"], kept["refresh"]) == ("access-0", "refresh-0"), profile_id
