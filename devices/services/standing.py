"""Where a device stands, stored: every change goes through ``trust_changes.apply`` under the row's lock, and each
change of status or level writes its audit event in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from authsvc.audit.ledger import Change, Ledger
from authsvc.audit.together import write_together
from authsvc.tenants.four_eyes import Act, ReviewRequired, acts_of
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared, update_row
from authsvc.web.problems import NotFound, ValidationFailed
from devices.history import TrustThresholds
from devices.models import Device
from devices.services.policy import policy_of
from devices.states import State
from devices.trust import ProofKind, TrustLevel
from devices.trust_changes import Applied, DeviceState, Happening, TrustChange, TrustEvent, apply

STATUS_EVENTS: Mapping[State, str] = {
    State.ACTIVE: "device.approved",
    State.REJECTED: "device.rejected",
    State.SUSPENDED: "device.suspended",
    State.REVOKED: "device.revoked",
}
STORED = (
    "status",
    "trust_level",
    "active_since",
    "secret_changed_at",
    "vouched_at",
    "last_seen_at",
    "last_proof_day",
    "successful_proofs",
    "distinct_days",
    "failed_proofs_at",
    "strongest_proof",
    "is_confirmed",
)

_BLANK = Device()

_LOCKED = Prepared(
    lambda tenant_id, environment_id, device_id: (
        Device.objects.for_tenant(tenant_id)
        .filter(environment_id=environment_id, id=device_id)
        .select_for_update(of=("self",))
        .select_related("principal", "gateway", "environment__device_policy")
        .order_by()
    )
)


def change_standing(
    caller: Caller, device: Device, *events: TrustEvent, now: datetime, detail: Mapping[str, object] | None = None
) -> Device:
    """Apply the events in order and return the device as stored; ``detail`` joins the event of a change of status.

    Of two at once the second waits for the row and meets what the first left behind.
    """

    def move(ledger: Ledger) -> Device:
        locked = ledger.hold(("device", device.id), lambda: lock_device(caller, device.id))
        state = state_of(locked)
        changes: list[TrustChange] = []
        thresholds = policy_of(locked).thresholds
        for event in events:
            state, more = _applied(caller, locked, state, event, thresholds, now)
            changes += more
        _take_over(locked, state)
        ledger.change(Device._meta.db_table, locked.id, StoredStanding(locked))
        _record(ledger, caller, locked.id, changes, detail or {}, now)
        return locked

    return write_together(caller, move)


@dataclass(frozen=True, slots=True)
class StoredStanding:
    """A device's standing to be stored; of several the last holds all of them."""

    device: Device

    def after(self, _earlier: Change) -> Change:
        """Return itself."""
        return self

    def write(self) -> None:
        """Store it."""
        update_row(self.device, STORED)


def touch_nobody(caller: Caller, device_id: str) -> None:
    """Ask the database what a change of standing asks it, for a device that does not exist; changes nothing."""
    with transaction.atomic():
        _LOCKED.first(tenant_id=caller.tenant_id, environment_id=caller.environment_id, device_id=device_id)
        nobody = Device.objects.for_tenant(caller.tenant_id).filter(environment_id=caller.environment_id, id=device_id)
        nobody.update(**{name: getattr(_BLANK, name) for name in STORED})


def lock_device(caller: Caller, device_id: str) -> Device:
    """Return the device with its row locked; raises ``NotFound``."""
    device = _LOCKED.first(tenant_id=caller.tenant_id, environment_id=caller.environment_id, device_id=device_id)
    if device is None:
        raise NotFound
    return device


def state_of(device: Device) -> DeviceState:
    """Return the stored standing as the value the rules work on."""
    return DeviceState(
        status=State(device.status),
        level=TrustLevel(device.trust_level),
        active_since=device.active_since,
        secret_changed_at=device.secret_changed_at,
        vouched_at=device.vouched_at,
        last_seen_at=device.last_seen_at,
        last_proof_day=device.last_proof_day,
        successful_proofs=device.successful_proofs,
        distinct_days=device.distinct_days,
        failed_proofs_at=tuple(datetime.fromisoformat(text) for text in device.failed_proofs_at),
        strongest_proof=ProofKind(device.strongest_proof),
        is_confirmed=device.is_confirmed,
    )


def _applied(
    caller: Caller, device: Device, state: DeviceState, event: TrustEvent, thresholds: TrustThresholds, now: datetime
) -> Applied:
    """Apply one event; where the tenant wants two operators for trust 3, neither one person nor history gives it."""
    after, changes = apply(event, state, now, thresholds)
    rises = after.level is TrustLevel.TRUSTED and state.level is not TrustLevel.TRUSTED
    if not (rises or event.kind is Happening.CONFIRMED) or caller.review_id:
        return after, changes
    if Act.TRUST not in acts_of(device.tenant_id):
        return after, changes
    if event.kind is Happening.APPROVED:
        raise ValidationFailed(errors={"trust_level": ["Approve with 2; a second operator then agrees to 3."]})
    if event.kind in {Happening.LEVEL_SET, Happening.CONFIRMED}:
        fields = {"device_id": device.id, "trust_level": int(TrustLevel.TRUSTED), "reason": event.reason}
        raise ReviewRequired(caller, Act.TRUST, fields)
    return apply(event, state, now, replace(thresholds, needs_confirmation=True))


def _take_over(device: Device, state: DeviceState) -> None:
    device.status, device.trust_level = state.status.value, state.level.value
    device.active_since, device.secret_changed_at = state.active_since, state.secret_changed_at
    device.vouched_at, device.last_seen_at = state.vouched_at, state.last_seen_at
    device.last_proof_day = state.last_proof_day
    device.successful_proofs, device.distinct_days = state.successful_proofs, state.distinct_days
    device.failed_proofs_at = [moment.isoformat() for moment in state.failed_proofs_at]
    device.strongest_proof, device.is_confirmed = state.strongest_proof.value, state.is_confirmed


def _record(
    ledger: Ledger,
    caller: Caller,
    device_id: str,
    changes: Iterable[TrustChange],
    detail: Mapping[str, object],
    now: datetime,
) -> None:
    for change in changes:
        levels = {"old_level": change.level_before.value, "new_level": change.level_after.value}
        reason = {"reason": change.reason or change.cause.value}
        moved = change.status_before is not change.status_after
        event_type = _status_event(change) if moved else "device.trust_changed"
        more = detail if moved else {}
        ledger.record(caller, event_type, subject_id=device_id, detail={**levels, **reason, **more}, now=now)


def _status_event(change: TrustChange) -> str:
    if change.cause is Happening.RESUMED:
        return "device.resumed"
    return STATUS_EVENTS[change.status_after]
