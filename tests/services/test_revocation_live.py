"""Four processes under load: after a revoke has answered, the last accepted request starts at most a second later."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.live import LiveServer, start_live_server

TRIES = 5
THREADS = 8
BEFORE_SECONDS = 0.4
AFTER_SECONDS = 1.3
BOUND_SECONDS = 1.0


class Subject:
    """A service account with one grant, made for this test, and the administrator who takes things away from it."""

    def __init__(self, server: LiveServer) -> None:
        self.place = server.place("acme/prod")
        self.netloc = urlsplit(server.base_url).netloc
        self.role = self.ask("POST", "/roles", {"name": "Live reader", "scopes": ["profiles:read"]})["id"]
        account = {"name": "Live subject", "default_scopes": ["profiles:read"]}
        self.id = self.ask("POST", "/service-accounts", account)["id"]
        self.grant = self.give()

    def give(self) -> str:
        grant = {"principal_id": self.id, "role_id": self.role}
        return str(self.ask("POST", "/grants", grant)["id"])

    def token(self) -> dict[str, Any]:
        return self.ask("POST", "/tokens", {"principal_id": self.id, "scopes": ["profiles:read"]})

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        status, answer = self.send(method, path, self.place["api_key"], body)
        assert status < 300, answer
        return json.loads(answer) if answer else {}

    def send(self, method: str, path: str, bearer: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.netloc, timeout=20)
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        try:
            connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Load:
    """Eight threads that ask with one token, and when each accepted request started."""

    def __init__(self, subject: Subject, bearer: str) -> None:
        self.subject, self.bearer = subject, bearer
        self.accepted: list[float] = []
        self.statuses: set[int] = set()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.work) for _ in range(THREADS)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def work(self) -> None:
        while not self.over.is_set():
            started = time.monotonic()
            status, _ = self.subject.send("GET", "/profiles?limit=1", self.bearer)
            self.statuses.add(status)
            if status == 200:
                self.accepted.append(started)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    with start_live_server(tmp_path_factory.mktemp("revocation"), workers=4) as server:
        yield Subject(server)


def revoke_jti(subject: Subject, token: dict[str, Any]) -> None:
    subject.ask("DELETE", f"/tokens/{token['jti']}")


def disable_principal(subject: Subject, _token: dict[str, Any]) -> None:
    subject.ask("PATCH", f"/service-accounts/{subject.id}", {"state": "disabled"})


def remove_grant(subject: Subject, _token: dict[str, Any]) -> None:
    subject.ask("DELETE", f"/grants/{subject.grant}", {"reason": "test"})


def restore(subject: Subject, what: str) -> None:
    if what == "principal":
        subject.ask("PATCH", f"/service-accounts/{subject.id}", {"state": "active"})
    if what == "grant":
        subject.grant = subject.give()


@pytest.mark.parametrize(
    ("what", "take_away", "refusal"),
    [("jti", revoke_jti, 401), ("principal", disable_principal, 401), ("grant", remove_grant, 403)],
)
def test_revocation_reaches_every_worker_within_a_second(
    subject: Subject, what: str, take_away: Callable[[Subject, dict[str, Any]], None], refusal: int
) -> None:
    for _ in range(TRIES):
        token = subject.token()
        with Load(subject, token["access_token"]) as load:
            time.sleep(BEFORE_SECONDS)
            before = len(load.accepted)
            take_away(subject, token)
            returned = time.monotonic()
            time.sleep(AFTER_SECONDS)
        assert before > 0
        assert max(load.accepted) <= returned + BOUND_SECONDS
        assert load.statuses == {200, refusal}
        restore(subject, what)
