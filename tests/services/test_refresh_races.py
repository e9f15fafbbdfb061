"""Losing a race for a refresh token is told from reusing it by when the request arrived; neither is given anything."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import RequestFactory

from authsvc.audit.models import AuditEvent
from authsvc.tokens.models import RefreshFamily, RefreshToken
from authsvc.tokens.refresh import LOSER_WAITS, RACE_SECONDS, has_lost_race
from authsvc.web.arrival import waited
from tests.world import Api, Place, World


def refresh(place: Place, token: str) -> Any:
    return place.form("/oauth/token", {"grant_type": "refresh_token", "refresh_token": token})


@pytest.fixture
def pair(world: World) -> tuple[str, str]:
    """Return a spent refresh token of the demo's device and its child."""
    path = f"/devices/{world.prod.device['id']}/authenticate"
    first = Api().post(path, {"secret": world.prod.device["secret"]}).json()["refresh_token"]
    return first, refresh(world.prod, first).json()["refresh_token"]


def spent_token(**changes: Any) -> RefreshToken:
    rows = RefreshToken.unscoped.filter(spent_at__isnull=False)
    if changes:
        rows.update(**changes)
    found: RefreshToken = rows.get()
    return found


def events(name: str) -> int:
    return AuditEvent.objects.filter(event_type=name).count()


@pytest.mark.parametrize("answered_at", ["later", "not yet"])
def test_request_that_was_here_before_the_answer_is_refused_and_the_branch_lives(
    world: World, pair: tuple[str, str], answered_at: str
) -> None:
    later = datetime.now(UTC) + timedelta(seconds=5)
    spent_token(answered_at=later if answered_at == "later" else None)
    began = datetime.now(UTC)
    loser = refresh(world.prod, pair[0])
    assert (loser.status_code, loser.json()["error"]) == (400, "invalid_grant")
    assert (events("token.refused"), events("token.reuse_detected")) == (1, 0)
    answered = spent_token().answered_at
    assert answered is not None
    if answered_at == "later":
        assert answered == later, "somebody else of the race is answered later"
    else:
        assert began + LOSER_WAITS <= answered <= datetime.now(UTC), "the race is over when its last one is answered"
    assert refresh(world.prod, pair[1]).status_code == 200


def test_request_after_the_race_is_a_reuse_even_of_a_winner_never_answered(world: World, pair: tuple[str, str]) -> None:
    long_ago = datetime.now(UTC) - timedelta(seconds=RACE_SECONDS + 1)
    spent_token(answered_at=None, spent_at=long_ago)
    assert refresh(world.prod, pair[0]).status_code == 400
    assert (events("token.refused"), events("token.reuse_detected")) == (0, 1)
    assert refresh(world.prod, pair[1]).status_code == 400


def test_race_and_reuse_are_answered_alike(world: World, pair: tuple[str, str]) -> None:
    spent_token(answered_at=None)
    race = refresh(world.prod, pair[0])
    reuse = refresh(world.prod, pair[0])
    assert (race.status_code, race.content) == (reuse.status_code, reuse.content)
    assert (events("token.refused"), events("token.reuse_detected")) == (1, 1)
    assert RefreshFamily.unscoped.latest("created_at").ended_at is not None


def test_reuse_after_the_child_was_used_ends_the_family(world: World, pair: tuple[str, str]) -> None:
    grandchild = refresh(world.prod, pair[1]).json()["refresh_token"]
    assert refresh(world.prod, pair[0]).status_code == 400
    assert events("token.reuse_detected") == 1
    assert refresh(world.prod, grandchild).status_code == 400


EDGES = [  # how long ago it was spent and answered, when the request arrived; did it lose a race?
    (1.0, None, 0.0, True),
    (RACE_SECONDS - 0.1, None, 0.0, True),
    (RACE_SECONDS + 0.1, None, 0.0, False),
    (1.0, 0.5, 0.500001, True),
    (1.0, 0.5, 0.5, False),
    (1.0, 0.5, 0.499999, False),
    (RACE_SECONDS + 0.1, 0.5, 0.6, False),
]


@pytest.mark.parametrize(("spent", "answered", "arrived", "expected"), EDGES)
def test_race_ends_with_its_last_answer_and_with_its_time(
    pair: tuple[str, str], now: datetime, spent: float, answered: float | None, arrived: float, expected: bool
) -> None:
    ended = None if answered is None else now - timedelta(seconds=answered)
    token = spent_token(spent_at=now - timedelta(seconds=spent), answered_at=ended)
    assert has_lost_race(token, arrived_at=now - timedelta(seconds=arrived), now=now) is expected


def test_token_that_was_not_spent_lost_no_race(pair: tuple[str, str], now: datetime) -> None:
    token = RefreshToken.unscoped.get(spent_at__isnull=True)
    assert has_lost_race(token, arrived_at=now, now=now) is False


def test_wait_of_a_request_is_the_kernels_and_never_more_than_it_is() -> None:
    request = RequestFactory().get("/")
    assert waited(request) == timedelta(0)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        connection, _ = listener.accept()
        with connection:
            sent = time.monotonic()
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert connection.recv(100)
            request.META["gunicorn.socket"] = connection
            assert waited(request) <= timedelta(seconds=time.monotonic() - sent)
            deadline = time.monotonic() + 10
            while waited(request) < timedelta(milliseconds=50) and time.monotonic() < deadline:
                time.sleep(0.01)
            seen = waited(request)
            assert timedelta(milliseconds=50) <= seen <= timedelta(seconds=time.monotonic() - sent)


def test_wait_at_a_unix_socket_is_unknown_and_counts_as_none() -> None:
    request = RequestFactory().get("/")
    left, right = socket.socketpair()
    with left, right:
        request.META["gunicorn.socket"] = left
        assert waited(request) == timedelta(0)
