"""A revoke while requests with the token are on their way, in two processes: none of them brings the token back."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from tests.live import LiveServer
from tests.scale import scaled

ROUNDS = scaled(2, 50)
THREADS = 8
BOUND_SECONDS = 1.0
AFTERWARDS = 24


class Client:
    """One connection that asks for decisions about a token as the demo's administrator."""

    def __init__(self, server: LiveServer) -> None:
        self.place = server.place("acme/prod")
        self.connection = http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=30)

    def close(self) -> None:
        self.connection.close()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.place['api_key']}", "Content-Type": "application/json"}
        self.connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, text
        return json.loads(text) if text else None

    def is_allowed(self, token: str) -> bool:
        return bool(self.send("POST", "/decide", {"token": token, "scope": "profiles:read"})["allowed"])


def ask_until(server: LiveServer, token: str, over: threading.Event, late: list[float], revoked: list[float]) -> None:
    """Ask on fresh connections, so that both processes work on it, and note what was allowed after the bound."""
    while not over.is_set():
        with closing(Client(server)) as client:
            began = time.monotonic()
            if client.is_allowed(token) and revoked and began > revoked[0] + BOUND_SECONDS:
                late.append(began - revoked[0])


def test_a_revoked_token_never_comes_back(live: LiveServer) -> None:
    with closing(Client(live)) as admin:
        account = admin.place["ids"]["service_account"]
        for _ in range(ROUNDS):
            token = admin.send("POST", "/tokens", {"principal_id": account, "scopes": ["profiles:read"]})
            over, late, revoked = threading.Event(), list[float](), list[float]()
            asked = (live, token["access_token"], over, late, revoked)
            threads = [threading.Thread(target=ask_until, args=asked) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            admin.send("DELETE", f"/tokens/{token['jti']}")
            revoked.append(time.monotonic())
            over.wait(BOUND_SECONDS + 0.1)
            over.set()
            for thread in threads:
                thread.join()
            assert late == []
            for _ in range(AFTERWARDS):
                with closing(Client(live)) as client:
                    assert not client.is_allowed(token["access_token"])
