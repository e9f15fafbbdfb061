"""What an administrator does with a device: approve what was seen, reject, suspend, resume, revoke, delete."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Model

from authsvc.audit.record import record
from authsvc.tenants.models import PrincipalState
from authsvc.tenants.services import set_principal_state
from authsvc.tokens.api_keys import revoke_api_key
from authsvc.tokens.models import ApiKey
from authsvc.tokens.services import revoke_all_tokens
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.problems import Conflict, Forbidden, NotFound, ValidationFailed
from devices.models import Device
from devices.services.enrol import is_user_code
from devices.snapshot import digest
from devices.states import Event, State, next_state
from devices.trust import TrustLevel
from rbac.services.effective import require_may_hand_out
from rbac.services.grants import create_grant

MAXIMUM_CODE_ATTEMPTS = 5


class RequestStale(Conflict):
    """The request is not what the approver saw, or waited too long."""

    slug, title = "request_stale", "The request changed"
    default_detail = "The request changed since it was shown; look again."


class RequestExpired(Conflict):
    """The device waited longer than ten minutes."""

    slug, title = "request_expired", "The request expired"
    default_detail = "The request expired; let the device ask again."


class CodeMismatch(ValidationFailed):
    """The typed code is not the one the device shows."""

    slug, title = "code_mismatch", "The code does not match"
    default_detail = "The code does not match the one the device shows."


class OwnDevice(Forbidden):
    """Nobody approves itself."""

    slug, title = "own_device", "Not your own device"
    default_detail = "A device cannot decide about itself."


def approve_device(
    caller: Caller,
    *,
    device: Device,
    user_code: str,
    snapshot: str = "",
    trust_level: int = TrustLevel.VERIFIED,
    expires_at: datetime | None = None,
    reason: str = "",
    now: datetime,
) -> Device:
    """Approve exactly the request that was seen: its code, and its snapshot's digest when given.

    The approver must hold every scope asked for. One of several simultaneous approvals wins; the others get 409.
    """
    _require_not_self(caller, device)
    _require_code(device, user_code, now)
    if snapshot and snapshot != digest(device.snapshot()):
        raise RequestStale
    if not TrustLevel.BASIC <= trust_level <= TrustLevel.TRUSTED:
        raise ValidationFailed(errors={"trust_level": ["Choose 1, 2 or 3."]})
    if expires_at is not None and expires_at <= now:
        raise ValidationFailed(errors={"expires_at": ["Choose a time in the future."]})
    require_may_hand_out(caller, device.requested_scopes, gateway=device.gateway, now=now)
    with transaction.atomic():
        moved = _move(
            caller,
            device,
            Event.APPROVE,
            now,
            reason,
            trust_level=trust_level,
            expires_at=expires_at,
            user_code_hash="",
            request_expires_at=None,
        )
        if device.requested_scopes:
            create_grant(
                caller,
                principal=device.principal,
                scopes=device.requested_scopes,
                gateway=device.gateway,
                reason="approved with the device",
                now=now,
            )
        detail = {
            "trust_level": trust_level,
            "snapshot": digest(device.snapshot()),
            "expires_at": expires_at.isoformat() if expires_at else None,
        }
        record(caller, "device.approved", subject_id=device.id, detail=detail, now=now)
    return moved


def reject_device(caller: Caller, *, device: Device, reason: str, now: datetime) -> Device:
    """Refuse a pending request; the device may ask again with a new one."""
    _require_not_self(caller, device)
    with transaction.atomic():
        moved = _move(caller, device, Event.REJECT, now, reason, user_code_hash="", trust_level=0)
        record(caller, "device.rejected", subject_id=device.id, detail={"reason": reason}, now=now)
    return moved


def suspend_device(caller: Caller, *, device: Device, reason: str, now: datetime) -> Device:
    """Take a device out of service until it is resumed."""
    with transaction.atomic():
        moved = _move(caller, device, Event.SUSPEND, now, reason)
        record(caller, "device.suspended", subject_id=device.id, detail={"reason": reason}, now=now)
    return moved


def resume_device(caller: Caller, *, device: Device, reason: str, now: datetime) -> Device:
    """Put a suspended device back into service with the trust it had."""
    _require_not_self(caller, device)
    with transaction.atomic():
        moved = _move(caller, device, Event.RESUME, now, reason)
        record(caller, "device.resumed", subject_id=device.id, detail={"reason": reason}, now=now)
    return moved


def revoke_device(caller: Caller, *, device: Device, reason: str, now: datetime) -> Device:
    """End a device for good: its secret, its tokens and its principal are refused from now on."""
    event = Event.BLOCK if device.status == State.PENDING else Event.REVOKE
    with transaction.atomic():
        moved = _move(caller, device, event, now, reason, trust_level=0, user_code_hash="")
        for key in ApiKey.objects.for_environment(caller).filter(principal_id=device.id, revoked_at__isnull=True):
            revoke_api_key(caller, key=key, reason="device revoked", now=now)
        revoke_all_tokens(caller, principal_id=device.id, reason="device revoked", now=now)
        set_principal_state(
            caller, principal=device.principal, state=PrincipalState.DISABLED, reason="device revoked", now=now
        )
        record(caller, "device.revoked", subject_id=device.id, detail={"reason": reason}, now=now)
    return moved


def set_trust(caller: Caller, *, device: Device, trust_level: int, reason: str, now: datetime) -> Device:
    """Set the stored trust level of an active device; a reason is required."""
    _require_not_self(caller, device)
    if device.status != State.ACTIVE:
        raise Conflict("Only an active device has a trust level to set.")
    if not reason.strip():
        raise ValidationFailed(errors={"reason": ["Say why."]})
    if not TrustLevel.BASIC <= trust_level <= TrustLevel.TRUSTED:
        raise ValidationFailed(errors={"trust_level": ["Choose 1, 2 or 3."]})
    old_level = device.trust_level
    with transaction.atomic():
        device.trust_level = trust_level
        device.save(update_fields=["trust_level"])
        detail = {"old_level": old_level, "new_level": trust_level, "reason": reason}
        record(caller, "device.trust_changed", subject_id=device.id, detail=detail, now=now)
    return device


def delete_device(caller: Caller, *, device: Device, now: datetime) -> None:
    """Delete a device with its keys, grants and tokens; the audit keeps what happened."""
    with transaction.atomic():
        record(caller, "device.deleted", subject_id=device.id, detail={"reason": "deleted"}, now=now)
        principal: Model = device.principal
        principal.delete()


def get_device(caller: Caller, device_id: str) -> Device:
    """Return a device of the caller's environment; raises ``NotFound``."""
    devices = Device.objects.for_environment(caller).select_related("principal", "gateway")
    device = devices.filter(id=device_id).first()
    if device is None:
        raise NotFound
    return device


