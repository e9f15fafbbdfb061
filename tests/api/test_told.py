"""Forward-auth and introspection told again from memory: the same answer, and gone with any change of rights."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from authsvc.audit.figures import keep_figures
from authsvc.audit.models import DecisionTally
from authsvc.gate.authentication import admit
from authsvc.gate.door import QuickDoor
from authsvc.gate.identity import REPEATED
from authsvc.gate.told import find_told, key_of
from authsvc.settings import networks
from authsvc.tokens.services import revoke_token
from authsvc.web.limit_store import bucket_store
from rbac.services.gateways import get_gateway
from rbac.services.routes import set_routes
from tests.api.test_two_doors import answer, environ
from tests.world import FORM, Place, World

FORWARD, INTROSPECT = "forward-auth", "introspection"


@pytest.fixture
def place(world: World) -> Place:
    return world.prod


@pytest.fixture
def door() -> QuickDoor:
    return QuickDoor(WSGIHandler(), {})


@pytest.fixture
def token(place: Place) -> str:
    return place.access_token(audience=place.gateway["audience"])


def forward(place: Place, token: str, **headers: Any) -> dict[str, Any]:
    path = place.path(f"/gateways/{place.gateway['id']}/forward-auth")
    return environ("GET", path, authorization=f"Bearer {token}", **headers)


def introspect(place: Place, token: str, bearer: str = "") -> dict[str, Any]:
    bearer = f"Bearer {bearer or place.api_key}"
    return environ("POST", place.path("/oauth/introspect"), f"token={token}".encode(), FORM, authorization=bearer)


def sent_to(path: str, place: Place, token: str) -> dict[str, Any]:
    return forward(place, token) if path == FORWARD else introspect(place, token)


def is_told(sent: dict[str, Any]) -> bool:
    key = key_of(sent)
    return key is not None and find_told(key, now=datetime.now(UTC)) is not None


@pytest.mark.parametrize("path", [FORWARD, INTROSPECT])
def test_good_answer_is_told_again(place: Place, door: QuickDoor, token: str, path: str) -> None:
    sent = sent_to(path, place, token)
    answers = [answer(door, sent) for _ in range(3)]
    assert is_told(sent)
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == "200 OK"


@pytest.mark.parametrize("path", [FORWARD, INTROSPECT])
def test_answer_is_forgotten_when_the_token_is_revoked(
    place: Place, door: QuickDoor, token: str, now: datetime, path: str
) -> None:
    sent = sent_to(path, place, token)
    before = [answer(door, sent) for _ in range(2)][1]
    assert is_told(sent)
    subject = admit(token, audience=place.gateway["audience"], now=now)
    revoke_token(place.caller(), jti=subject.token_id, reason="test", now=now)
    assert not is_told(sent)
    after = answer(door, sent)
    assert (after[0], after[2] == before[2]) == (("401 Unauthorized", False) if path == FORWARD else ("200 OK", False))


def test_forward_auth_told_again_is_counted_as_a_decision(place: Place, door: QuickDoor, token: str) -> None:
    for _ in range(4):
        answer(door, forward(place, token))
    keep_figures()
    assert sum(row.allowed for row in DecisionTally.objects.filter(environment_id=place.caller().environment_id)) == 4


def test_forward_auth_is_told_no_longer_than_its_signed_identity(place: Place, door: QuickDoor, token: str) -> None:
    sent = forward(place, token)
    answer(door, sent)
    key, now = key_of(sent), datetime.now(UTC)
    assert key is not None
    assert find_told(key, now=now) is not None
    assert find_told(key, now=now + REPEATED) is None


def test_new_routes_are_asked_at_once(place: Place, door: QuickDoor, token: str, now: datetime, settings: Any) -> None:
    settings.AUTHSVC_TRUSTED_PROXIES = ["127.0.0.1"]
    settings.TRUSTED_PROXY_NETWORKS = networks(["127.0.0.1"])
    asked = {"x_original_method": "GET", "x_original_uri": "/agents/agent-1"}
    sent = forward(place, token, **asked)
    first = answer(door, sent)
    gateway = get_gateway(place.caller(), place.gateway["id"])
    rule: dict[str, object] = {"method": "GET", "pattern": "/agents/*", "scopes": ["sessions:delete"]}
    set_routes(place.caller(), gateway=gateway, rules=[rule], unmapped="deny", now=now)
    assert (first[0], answer(door, sent)[0]) == ("200 OK", "403 Forbidden")


@pytest.mark.parametrize(
    "changed",
    [
        {"HTTP_X_ORIGINAL_URI": "/other", "HTTP_X_ORIGINAL_METHOD": "GET"},
        {"HTTP_X_FORWARDED_URI": "/other", "HTTP_X_FORWARDED_METHOD": "GET"},
        {"HTTP_X_FORWARDED_HOST": "other.example"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        {"REMOTE_ADDR": "192.0.2.7"},
        {"HTTP_AUTHORIZATION": "Bearer another"},
        {"REQUEST_METHOD": "POST"},
        {"QUERY_STRING": "contract=nginx"},
        {"HTTP_ORIGIN": "https://console.acme.test"},
        {"QUERY_STRING": "cookie=session"},
        {"HTTP_AUTHORIZATION": ""},
    ],
)
def test_request_that_reads_differently_is_another(
    place: Place, door: QuickDoor, token: str, changed: dict[str, str]
) -> None:
    sent = forward(place, token)
    answer(door, sent)
    assert is_told(sent)
    assert not is_told({**sent, **changed})


@pytest.mark.parametrize("bad", ["made up", "another asker", "no proof"])
def test_what_is_not_good_is_never_remembered(place: Place, door: QuickDoor, token: str, bad: str) -> None:
    sent = {
        "made up": introspect(place, "x"),
        "another asker": introspect(place, token, bearer=place.access_token(scope="profiles:read")),
        "no proof": forward(place, "x"),
    }[bad]
    for _ in range(2):
        answer(door, sent)
    assert not is_told(sent)


@pytest.mark.parametrize("path", [FORWARD, INTROSPECT])
def test_over_the_limit_it_is_refused_as_its_view_refuses(place: Place, door: QuickDoor, token: str, path: str) -> None:
    sent = sent_to(path, place, token)
    found = []
    for first in (door, WSGIHandler()):
        with override_settings(AUTHSVC_DEMO_LIMITS="on", AUTHSVC_PROCESSES=1, API_RATE_LIMIT="1/min"):
            bucket_store.cache_clear()
            found.append([answer(first, sent) for _ in range(12)])
        bucket_store.cache_clear()
    assert found[0] == found[1]
    assert found[0][0][0] == "200 OK"
    assert found[0][-1][0] in {"403 Forbidden", "429 Too Many Requests"}
