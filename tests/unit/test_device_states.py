"""The device status table: every state and event has an answer, and the page in the docs shows the same table."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from devices.states import PARTICIPLES, TRANSITIONS, Event, IllegalTransition, State, is_final, mermaid, next_state

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "device-states.md"

EXPECTED = {
    "pending": {"approve": "active", "reject": "rejected", "block": "revoked", "expire": "rejected"},
    "active": {"suspend": "suspended", "expire": "suspended", "revoke": "revoked"},
    "suspended": {"resume": "active", "revoke": "revoked"},
    "revoked": {},
    "rejected": {},
}


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_next_state_every_pair_is_answered(state: State, event: Event) -> None:
    expected = EXPECTED[state.value].get(event.value)
    if expected is not None:
        assert next_state(state, event).value == expected
        return
    with pytest.raises(IllegalTransition) as caught:
        next_state(state, event)
    assert caught.value.status == 409
    assert f"A {state.value} device cannot be {PARTICIPLES[event]}." in caught.value.detail
    assert caught.value.as_document()["event"] == event.value
    for possible in EXPECTED[state.value]:
        assert possible in caught.value.detail


def test_transitions_table_holds_only_the_expected_moves() -> None:
    assert len(TRANSITIONS) == sum(len(moves) for moves in EXPECTED.values())


@pytest.mark.parametrize("state", list(State))
def test_is_final_only_revoked_and_rejected(state: State) -> None:
    assert is_final(state) is (state in {State.REVOKED, State.REJECTED})


def test_refusal_final_state_says_to_enrol_again() -> None:
    with pytest.raises(IllegalTransition, match="enrol again"):
        next_state(State.REVOKED, Event.RESUME)


def test_diagram_in_docs_equals_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("```mermaid") == 1
    block = text.split("```mermaid\n")[1].split("\n```")[0]
    assert block == mermaid()


def test_mermaid_draws_every_move_once() -> None:
    lines = [line.strip() for line in mermaid().splitlines()]
    moves = [f"{origin.value} --> {target.value}: {event.value}" for (origin, event), target in TRANSITIONS.items()]
    endings = ["revoked --> [*]", "rejected --> [*]"]
    assert lines == ["stateDiagram-v2", "[*] --> pending", *moves, *endings]
