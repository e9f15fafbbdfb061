"""What time does to devices, for the worker: promotion, silence, approvals and requests that ran out, old guesses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from authsvc.tenants.services import environment_caller, system_caller
from authsvc.web.problems import NotFound
from devices.models import Device, FailedProof, UsedNonce
from devices.services.lifecycle import delete_device
from devices.services.standing import change_standing, lock_device
from devices.states import State
from devices.trust import TrustLevel
from devices.trust_changes import Happening, TrustEvent

KEEP_FAILED_PROOFS = timedelta(days=1)
KEEP_STRANGERS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Review:
    """How many devices were looked at and how many changed."""

    looked_at: int
    changed: int


def review_devices(now: datetime) -> Review:
    """Let time pass for every device it can touch, one transaction each; safe to run twice and beside others."""
    found = list(_touched_by_time(now))
    changed = sum(_review(device, now) for device in found)
    for stranger in _strangers(now):
        delete_device(environment_caller(system_caller(), stranger.environment), device=stranger, now=now)
    FailedProof.objects.filter(failed_at__lt=now - KEEP_FAILED_PROOFS).delete()
    UsedNonce.objects.filter(expires_at__lt=now).delete()
    return Review(len(found), changed)


def _touched_by_time(now: datetime) -> QuerySet[Device]:
    unanswered = Q(status=State.PENDING, request_expires_at__lte=now)
    ended = Q(status=State.ACTIVE, expires_at__lte=now)
    earning = Q(status=State.ACTIVE, trust_level__gte=TrustLevel.VERIFIED)
    rows: QuerySet[Device] = Device.unscoped.filter(unanswered | ended | earning)
    return rows.select_related("environment__tenant").only("id", "environment__name", "environment__tenant__slug")


def _strangers(now: datetime) -> QuerySet[Device]:
    """Return yesterday's requests of unproven clients that nobody approved: outsiders must not pile up rows."""
    rows: QuerySet[Device] = Device.unscoped.filter(
        status=State.REJECTED,
        authorization__is_client_authenticated=False,
        request_expires_at__lt=now - KEEP_STRANGERS,
    )
    return rows.select_related("principal", "environment__tenant")


def _review(device: Device, now: datetime) -> bool:
    caller = environment_caller(system_caller(), device.environment)
    with transaction.atomic():
        try:
            before = lock_device(caller, device.id)
        except NotFound:
            return False  # deleted in the meantime
        if before.status == State.PENDING and _is_past(before.request_expires_at, now):
            before.user_code_hash = ""
            before.save(update_fields=["user_code_hash"])
            happening = Happening.EXPIRED
        elif before.status == State.ACTIVE and _is_past(before.expires_at, now):
            happening = Happening.EXPIRED
        else:
            happening = Happening.TIME_PASSED
        after = change_standing(caller, before, TrustEvent(happening), now=now)
    return (after.status, after.trust_level) != (before.status, before.trust_level)


def _is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now >= moment
