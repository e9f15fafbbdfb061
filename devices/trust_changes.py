"""What happens to a device and what it does to its standing: the one way status and stored level change. PURE.

``apply`` takes what happened and returns the device as it now stands together with a record of every change, so
nothing can be raised unrecorded. Refuses events the status table refuses, a level on a device that is not active, and
the highest level without a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from authsvc.web.problems import Conflict, ValidationFailed
from devices.history import DEFAULT_THRESHOLDS, Loss, TrustEvidence, TrustThresholds, should_demote, should_promote
from devices.states import INITIAL, Event, State, next_state
from devices.trust import PROOF_LIMITS, ProofKind, TrustLevel

# More failures than this need not be remembered one by one: the device is far beyond every threshold.
REMEMBERED_FAILURES = 256


class Happening(StrEnum):
    """Everything that can touch a device's standing; the first seven are the events of the status table."""

    APPROVED = "approved"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    REVOKED = "revoked"
    EXPIRED = "expired"
    PROOF_SUCCEEDED = "proof_succeeded"
    PROOF_FAILED = "proof_failed"
    SECRET_CHANGED = "secret_changed"
    KEY_CHANGED = "key_changed"
    CLONE_SEEN = "clone_seen"
    TOKEN_REUSED = "token_reused"
    LEVEL_SET = "level_set"
    CONFIRMED = "confirmed"
    TIME_PASSED = "time_passed"


class Gain(StrEnum):
    """What raises a device without anybody deciding it."""

    EARNED = "earned"


Cause = Happening | Gain | Loss


@dataclass(frozen=True, slots=True)
class TrustEvent:
    """One happening; ``level`` for approved and level_set, ``proof`` for proofs, ``reason`` as a person gave it."""

    kind: Happening
    level: TrustLevel = TrustLevel.BASIC
    proof: ProofKind = ProofKind.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a device's trust depends on. ``failed_proofs_at`` is oldest first and limited in length."""

    status: State = INITIAL
    level: TrustLevel = TrustLevel.BASIC
    active_since: datetime | None = None
    secret_changed_at: datetime | None = None
    vouched_at: datetime | None = None
    last_seen_at: datetime | None = None
    last_proof_day: date | None = None
    successful_proofs: int = 0
    distinct_days: int = 0
    failed_proofs_at: tuple[datetime, ...] = ()
    strongest_proof: ProofKind = ProofKind.NONE
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class TrustChange:
    """One recorded change of status or level; the caller turns each into an audit event."""

    cause: Cause
    at: datetime
    status_before: State
    status_after: State
    level_before: TrustLevel
    level_after: TrustLevel
    reason: str = ""


class TrustReasonMissing(ValidationFailed):
    """Nobody is vouched for without saying why."""

    slug, title = "trust_reason_missing", "A reason is required"
    default_detail = "Setting the highest trust level needs a reason."


class LevelNotGrantable(ValidationFailed):
    """Approval gives one of the levels 1 to 3; taking all trust away is what suspend and revoke are for."""

    slug, title = "trust_level_not_grantable", "This level cannot be given"
    default_detail = "Give basic, verified or trusted; suspend or revoke the device to take its trust away."


class DeviceNotActive(Conflict):
    """Only an active device has a level to set or history to add to."""

    slug, title = "device_not_active", "Device is not active"
    default_detail = "The device is not active."


Applied = tuple[DeviceState, tuple[TrustChange, ...]]


def apply(
    event: TrustEvent, device: DeviceState, now: datetime, thresholds: TrustThresholds = DEFAULT_THRESHOLDS
) -> Applied:
    """Return the device after ``event`` and a record of every change of its status or level, in order.

    Raises ``IllegalTransition``, ``DeviceNotActive``, ``TrustReasonMissing`` or ``LevelNotGrantable``; then nothing
    happened. The caller stores the state and the records in one transaction.
    """
    after = RULES[event.kind](event, device, now)
    changes = _recorded(event.kind, event.reason, device, after, now)
    reviewed, further_changes = _review(after, thresholds, now)
    return reviewed, changes + further_changes


