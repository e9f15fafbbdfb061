"""Signs that two machines live behind one device's proof.

A refresh token works once, so it counts: the second use of one is somebody who missed the first. From the same address
that may be the device itself, whose answer got lost; it starts over as verified. From another address it cannot be one
device: it is suspended until a person looks.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tokens.refresh import lock_families
from authsvc.web.caller import Caller
from devices.models import Device
from devices.services.standing import change_standing, lock_device
from devices.trust_changes import Happening, TrustEvent

REASONS = {
    Happening.CLONE_SEEN: "a spent refresh token came from another address",
    Happening.TOKEN_REUSED: "a spent refresh token came from the same address",
}


def suspect_clone(caller: Caller, *, device_id: str, sign: Happening, family_id: str, now: datetime) -> Device:
    """Note the sign in the audit and let it cost the device its standing; its families are taken with it.

    ``sign`` is ``CLONE_SEEN`` or ``TOKEN_REUSED``. A device that is not active has nothing to lose, and is noted.
    """
    with transaction.atomic():
        device = lock_device(caller, device_id)
        lock_families(caller, [device_id])
        detail = {"reason": REASONS[sign], "family_id": family_id}
        record(caller, "device.clone_suspected", subject_id=device.id, detail=detail, now=now)
        return change_standing(caller, device, TrustEvent(sign), now=now)
