"""What must hold while the numbers are made: denied and revoked cases on every worker, within the promised second."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

from tests.bench.load import Target, ask
from tests.bench.targets import JSON, Bench

CONNECTIONS = 24  # enough that every worker holds some of them
BOUND_SECONDS = 1.0


class WrongAnswer(AssertionError):
    """The service answered wrongly: nothing that was measured counts."""


def check_answers(targets: list[Target]) -> None:
    """Raise ``WrongAnswer`` unless each target answers as it says."""
    for target in targets:
        status, body = ask(target)
        if status != target.status or target.contains not in body:
            raise WrongAnswer(f"{target.name}: {status} {body[:300]}")


def move_changes(bench: Bench) -> None:
    """Make every worker forget what it remembers, as any change of rights does: revoke a token nobody uses."""
    token = _issue(bench)
    _send(bench, "DELETE", f"/tokens/{token['jti']}")


def check_revocation(bench: Bench) -> float:
    """Warm a token on every worker, revoke it, and return after how many seconds the last one refused it."""
    token = _issue(bench)
    body = json.dumps({"token": token["access_token"], "scope": "profiles:read"})
    headers = {**JSON, "Authorization": f"Bearer {bench.place['api_key']}"}
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(_connection(bench))) for _ in range(CONNECTIONS)]
        if not all(list(_allowed(connections, body, headers)) for _ in range(2)):
            raise WrongAnswer("a fresh token is not accepted")
        _send(bench, "DELETE", f"/tokens/{token['jti']}")
        revoked_at = time.monotonic()
        while any(list(_allowed(connections, body, headers))):
            if time.monotonic() - revoked_at > BOUND_SECONDS + 1:
                raise WrongAnswer("a worker still accepts a revoked token")
        took = time.monotonic() - revoked_at
    if took > BOUND_SECONDS:
        raise WrongAnswer(f"the last worker refused after {took:.2f} s")
    return took


def _allowed(connections: list[http.client.HTTPConnection], body: str, headers: dict[str, str]) -> Iterator[bool]:
    for connection in connections:
        connection.request("POST", "/api/v1/decide", body, headers)
        yield bool(json.loads(connection.getresponse().read())["allowed"])


def _issue(bench: Bench) -> dict[str, str]:
    account = bench.place["ids"]["service_account"]
    return _send(bench, "POST", "/tokens", {"principal_id": account, "scopes": ["profiles:read"]})


def _send(bench: Bench, method: str, path: str, body: object = None) -> dict[str, str]:
    with closing(_connection(bench)) as connection:
        headers = {**JSON, "Authorization": f"Bearer {bench.place['api_key']}"}
        connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise WrongAnswer(f"{method} {path}: {answer.status} {text[:300]!r}")
        found: dict[str, str] = json.loads(text) if text else {}
        return found


def _connection(bench: Bench) -> http.client.HTTPConnection:
    parts = urlsplit(bench.base_url)
    return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
