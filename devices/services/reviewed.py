"""The act of this room that a tenant may want two operators for: raising a device to trust 3."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from authsvc.tenants.four_eyes import Act, Fields
from authsvc.tenants.review_lines import ReviewLine, shown
from authsvc.tenants.reviews import ReviewedAct, register
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed
from devices.models import Device
from devices.services.lifecycle import OwnDevice, get_device, set_trust
from devices.snapshot import digest
from devices.states import State
from devices.trust import SENTENCES, TrustLevel
from devices.trust_changes import DeviceNotActive


def _describe(caller: Caller, fields: Fields, _now: datetime) -> Sequence[ReviewLine]:
    device = _device(caller, fields)
    before = f"{device.trust_level}: {SENTENCES[TrustLevel(device.trust_level)]}"
    return [
        ReviewLine(f"Trust of {device.principal.name} ({device.id})", before, f"3: {SENTENCES[TrustLevel.TRUSTED]}"),
        ReviewLine("What it may ask for", shown(device.requested_scopes) or "nothing", "the same"),
        ReviewLine("As it was approved", digest(device.snapshot())[:16], "the same"),
        ReviewLine("Why", "", _reason(fields)),
    ]


def _apply(caller: Caller, fields: Fields, now: datetime) -> object:
    return set_trust(caller, device=_device(caller, fields), trust_level=3, reason=_reason(fields), now=now)


def _device(caller: Caller, fields: Fields) -> Device:
    device = get_device(caller, str(fields.get("device_id", ""))[:128])
    if caller.principal_id == device.id:
        raise OwnDevice
    if device.status != State.ACTIVE:
        raise DeviceNotActive
    return device


def _reason(fields: Fields) -> str:
    reason = fields.get("reason")
    if not isinstance(reason, str) or not reason.strip() or len(reason) > 2000:
        raise ValidationFailed(errors={"reason": ["Say why."]})
    return reason


register(ReviewedAct(Act.TRUST, "devices:approve", _describe, _apply))