def evidence_of(device: DeviceState, thresholds: TrustThresholds, now: datetime) -> TrustEvidence:
    """Return the evidence a device's state amounts to at ``now``."""
    return TrustEvidence(
        active_since=device.active_since,
        successful_proofs=device.successful_proofs,
        distinct_days=device.distinct_days,
        failed_proofs_recent=_count_within(device.failed_proofs_at, thresholds.failure_window, now),
        failed_proofs_burst=_count_within(device.failed_proofs_at, thresholds.burst_window, now),
        last_seen_at=device.last_seen_at,
        secret_changed_at=device.secret_changed_at,
        vouched_at=device.vouched_at,
        strongest_proof=device.strongest_proof,
        is_confirmed=device.is_confirmed,
    )


def _review(device: DeviceState, thresholds: TrustThresholds, now: datetime) -> Applied:
    if device.status is not State.ACTIVE:
        return device, ()
    evidence = evidence_of(device, thresholds, now)
    demotion = should_demote(evidence, thresholds, now)
    if device.level is TrustLevel.TRUSTED and demotion.demote:
        lowered = _starting_over(device, TrustLevel.VERIFIED)
        return lowered, _recorded(demotion.reasons[0], "", device, lowered, now)
    is_steady = device.level is TrustLevel.VERIFIED and not demotion.demote
    if is_steady and should_promote(evidence, thresholds, now).promote:
        raised = replace(device, level=TrustLevel.TRUSTED)
        return raised, _recorded(Gain.EARNED, "", device, raised, now)
    return device, ()


def _approve(event: TrustEvent, device: DeviceState, now: datetime) -> DeviceState:
    status = next_state(device.status, Event.APPROVE)
    return replace(device, status=status, level=_given_level(event), active_since=now, failed_proofs_at=())


def _end(event: TrustEvent, device: DeviceState, _now: datetime) -> DeviceState:
    return replace(device, status=next_state(device.status, STATUS_EVENTS[event.kind]), level=TrustLevel.ANONYMOUS)


def _expire(event: TrustEvent, device: DeviceState, now: datetime) -> DeviceState:
    return _end(event, device, now) if device.status is State.PENDING else _suspend(event, device, now)


def _suspend(event: TrustEvent, device: DeviceState, _now: datetime) -> DeviceState:
    status = next_state(device.status, STATUS_EVENTS[event.kind])
    return replace(_starting_over(device, TrustLevel.VERIFIED), status=status, active_since=None)


def _resume(_event: TrustEvent, device: DeviceState, now: datetime) -> DeviceState:
    return replace(device, status=next_state(device.status, Event.RESUME), active_since=now)


def _succeed(event: TrustEvent, device: DeviceState, now: datetime) -> DeviceState:
    # A bare API key shows nothing about this device, so it neither counts nor breaks a silence.
    if device.status is not State.ACTIVE or PROOF_LIMITS[event.proof] < TrustLevel.VERIFIED:
        return device
    seen = replace(device, last_seen_at=now)
    return _counted(event.proof, seen, now) if PROOF_LIMITS[event.proof] is TrustLevel.TRUSTED else seen


def _fail(_event: TrustEvent, device: DeviceState, now: datetime) -> DeviceState:
    return replace(device, failed_proofs_at=(*device.failed_proofs_at, now)[-REMEMBERED_FAILURES:])


def _change_secret(_event: TrustEvent, device: DeviceState, now: datetime) -> DeviceState:
    return replace(_starting_over(device, TrustLevel.VERIFIED), secret_changed_at=now)


def _change_key(_event: TrustEvent, device: DeviceState, now: datetime) -> DeviceState:
    # A new key is a new device until somebody approves it: it never inherits what the old one earned.
    return replace(_starting_over(device, TrustLevel.BASIC), secret_changed_at=now)


def _meet_clone(event: TrustEvent, device: DeviceState, now: datetime) -> DeviceState:
    # Two bodies behind one secret: stopped while active; elsewhere there is no trust left to take away.
    return _suspend(event, device, now) if device.status is State.ACTIVE else device


