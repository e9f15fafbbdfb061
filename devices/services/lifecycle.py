"""What an administrator does with a device: approve what was seen, reject, suspend, resume, revoke, set trust, delete.

Each is one transaction under the row's lock: of several decisions at once exactly one happens, the others get 409.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Model, Q

from authsvc.audit.record import record
from authsvc.tenants.models import PrincipalState
from authsvc.tenants.services import set_principal_state
from authsvc.tokens.api_keys import revoke_api_key
from authsvc.tokens.models import ApiKey
from authsvc.tokens.refresh import lock_families
from authsvc.tokens.services import revoke_all_tokens
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.problems import Conflict, Forbidden, NotFound, Problem, ValidationFailed
from devices.models import Device
from devices.services.enrol import is_user_code
from devices.services.standing import change_standing, lock_device
from devices.snapshot import digest
from devices.states import Event, State, next_state
from devices.trust import TrustLevel
from devices.trust_changes import Happening, TrustEvent
from rbac.scopes import AUTHSVC_ADMIN
from rbac.services.effective import NotHeld, require_may_hand_out
from rbac.services.grants import create_grant

MAXIMUM_CODE_ATTEMPTS = 5
# What these callers are forbidden is audited at the door they came through.
AUDITED_AT_THE_DOOR = frozenset({CallerKind.SERVICE_ACCOUNT, CallerKind.DEVICE, CallerKind.GATEWAY})


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
    Every refusal leaves one audit row.
    """
    with audited_refusals(caller, device.id, now):
        _require_not_self(caller, device)
        if expires_at is not None and expires_at <= now:
            raise ValidationFailed(errors={"expires_at": ["Choose a time in the future."]})
        _require_code(caller, device, user_code, now)
        seen = snapshot or digest(device.snapshot())
        event = TrustEvent(Happening.APPROVED, level=_level(trust_level), reason=reason)
        return admit_device(caller, device, seen=seen, event=event, expires_at=expires_at, now=now)


def admit_device(
    caller: Caller, device: Device, *, seen: str, event: TrustEvent, expires_at: datetime | None = None, now: datetime
) -> Device:
    """Put a pending device into service with its grants, in place of what it replaces; raises ``RequestStale``."""
    try:
        with transaction.atomic():
            locked = lock_device(caller, device.id)
            next_state(State(locked.status), Event.APPROVE)
            if digest(locked.snapshot()) != seen:
                raise RequestStale
            _require_may_approve(caller, locked, now)
            _end_replaced(caller, locked, now)
            changes = {"user_code_hash": "", "request_expires_at": None, "expires_at": expires_at}
            _decide(caller, locked, event.reason, now, **changes)
            detail = {
                "trust_level": event.level.value,
                "snapshot": seen,
                "expires_at": expires_at.isoformat() if expires_at else None,
            }
            admitted = change_standing(caller, locked, event, now=now, detail=detail)
            _grant(caller, admitted, now)
    except IntegrityError as error:
        raise RequestStale from error
    return admitted


def reject_device(caller: Caller, *, device: Device, reason: str, now: datetime) -> Device:
    """Refuse a pending request; the device may ask again with a new one."""
    _require_not_self(caller, device)
    with transaction.atomic():
        _decide(caller, lock_device(caller, device.id), reason, now, user_code_hash="")
        return change_standing(caller, device, TrustEvent(Happening.REJECTED, reason=reason), now=now)


def suspend_device(caller: Caller, *, device: Device, reason: str, now: datetime) -> Device:
    """Take a device out of service until it is resumed; earned trust is lost."""
    with transaction.atomic():
        _decide(caller, lock_device(caller, device.id), reason, now)
        return change_standing(caller, device, TrustEvent(Happening.SUSPENDED, reason=reason), now=now)


def resume_device(caller: Caller, *, device: Device, reason: str, now: datetime) -> Device:
    """Put a suspended device back into service, at most verified; an end date that passed no longer holds."""
    _require_not_self(caller, device)
    with transaction.atomic():
        locked = lock_device(caller, device.id)
        ended = locked.expires_at is not None and locked.expires_at <= now
        _decide(caller, locked, reason, now, expires_at=None if ended else locked.expires_at)
        return change_standing(caller, device, TrustEvent(Happening.RESUMED, reason=reason), now=now)


def revoke_device(caller: Caller, *, device: Device, reason: str, now: datetime) -> Device:
    """End a device for good: its secret, its tokens and its principal are refused from now on."""
    with transaction.atomic():
        locked = lock_device(caller, device.id)
        lock_families(caller, [device.id])
        happening = Happening.BLOCKED if locked.status == State.PENDING else Happening.REVOKED
        _decide(caller, locked, reason, now, user_code_hash="", chosen_secret_hash="")
        moved = change_standing(caller, locked, TrustEvent(happening, reason=reason), now=now)
        for key in ApiKey.objects.for_environment(caller).filter(principal_id=device.id, revoked_at__isnull=True):
            revoke_api_key(caller, key=key, reason="device revoked", now=now)
        revoke_all_tokens(caller, principal_id=device.id, reason="device revoked", now=now)
        set_principal_state(
            caller, principal=locked.principal, state=PrincipalState.DISABLED, reason="device revoked", now=now
        )
    return moved