def _require_not_self(caller: Caller, device: Device) -> None:
    if caller.principal_id == device.id or (caller.kind == CallerKind.DEVICE and caller.device_id == device.id):
        raise OwnDevice


def _require_code(device: Device, user_code: str, now: datetime) -> None:
    """Check state, age and code; a wrong code is counted outside any transaction, and five end the request."""
    next_state(State(device.status), Event.APPROVE)
    if device.request_expires_at is not None and now >= device.request_expires_at:
        raise RequestExpired
    if device.code_attempts >= MAXIMUM_CODE_ATTEMPTS:
        raise RequestExpired("Too many wrong codes; let the device ask again.")
    if not is_user_code(device, user_code):
        device.code_attempts += 1
        device.save(update_fields=["code_attempts"])
        raise CodeMismatch(errors={"user_code": ["The code does not match."]})


def _move(caller: Caller, device: Device, event: Event, now: datetime, reason: str, **fields: object) -> Device:
    """Change the status by a conditional update, so that of two decisions at once exactly one happens."""
    target = next_state(State(device.status), event)
    changes = {
        "status": target,
        "decided_by": caller.principal_id,
        "decided_at": now,
        "decision_reason": reason,
        **fields,
    }
    current = Device.objects.for_environment(caller).filter(id=device.id, status=device.status)
    if not current.update(**changes):
        raise RequestStale
    for name, value in changes.items():
        setattr(device, name, value)
    return device
