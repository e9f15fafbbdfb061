"""How far a device is trusted in this request, and what that leaves of the scopes it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from authsvc.tenants.models import Principal
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared
from devices.models import Device
from devices.services.policy import policy_of
from devices.states import State
from devices.trust import Ceiling, ProofKind, TrustLevel, ceiling, effective_trust

PROOF_KINDS = {
    "access_token": ProofKind.SERVER_SECRET,  # the token's own claim says how it was earned and caps it below
    "device_secret": ProofKind.SERVER_SECRET,
    "device_code": ProofKind.SERVER_SECRET,
    "chosen_secret": ProofKind.CHOSEN_SECRET,
    "signature": ProofKind.SIGNATURE,
    "api_key": ProofKind.API_KEY,
}


@dataclass(frozen=True, slots=True)
class DeviceTrust:
    """A trust level and its scope ceiling; a service account has a level and no ceiling."""

    level: int
    ceiling: Ceiling | None

    @classmethod
    def of_service(cls, level: int) -> DeviceTrust:
        """Return the trust of a principal that is not a device."""
        return cls(level, None)

    def permitted(self, scopes: Iterable[str]) -> frozenset[str]:
        """Return the scopes that the ceiling leaves."""
        held = frozenset(scopes)
        return held if self.ceiling is None else frozenset(filter(self.ceiling.permits, held))


_DEVICE = Prepared(
    lambda tenant_id, device_id: (
        Device.objects.for_tenant(tenant_id)
        .select_related("environment__device_policy")
        .filter(id=device_id)
        .order_by()
    )
)


def trust_of(
    principal: Principal, *, proof: str, at_most: TrustLevel = TrustLevel.TRUSTED, now: datetime
) -> DeviceTrust | None:
    """Return a device's trust with this kind of proof, at most a level; ``None`` unless active and unexpired."""
    device = _DEVICE.first(tenant_id=principal.tenant_id, device_id=principal.id)
    return None if device is None else device_trust(device, proof=proof, at_most=at_most, now=now)


def find_device_trust(caller: Caller, device_id: str, *, now: datetime) -> DeviceTrust | None:
    """Return the trust of an active device of the caller's environment, without any proof of its own."""
    devices = Device.objects.for_environment(caller).select_related("environment__device_policy")
    device = devices.filter(id=device_id).first()
    return None if device is None else device_trust(device, proof="access_token", now=now)


def device_trust(
    device: Device, *, proof: str, at_most: TrustLevel = TrustLevel.TRUSTED, now: datetime
) -> DeviceTrust | None:
    """Return the effective trust of a device; ``None`` when its status or its end date refuses it altogether."""
    if device.status != State.ACTIVE or (device.expires_at is not None and now >= device.expires_at):
        return None
    policy = policy_of(device)
    proof_kind = PROOF_KINDS.get(proof, ProofKind.NONE)
    stored = TrustLevel(device.trust_level)
    level = min(at_most, effective_trust(State(device.status), stored, proof_kind, policy.chosen_secret_limit))
    return DeviceTrust(int(level), ceiling(level, policy.ceilings))