def set_trust(caller: Caller, *, device: Device, trust_level: int, reason: str, now: datetime) -> Device:
    """Set the stored trust level of an active device; a reason is required."""
    _require_not_self(caller, device)
    if not reason.strip():
        raise ValidationFailed(errors={"reason": ["Say why."]})
    event = TrustEvent(Happening.LEVEL_SET, level=_level(trust_level), reason=reason)
    return change_standing(caller, device, event, now=now)


def confirm_device(caller: Caller, *, device: Device, reason: str, now: datetime) -> Device:
    """Agree that a device may rise by its history, where the environment asks for that; raises when inactive."""
    _require_not_self(caller, device)
    with transaction.atomic():
        record(caller, "device.confirmed", subject_id=device.id, detail={"reason": reason}, now=now)
        return change_standing(caller, device, TrustEvent(Happening.CONFIRMED, reason=reason), now=now)


def delete_device(caller: Caller, *, device: Device, now: datetime) -> None:
    """Delete a device with its keys, grants and tokens; the audit keeps what happened."""
    with transaction.atomic():
        record(caller, "device.deleted", subject_id=device.id, detail={"reason": "deleted"}, now=now)
        principal: Model = device.principal
        principal.delete()


def get_device(caller: Caller, device_id: str) -> Device:
    """Return a device of the caller's environment; raises ``NotFound``."""
    devices = Device.objects.for_environment(caller).select_related("principal", "gateway", "previous__principal")
    device = devices.filter(id=device_id).first()
    if device is None:
        raise NotFound
    return device


@contextmanager
def audited_refusals(caller: Caller, device_id: str, now: datetime) -> Iterator[None]:
    """Record a refused approval after everything it did was rolled back; then let the refusal go on."""
    try:
        yield
    except Problem as problem:
        if not (isinstance(problem, Forbidden) and caller.kind in AUDITED_AT_THE_DOOR):
            detail = {"code": problem.slug}
            record(caller, "device.approval_refused", subject_id=device_id, detail=detail, now=now)
        raise


def _require_not_self(caller: Caller, device: Device) -> None:
    if caller.principal_id == device.id or (caller.kind == CallerKind.DEVICE and caller.device_id == device.id):
        raise OwnDevice


def _require_code(caller: Caller, device: Device, user_code: str, now: datetime) -> None:
    """Check state, age and code under the row's lock; a wrong code is counted for good, and five end the request."""
    with transaction.atomic():
        locked = lock_device(caller, device.id)
        next_state(State(locked.status), Event.APPROVE)
        if locked.request_expires_at is not None and now >= locked.request_expires_at:
            raise RequestExpired
        if locked.code_attempts >= MAXIMUM_CODE_ATTEMPTS:
            raise RequestExpired("Too many wrong codes; let the device ask again.")
        is_right = is_user_code(locked, user_code)
        if not is_right:
            locked.code_attempts += 1
            locked.save(update_fields=["code_attempts"])
    if not is_right:
        raise CodeMismatch(errors={"user_code": ["The code does not match."]})


def _require_may_approve(caller: Caller, device: Device, now: datetime) -> None:
    require_may_hand_out(caller, device.requested_scopes, gateway=device.gateway, now=now)
    if device.operator_scopes and AUTHSVC_ADMIN not in caller.scopes:
        raise NotHeld("Only an administrator approves a device that asks for operator scopes.")


def _end_replaced(caller: Caller, device: Device, now: datetime) -> None:
    """Revoke what this device takes the place of, so that one identity is never in service twice."""
    same = Q(id=device.previous_id) | (Q(key_fingerprint=device.key_fingerprint) & ~Q(key_fingerprint=""))
    living = Device.objects.for_environment(caller).filter(same, status__in=[State.ACTIVE, State.SUSPENDED])
    replaced = list(living.exclude(id=device.id))
    lock_families(caller, [old.id for old in replaced])
    for old in replaced:
        revoke_device(caller, device=old, reason=f"replaced by {device.id}", now=now)


def _grant(caller: Caller, device: Device, now: datetime) -> None:
    if device.requested_scopes:
        create_grant(
            caller,
            principal=device.principal,
            scopes=device.requested_scopes,
            gateway=device.gateway,
            reason="approved with the device",
            confirmed=device.requested_scopes,  # whoever approves a device approves what it asks for, as it was shown
            now=now,
        )


def _decide(caller: Caller, device: Device, reason: str, now: datetime, **changes: object) -> None:
    """Note who decided; the same transaction then moves the device, or rolls this back."""
    noted = {"decided_by": caller.principal_id, "decided_at": now, "decision_reason": reason, **changes}
    for name, value in noted.items():
        setattr(device, name, value)
    device.save(update_fields=list(noted))


def _level(number: int) -> TrustLevel:
    if not TrustLevel.BASIC <= number <= TrustLevel.TRUSTED:
        raise ValidationFailed(errors={"trust_level": ["Choose 1, 2 or 3."]})
    return TrustLevel(number)
