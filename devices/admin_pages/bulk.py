"""Rejecting many waiting requests at once."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_bulk import BulkAct, confirm_and_run
from devices.models import Device
from devices.services.lifecycle import reject_device
from devices.states import State

SCOPE = "devices:approve"
REJECT = BulkAct(
    "reject_devices",
    SCOPE,
    "Reject",
    "rejected",
    "request",
    "Each device may ask again with a new one.",
    lambda caller, row, reason, now: reject_device(caller, device=row, reason=reason, now=now),
    lambda row: f"{row} · {row.address}",
)


def reject_many(page: HouseAdmin, request: HttpRequest, chosen: QuerySet[Device]) -> TemplateResponse | None:
    """Show what would be rejected; reject it once the number is typed."""
    waiting = chosen.filter(status=State.PENDING).select_related("principal", "environment__tenant")
    return confirm_and_run(page, request, waiting, REJECT)