def _reuse_token(_event: TrustEvent, device: DeviceState, _now: datetime) -> DeviceState:
    # A copy, or an answer that got lost on the way: not enough to stop the device, too much to stay trusted.
    return _starting_over(device, TrustLevel.VERIFIED) if device.status is State.ACTIVE else device


def _set_level(event: TrustEvent, device: DeviceState, now: datetime) -> DeviceState:
    _require_active(device)
    level = _given_level(event)
    if level < device.level:
        return _starting_over(device, level)
    # Whoever vouches knows the past; only failures and silence from now on count against it.
    return replace(device, level=level, vouched_at=now, failed_proofs_at=())


def _confirm(_event: TrustEvent, device: DeviceState, _now: datetime) -> DeviceState:
    _require_active(device)
    return replace(device, is_confirmed=True)


def _let_time_pass(_event: TrustEvent, device: DeviceState, _now: datetime) -> DeviceState:
    return device


STATUS_EVENTS: Mapping[Happening, Event] = MappingProxyType(
    {
        Happening.APPROVED: Event.APPROVE,
        Happening.REJECTED: Event.REJECT,
        Happening.BLOCKED: Event.BLOCK,
        Happening.SUSPENDED: Event.SUSPEND,
        Happening.RESUMED: Event.RESUME,
        Happening.REVOKED: Event.REVOKE,
        Happening.EXPIRED: Event.EXPIRE,
        Happening.CLONE_SEEN: Event.SUSPEND,
    }
)

RULES: Mapping[Happening, Callable[[TrustEvent, DeviceState, datetime], DeviceState]] = MappingProxyType(
    {
        Happening.APPROVED: _approve,
        Happening.REJECTED: _end,
        Happening.BLOCKED: _end,
        Happening.SUSPENDED: _suspend,
        Happening.RESUMED: _resume,
        Happening.REVOKED: _end,
        Happening.EXPIRED: _expire,
        Happening.PROOF_SUCCEEDED: _succeed,
        Happening.PROOF_FAILED: _fail,
        Happening.SECRET_CHANGED: _change_secret,
        Happening.KEY_CHANGED: _change_key,
        Happening.CLONE_SEEN: _meet_clone,
        Happening.TOKEN_REUSED: _reuse_token,
        Happening.LEVEL_SET: _set_level,
        Happening.CONFIRMED: _confirm,
        Happening.TIME_PASSED: _let_time_pass,
    }
)


def _counted(proof: ProofKind, device: DeviceState, now: datetime) -> DeviceState:
    today = now.date()
    is_new_day = device.last_proof_day is None or today > device.last_proof_day
    return replace(
        device,
        strongest_proof=proof,
        successful_proofs=device.successful_proofs + 1,
        distinct_days=device.distinct_days + is_new_day,
        last_proof_day=today if is_new_day else device.last_proof_day,
    )


def _starting_over(device: DeviceState, highest: TrustLevel) -> DeviceState:
    # Lost trust is earned again from nothing; otherwise the next proof would hand it straight back.
    return replace(
        device,
        level=min(device.level, highest),
        successful_proofs=0,
        distinct_days=0,
        last_proof_day=None,
        strongest_proof=ProofKind.NONE,
        is_confirmed=False,
    )


def _given_level(event: TrustEvent) -> TrustLevel:
    if event.level is TrustLevel.ANONYMOUS:
        raise LevelNotGrantable
    if event.level is TrustLevel.TRUSTED and not event.reason.strip():
        raise TrustReasonMissing
    return event.level


def _require_active(device: DeviceState) -> None:
    if device.status is not State.ACTIVE:
        raise DeviceNotActive


def _recorded(
    cause: Cause, reason: str, before: DeviceState, after: DeviceState, now: datetime
) -> tuple[TrustChange, ...]:
    if (before.status, before.level) == (after.status, after.level):
        return ()
    return (TrustChange(cause, now, before.status, after.status, before.level, after.level, reason),)


def _count_within(moments: tuple[datetime, ...], window: timedelta, now: datetime) -> int:
    return sum(1 for moment in moments if now - moment <= window)
