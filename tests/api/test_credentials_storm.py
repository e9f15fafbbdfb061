"""Many connections to many processes want one ended login at once: the provider is asked exactly once."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.fake_provider import fake_provider
from tests.live import LiveServer, start_live_server

CONNECTIONS = 32
REQUESTS_EACH = 4
PROVIDER = "login-llm"


def _connect(server: LiveServer) -> http.client.HTTPConnection:
    parts = urlsplit(server.base_url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)


def _send(connection: http.client.HTTPConnection, method: str, path: str, key: str, body: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request(method, f"/api/v1{path}", json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def _resolve_many(server: LiveServer, key: str, count: int) -> list[tuple[int, str]]:
    connection = _connect(server)
    found = []
    for _ in range(count):
        status, answer = _send(connection, "POST", "/credentials/resolve", key, {"provider": PROVIDER})
        found.append((status, str(answer.get("value", answer))))
    connection.close()
    return found


def _store_login(server: LiveServer, key: str, token_url: str) -> str:
    connection = _connect(server)
    status, _ = _send(connection, "PUT", f"/providers/{PROVIDER}", key, {"token_url": token_url})
    assert status == 200
    login = {
        "provider": PROVIDER,
        "kind": "oauth",
        "value": "access-0",
        "refresh": "refresh-0",
        "expires_at": "2020-01-01T00:00:00Z",
    }
    status, profile = _send(connection, "POST", "/profiles", key, login)
    assert status == 201, profile
    connection.close()
    return str(profile["id"])


def test_storm_on_one_ended_login_asks_the_provider_once(tmp_path: Path) -> None:
    with fake_provider() as provider, start_live_server(tmp_path, workers=4) as server:
        provider.delay_seconds = 0.5
        key = server.place("acme/prod")["api_key"]
        _store_login(server, key, provider.url)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            runs = list(pool.map(lambda _: _resolve_many(server, key, REQUESTS_EACH), range(CONNECTIONS)))
        answers = Counter(answer for run in runs for answer in run)
        assert answers == {(200, "access-1"): CONNECTIONS * REQUESTS_EACH}
        assert len(provider.requests) == 1


def test_storm_on_a_refused_login_asks_the_provider_once(tmp_path: Path) -> None:
    with fake_provider() as provider, start_live_server(tmp_path, workers=4) as server:
        provider.mode, provider.delay_seconds = "invalid_grant", 0.3
        key = server.place("acme/prod")["api_key"]
        _store_login(server, key, provider.url)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            runs = list(pool.map(lambda _: _resolve_many(server, key, 2), range(CONNECTIONS)))
        assert {status for run in runs for status, _ in run} == {409}
        assert len(provider.requests) == 1
