"""A device asks to join: it gets an id, a secret shown once, and a code for people to compare.

Until approval it is nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import PrincipalKind
from authsvc.tenants.services import create_principal
from authsvc.tokens.api_keys import IssuedKey, issue_api_key, pepper
from authsvc.tokens.models import ApiKeyKind
from authsvc.web.caller import Caller
from authsvc.web.secret_text import SecretText
from devices.codes import format_user_code, new_user_code, normalise_user_code
from devices.models import Device, DeviceType
from rbac.models import Gateway
from rbac.services.roles import checked_scopes

REQUEST_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the device is told: its row, its secret (once), and the code a person compares."""

    device: Device
    secret: SecretText
    user_code: str


def enrol_device(
    caller: Caller,
    *,
    name: str,
    device_type: DeviceType,
    platform: str = "",
    firmware_version: str = "",
    capabilities: Sequence[str] = (),
    metadata: Mapping[str, object] | None = None,
    requested_scopes: Sequence[str] = (),
    gateway: Gateway | None = None,
    now: datetime,
) -> Enrolment:
    """Create a pending device with a server-made secret; the request waits ten minutes for an approver."""
    code = new_user_code(secrets.randbelow)
    with transaction.atomic():
        principal = create_principal(caller, kind=PrincipalKind.DEVICE, name=name, now=now)
        device = Device(
            id=principal.id,
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            principal=principal,
            gateway=gateway,
            device_type=device_type,
            platform=platform,
            firmware_version=firmware_version,
            capabilities=sorted(set(capabilities)),
            metadata=dict(metadata or {}),
            requested_scopes=checked_scopes(requested_scopes, field="requested_scopes"),
            user_code_hash=hash_user_code(caller.environment_id, code),
            request_expires_at=now + timedelta(seconds=REQUEST_SECONDS),
            address=caller.address,
            created_at=now,
        )
        device.save(force_insert=True)
        issued = _issue_secret(caller, device, now)
        detail = {"device_type": str(device_type), "name": name, "requested_scopes": device.requested_scopes}
        record(caller, "device.enrolled", subject_id=device.id, detail=detail, now=now)
    return Enrolment(device, issued.text, format_user_code(code))


def hash_user_code(environment_id: str, code: str) -> str:
    """Return the keyed hash under which a user code is stored."""
    return hmac.new(pepper(), f"user code|{environment_id}|{code}".encode(), hashlib.sha256).hexdigest()


def is_user_code(device: Device, typed: str) -> bool:
    """True when ``typed`` is the code this device shows; raises ``CodeMalformed`` for text that is no code."""
    hashed = hash_user_code(device.environment_id, normalise_user_code(typed))
    return bool(device.user_code_hash) and hmac.compare_digest(hashed, device.user_code_hash)


def _issue_secret(caller: Caller, device: Device, now: datetime) -> IssuedKey:
    return issue_api_key(
        caller, principal=device.principal, kind=ApiKeyKind.DEVICE_SECRET, name="device secret", now=now
    )
