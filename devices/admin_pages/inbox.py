"""What an approver should know before deciding: how risky each waiting request looks, and what was known before.

It sorts and explains; it never decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from authsvc.audit.models import AuditEvent
from devices.models import Device
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
TIMELINE_LENGTH = 30
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


def timeline_of(device: Device) -> list[AuditEvent]:
    """Return what happened to a device, newest first; its tenant's events alone."""
    events = AuditEvent.objects.filter(tenant_id=device.tenant_id, subject_id=device.id)
    return list(events.order_by("-sequence")[:TIMELINE_LENGTH])


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
