"""Denials that repeat: written once, counted, and written again with the count."""

from __future__ import annotations

from datetime import datetime, timedelta

from authsvc.audit.models import AuditEvent
from authsvc.audit.repeats import WINDOW, Repeats
from authsvc.gate.decide import Question, decide, decide_batch
from tests.world import World


def test_the_first_is_recorded_and_equals_within_the_window_are_counted(now: datetime) -> None:
    repeats = Repeats()
    assert repeats.note("a", now=now) == 0
    assert [repeats.note("a", now=now + timedelta(seconds=second)) for second in (0, 3, 9)] == [None] * 3
    assert repeats.note("b", now=now) == 0
    assert repeats.note("a", now=now + WINDOW) == 3
    assert repeats.note("a", now=now + 2 * WINDOW) == 0


def test_a_clock_set_back_records_again(now: datetime) -> None:
    repeats = Repeats()
    repeats.note("a", now=now)
    assert repeats.note("a", now=now - timedelta(hours=1)) == 0


def test_a_failed_record_is_tried_again_by_the_next(now: datetime) -> None:
    repeats = Repeats()
    repeats.note("a", now=now)
    repeats.forget("a")
    assert repeats.note("a", now=now) == 0


def test_only_so_many_kinds_are_kept(now: datetime) -> None:
    repeats = Repeats(maximum_keys=2)
    for key in "abc":
        repeats.note(key, now=now)
    assert repeats.note("c", now=now) is None
    assert repeats.note("a", now=now) == 0


def test_denied_decisions_are_written_once_and_then_with_their_count(world: World, now: datetime) -> None:
    caller, denied = world.prod.caller(), Question("made-up", scope="agents:read")
    for second in (0, 1, 2, 11):
        assert not decide(caller, denied, now=now + timedelta(seconds=second)).allowed
    events = AuditEvent.objects.filter(event_type="decision.denied", tenant_id=caller.tenant_id).order_by("sequence")
    assert [event.detail.get("repeats") for event in events] == [None, 2]


def test_another_question_is_another_denial(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    for scope in ("agents:read", "agents:write"):
        decide(caller, Question("made-up", scope=scope), now=now)
    assert AuditEvent.objects.filter(event_type="decision.denied", tenant_id=caller.tenant_id).count() == 2


def test_equal_denials_of_a_batch_count_each(world: World, now: datetime) -> None:
    caller, denied = world.prod.caller(), Question("made-up", scope="agents:read")
    answered = decide_batch(caller, [denied] * 4, now=now)
    decide(caller, denied, now=now + WINDOW)
    assert len({decision.decision_id for decision in answered}) == 4
    events = AuditEvent.objects.filter(event_type="decision.denied", tenant_id=caller.tenant_id).order_by("sequence")
    assert [event.detail.get("repeats") for event in events] == [None, 3]
