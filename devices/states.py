"""Where a device stands, and which event may move it: one table, from which the diagram and the tests come. PURE.

Refuses every pair of state and event that is not in the table, in words that say what would be possible instead.
``revoked`` is final for the device's identity; ``rejected`` is final for the request, so the device may ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from authsvc.web.problems import Conflict


class State(StrEnum):
    """The status of a device or of its request to join; never the same question as its trust level."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    REJECTED = "rejected"


class Event(StrEnum):
    """What an administrator or the clock may do to a device."""

    APPROVE = "approve"
    REJECT = "reject"
    BLOCK = "block"
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    EXPIRE = "expire"


INITIAL = State.PENDING

# expire: a request nobody answered is rejected; an approval that had an end date is suspended, so it can be resumed.
TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.PENDING, Event.APPROVE): State.ACTIVE,
        (State.PENDING, Event.REJECT): State.REJECTED,
        (State.PENDING, Event.BLOCK): State.REVOKED,
        (State.PENDING, Event.EXPIRE): State.REJECTED,
        (State.ACTIVE, Event.SUSPEND): State.SUSPENDED,
        (State.ACTIVE, Event.EXPIRE): State.SUSPENDED,
        (State.ACTIVE, Event.REVOKE): State.REVOKED,
        (State.SUSPENDED, Event.RESUME): State.ACTIVE,
        (State.SUSPENDED, Event.REVOKE): State.REVOKED,
    }
)

PARTICIPLES: Mapping[Event, str] = MappingProxyType(
    {
        Event.APPROVE: "approved",
        Event.REJECT: "rejected",
        Event.BLOCK: "blocked",
        Event.SUSPEND: "suspended",
        Event.RESUME: "resumed",
        Event.REVOKE: "revoked",
        Event.EXPIRE: "expired",
    }
)


class IllegalTransition(Conflict):
    """The device is in a state from which this event leads nowhere; ``detail`` says why and what is possible."""

    slug, title = "illegal_transition", "Not possible in this state"


def next_state(state: State, event: Event) -> State:
    """Return the state that ``event`` leads to; raise ``IllegalTransition`` (409) when it leads nowhere."""
    target = TRANSITIONS.get((state, event))
    if target is None:
        raise IllegalTransition(refusal(state, event), extra={"state": state.value, "event": event.value})
    return target


def possible_events(state: State) -> tuple[Event, ...]:
    """Return the events that move a device out of ``state``, in the order of the table; none for a final state."""
    return tuple(event for origin, event in TRANSITIONS if origin is state)


def is_final(state: State) -> bool:
    """Say whether no event leads out of ``state``."""
    return not possible_events(state)


def refusal(state: State, event: Event) -> str:
    """Say in words why ``event`` is refused in ``state`` and what is possible instead."""
    sentence = f"A {state.value} device cannot be {PARTICIPLES[event]}."
    if is_final(state):
        return f"{sentence} This state is final: the device has to enrol again."
    return f"{sentence} Possible now: {', '.join(event.value for event in possible_events(state))}."


def mermaid() -> str:
    """Return the table as a mermaid state diagram; ``docs/reference/device-states.md`` holds exactly this text."""
    moves = [f"    {origin.value} --> {target.value}: {event.value}" for (origin, event), target in TRANSITIONS.items()]
    endings = [f"    {state.value} --> [*]" for state in State if is_final(state)]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {INITIAL.value}", *moves, *endings])
