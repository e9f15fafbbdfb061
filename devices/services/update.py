"""Changing what a device says of itself, where no new approval is needed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict
from devices.models import Device
from devices.states import State


class WaitingForApproval(Conflict):
    """A pending request must stay what the approver sees."""

    slug, title = "waiting_for_approval", "Waiting for approval"
    default_detail = "A pending request cannot change; let the device ask again."


def update_device(
    caller: Caller,
    *,
    device: Device,
    name: str | None = None,
    firmware_version: str | None = None,
    metadata: Mapping[str, object] | None = None,
    now: datetime,
) -> Device:
    """Change name, firmware or metadata of a device that is not pending."""
    if device.status == State.PENDING:
        raise WaitingForApproval
    new = {"name": name, "firmware_version": firmware_version, "metadata": metadata}
    with transaction.atomic():
        if name is not None:
            device.principal.name = name
            device.principal.save(update_fields=["name"])
        if firmware_version is not None:
            device.firmware_version = firmware_version
        if metadata is not None:
            device.metadata = dict(metadata)
        device.save(update_fields=["firmware_version", "metadata"])
        changed = [field for field, value in new.items() if value is not None]
        record(caller, "device.updated", subject_id=device.id, detail={"changed": changed}, now=now)
    return device
