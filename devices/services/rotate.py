"""A device changes its secret: the new one is server-made, the old one works until the overlap ends, trust starts over.

Only the device itself asks, and only it is shown the new secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tokens.api_keys import issue_api_key, rotate_api_key
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound
from authsvc.web.secret_text import SecretText
from devices.models import Device
from devices.services.standing import change_standing, lock_device
from devices.trust_changes import Happening, TrustEvent


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """The new secret, shown this once, and until when the old one still works."""

    secret: SecretText
    previous_valid_until: datetime


def rotate_device_secret(caller: Caller, *, device_id: str, overlap_seconds: int, now: datetime) -> RotatedSecret:
    """Give the calling device a new secret; raises ``NotFound`` for any other device and for one without a secret."""
    if caller.principal_id != device_id:
        raise NotFound
    ends_at = now + timedelta(seconds=overlap_seconds)
    with transaction.atomic():
        device = lock_device(caller, device_id)
        secret = _new_secret(caller, device, overlap_seconds, ends_at, now)
        change_standing(caller, device, TrustEvent(Happening.SECRET_CHANGED), now=now)
        detail = {"overlap_until": ends_at.isoformat()}
        record(caller, "device.secret_rotated", subject_id=device.id, detail=detail, now=now)
    return RotatedSecret(secret, ends_at)


def _new_secret(caller: Caller, device: Device, overlap_seconds: int, ends_at: datetime, now: datetime) -> SecretText:
    keys = ApiKey.objects.for_environment(caller).filter(
        principal_id=device.id, kind=ApiKeyKind.DEVICE_SECRET, revoked_at__isnull=True
    )
    key = keys.first()
    if key is not None:
        return rotate_api_key(caller, key=key, overlap_seconds=overlap_seconds, now=now).text
    if not device.chosen_secret_hash:
        raise NotFound
    device.chosen_secret_ends_at = ends_at
    device.save(update_fields=["chosen_secret_ends_at"])
    return issue_api_key(
        caller, principal=device.principal, kind=ApiKeyKind.DEVICE_SECRET, name="device secret", now=now
    ).text
