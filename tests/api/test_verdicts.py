"""Answers told again from memory: new ids, counted and audited like the first, and gone with any change of rights."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler

from authsvc.audit.figures import keep_figures
from authsvc.audit.models import AuditEvent, DecisionTally
from authsvc.gate import quick_views
from authsvc.gate.authentication import admit
from authsvc.gate.door import QuickDoor
from authsvc.gate.verdicts import ABOUT_NOBODY, find_verdict, key_of
from authsvc.tokens.services import revoke_token
from authsvc.web.quick import Warm
from tests.api.test_two_doors import connection_kept, decide, post
from tests.world import Place, World

Ask = Callable[[dict[str, Any]], Any]


@pytest.fixture
def place(world: World) -> Place:
    return world.prod


@pytest.fixture
def door() -> QuickDoor:
    return QuickDoor(WSGIHandler(), quick_views.API_VIEWS)


@pytest.fixture
def ask(door: QuickDoor) -> Ask:
    """Return what sends a request and parses the answer."""

    def send(sent: dict[str, Any]) -> Any:
        sent["wsgi.input"].seek(0)
        with connection_kept():
            return json.loads(b"".join(door(sent, lambda *_: None)))

    return send


def is_warm(door: QuickDoor, sent: dict[str, Any]) -> bool:
    sent["wsgi.input"].seek(0)
    return isinstance(door.find_view(sent), Warm)


def question(place: Place, scope: str = "agents:agent-1:run") -> dict[str, str]:
    token = place.access_token(audience=place.gateway["audience"])
    return {"token": token, "gateway": place.gateway["id"], "scope": scope}


def tallied(place: Place) -> tuple[int, int]:
    keep_figures()
    rows = DecisionTally.objects.filter(environment_id=place.caller().environment_id)
    return sum(row.allowed for row in rows), sum(row.denied for row in rows)


def test_denial_told_again_is_counted_and_audited_with_its_repeats(place: Place, door: QuickDoor, ask: Ask) -> None:
    sent = decide(place, place.api_key, question(place, "sessions:delete"))
    answers = [ask(sent) for _ in range(5)]
    assert is_warm(door, sent)
    assert {(answer["allowed"], answer["reason"]["code"]) for answer in answers} == {(False, "insufficient_scope")}
    assert len({answer["decision_id"] for answer in answers}) == 5
    assert tallied(place)[1] == 5
    denied = AuditEvent.objects.filter(event_type="decision.denied")
    assert [event.as_row().detail["decision_id"] for event in denied] == [answers[0]["decision_id"]]


def test_batch_told_again_has_new_ids_and_counts_every_decision(place: Place, door: QuickDoor, ask: Ask) -> None:
    listed = [question(place), question(place, "sessions:delete"), {**question(place), "token": "made up"}]
    sent = post(place, place.api_key, "/decide/batch", {"questions": [*listed, listed[0]]})
    answers = [ask(sent)["decisions"] for _ in range(3)]
    assert is_warm(door, sent)
    assert [[decision["allowed"] for decision in answer] for answer in answers] == [[True, False, False, True]] * 3
    assert len({decision["decision_id"] for answer in answers for decision in answer}) == 12
    assert tallied(place) == (6, 6)


@pytest.mark.parametrize("is_batch", [False, True])
def test_answer_is_forgotten_when_the_token_is_revoked(
    place: Place, door: QuickDoor, ask: Ask, now: datetime, is_batch: bool
) -> None:
    asked = question(place)
    sent = decide(place, place.api_key, asked)
    if is_batch:
        sent = post(place, place.api_key, "/decide/batch", {"questions": [asked]})
    for _ in range(3):
        ask(sent)
    assert is_warm(door, sent)
    subject = admit(asked["token"], audience=place.gateway["audience"], now=now)
    revoke_token(place.caller(), jti=subject.token_id, reason="test", now=now)
    assert not is_warm(door, sent)
    answer = ask(sent)
    assert (answer["decisions"][0] if is_batch else answer)["allowed"] is False


def test_decision_about_nobody_known_holds_a_second(place: Place, ask: Ask, now: datetime) -> None:
    sent = decide(place, place.api_key, {**question(place), "token": "made up"})
    ask(sent)
    sent["wsgi.input"].seek(0)
    key = key_of(f"Bearer {place.api_key}", sent["wsgi.input"].read())
    found = find_verdict(key, now=datetime.now(now.tzinfo))
    assert found is not None
    assert found.until - found.since == ABOUT_NOBODY
    assert find_verdict(key, now=found.until) is None
    assert find_verdict(key, now=found.since - timedelta(microseconds=1)) is None


def test_answer_about_another_environment_tells_nothing_from_memory_either(
    place: Place, world: World, ask: Ask
) -> None:
    foreign = question(world.dev)["token"]
    sent = decide(place, place.api_key, {**question(place), "token": foreign})
    made_up = decide(place, place.api_key, {**question(place), "token": "made up"})
    for _ in range(3):
        answers = [{**ask(one), "decision_id": ""} for one in (sent, made_up)]
    assert answers[0] == answers[1]
