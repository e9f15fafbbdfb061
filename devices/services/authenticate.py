"""A device proves itself with its secret; a wrong secret and an unknown device look and cost the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from authsvc.audit.record import record
from authsvc.tenants.models import Environment
from authsvc.tokens.api_keys import verify_opaque
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.problems import Forbidden, Unauthenticated
from devices.models import Device
from devices.services.trust import DeviceTrust, device_trust


class DeviceNotActive(Forbidden):
    """The secret is right and the device is not in service."""

    slug, title = "device_not_active", "Device is not active"
    default_detail = "The device is not active; an administrator has to approve or resume it."


@dataclass(frozen=True, slots=True)
class ProvenDevice:
    """A device that proved itself in this request, the caller it is, and its trust."""

    device: Device
    caller: Caller
    trust: DeviceTrust


def authenticate_device(
    device_id: str, secret: str, *, within: Caller | None, address: str, request_id: str, now: datetime
) -> ProvenDevice:
    """Return the proven device; raises ``Unauthenticated`` for any bad proof and ``DeviceNotActive`` for a good one.

    ``within`` is the caller when the request also carried a bearer: a device of another environment is unknown to it.
    """
    key = _verified_key(device_id, secret, within, address, now)
    device = Device.objects.for_tenant(key.tenant_id).select_related("principal", "gateway").get(id=device_id)
    caller = _device_caller(device, key.environment, key.id, address, request_id)
    trust = device_trust(device, proof="device_secret", now=now)
    if trust is None:
        detail = {"proof": "device_secret", "reason": f"device is {device.status}"}
        record(caller, "device.authentication_failed", subject_id=device.id, detail=detail, now=now)
        raise DeviceNotActive
    Device.objects.for_tenant(key.tenant_id).filter(id=device.id).update(last_seen_at=now)
    return ProvenDevice(device, caller, trust)


def _verified_key(device_id: str, secret: str, within: Caller | None, address: str, now: datetime) -> ApiKey:
    try:
        key = verify_opaque(secret, address=address, now=now)
    except TokenRefused as refusal:
        raise Unauthenticated from refusal
    if key.kind != ApiKeyKind.DEVICE_SECRET or key.principal_id != device_id:
        raise Unauthenticated
    if within is not None and within.environment_id != key.environment_id:
        raise Unauthenticated
    return key


def _device_caller(device: Device, environment: Environment, key_id: str, address: str, request_id: str) -> Caller:
    return Caller(
        tenant_id=device.tenant_id,
        tenant=environment.tenant.slug,
        environment_id=environment.id,
        environment=environment.name,
        principal_id=device.id,
        kind=CallerKind.DEVICE,
        scopes=frozenset(),
        proof="device_secret",
        token_id=key_id,
        device_id=device.id,
        request_id=request_id,
        address=address,
    )
