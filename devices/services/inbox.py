"""The requests that wait: how risky each looks and why, the riskiest first; and rejecting several at once.

The score sorts and explains; it never decides. Admin, API and command show the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from authsvc.web.caller import Caller
from authsvc.web.problems import Problem
from devices.models import Device
from devices.services.lifecycle import get_device, reject_device
from devices.snapshot import Change, EnrolmentHistory, RiskLevel, RiskReason, RiskScore, difference, risk
from devices.states import State

SENTENCES: Mapping[RiskReason, str] = {
    RiskReason.KEY_CHANGED: "Its key is another one than before: trust is not carried over.",
    RiskReason.ADMINISTRATION_ASKED: "It asks for administration.",
    RiskReason.REJECTED_BEFORE: "It asked before and was rejected.",
    RiskReason.ASKS_FOR_MORE: "It asks for more than it had.",
    RiskReason.WILDCARD_ASKED: "It asks for a wildcard.",
    RiskReason.WRONG_CODES: "Wrong codes were typed for it.",
    RiskReason.MANY_FROM_ADDRESS: "Many requests wait from this address.",
    RiskReason.CLIENT_CHOSEN_SECRET: "It chose its own secret.",
    RiskReason.NEW_ADDRESS: "No active device is known at this address.",
}
KNOWN = (State.ACTIVE, State.SUSPENDED)
MOST_WAITING = 500
MOST_AROUND = 500  # of a fleet under one name the newest say enough


@dataclass(frozen=True, slots=True)
class Assessment:
    """One waiting request: its score, the reasons in words, and how it differs from the device it replaces.

    That is the one it names or whose key it has, else the living one of the same name.
    """

    score: RiskScore
    reasons: tuple[str, ...]
    changes: tuple[Change, ...]
    previous: Device | None

    @property
    def label(self) -> str:
        """Return the level in one word."""
        return self.score.level.name.lower()

    @property
    def is_high(self) -> bool:
        """True for the level that should slow everybody down."""
        return self.score.level is RiskLevel.HIGH


@dataclass(frozen=True, slots=True)
class Rejection:
    """What became of one of several rejections: the new status, or the problem that stood in its way."""

    device_id: str
    status: str = ""
    problem: Problem | None = None


def assess(devices: Iterable[Device]) -> dict[str, Assessment]:
    """Return the assessment of each waiting device by its id, from one query about their environments."""
    waiting = [device for device in devices if device.status == State.PENDING]
    environments = {device.environment_id for device in waiting}
    names = {device.principal.name for device in waiting}
    addresses = {device.address for device in waiting}
    replaced = {device.previous_id for device in waiting if device.previous_id}
    known = Q(principal__name__in=names) | Q(id__in=replaced)
    around = list(
        Device.unscoped.filter(known, principal__environment_id__in=environments)
        .select_related("principal")
        .order_by("-created_at")[:MOST_AROUND]
    )
    places = Counter(
        Device.unscoped.filter(environment_id__in=environments, address__in=addresses)
        .filter(status__in=[State.PENDING, *KNOWN])
        .values_list("environment_id", "address", "status")
    )
    return {device.id: _assessed(device, around, places) for device in waiting}


def riskiest_first(devices: Iterable[Device]) -> list[tuple[Device, Assessment]]:
    """Return the waiting ones among the devices with their assessments, the riskiest first, of equals the newest."""
    waiting = [device for device in devices if device.status == State.PENDING]
    found = assess(waiting)
    newest = sorted(waiting, key=lambda device: (device.created_at, device.id), reverse=True)
    return [(device, found[device.id]) for device in sorted(newest, key=lambda row: -found[row.id].score.points)]


def waiting_requests(caller: Caller) -> list[tuple[Device, Assessment]]:
    """Return the newest waiting requests of the caller's environment, the riskiest first."""
    rows = Device.objects.for_environment(caller).filter(status=State.PENDING)
    return riskiest_first(rows.select_related("principal", "previous__principal")[:MOST_WAITING])


def reject_devices(caller: Caller, *, device_ids: Sequence[str], reason: str, now: datetime) -> list[Rejection]:
    """Reject several waiting requests, each for itself: one that cannot be rejected says why and stops no other."""
    return [_rejected(caller, device_id, reason, now) for device_id in dict.fromkeys(device_ids)]


def _rejected(caller: Caller, device_id: str, reason: str, now: datetime) -> Rejection:
    try:
        device = get_device(caller, device_id)
        return Rejection(device_id, reject_device(caller, device=device, reason=reason, now=now).status)
    except Problem as problem:
        return Rejection(device_id, problem=problem)


def _assessed(device: Device, around: list[Device], places: Mapping[Any, int]) -> Assessment:
    same = [
        other
        for other in around
        if other.id != device.id
        and other.environment_id == device.environment_id
        and other.principal.name == device.principal.name
    ]
    replaced = next((other for other in around if other.id == device.previous_id), None)
    previous = replaced or next((other for other in same if other.status in KNOWN), None)
    place = (device.environment_id, device.address)
    history = EnrolmentHistory(
        previous=previous.snapshot() if previous else None,
        rejected_before=sum(1 for other in same if other.status == State.REJECTED),
        wrong_codes=device.code_attempts,
        pending_from_address=places.get((*place, State.PENDING), 0) - 1,
        is_known_address=any(places.get((*place, state), 0) for state in KNOWN),
    )
    score = risk(device.snapshot(), history)
    changes = difference(previous.snapshot(), device.snapshot()) if previous else ()
    return Assessment(score, tuple(SENTENCES[reason] for reason in score.reasons), changes, previous)
