"""Signs that two machines live behind one device's proof.

A refresh token works once, so it counts: the second use of one is somebody who missed the first. From the same address
that may be the device itself, whose answer got lost; it starts over as verified. From another address it cannot be one
device: it is suspended until a person looks.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from authsvc.audit.models import AuditEvent
from authsvc.audit.record import record
from authsvc.tokens.refresh import lock_families
from authsvc.web.caller import Caller
from devices.models import Device
from devices.services.standing import change_standing, lock_device
from devices.states import State
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


def look_copied(rows: QuerySet[Device]) -> QuerySet[Device]:
    """Return the devices that stand suspended because of such a sign, and not because a person paused them."""
    suspensions = AuditEvent.objects.filter(
        tenant_id=OuterRef("tenant_id"), subject_id=OuterRef("id"), event_type="device.suspended"
    )
    newest = Subquery(suspensions.order_by("-sequence").values("id")[:1])
    by_sign = AuditEvent.objects.filter(id=OuterRef("suspended_by"), detail__reason=Happening.CLONE_SEEN.value)
    return rows.filter(status=State.SUSPENDED).annotate(suspended_by=newest).filter(Exists(by_sign))
