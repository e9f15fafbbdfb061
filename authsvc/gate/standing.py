"""What a principal is worth at an audience, worked out once per change of its tenant.

Every proof of the same principal leads to the same registered audience, active principal, device trust and living
grants; only the proof itself differs. Refused: an audience nobody registered, a principal that is gone or disabled, a
device that is not in service. A refusal is never remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from authsvc.audit.changes import Remembered, current_changes
from authsvc.tenants.known import find_principal
from authsvc.tenants.models import Principal, PrincipalKind, PrincipalState
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.issuer import API_AUDIENCE
from devices.services.trust import DeviceTrust, trust_of
from rbac.models import Gateway
from rbac.services.effective import EffectiveRights, effective_rights
from rbac.services.known import known_gateway_of

BASIC_TRUST = 1
DEVICE_SECONDS = 1
MAXIMUM_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """A principal at an audience (``gateway`` is ``None`` for our own API), and how long that holds by itself."""

    principal: Principal
    gateway: Gateway | None
    trust: DeviceTrust
    held: EffectiveRights
    permitted: frozenset[str]
    since: datetime
    until: datetime | None


_STANDINGS: Remembered[tuple[str, str, str, str], Standing] = Remembered(MAXIMUM_REMEMBERED)


def standing_of(
    *, tenant_id: str, environment_id: str, principal_id: str, audience: str, proof: str, now: datetime
) -> Standing:
    """Return the standing now; raises ``TokenRefused``. ``proof`` is its kind, which caps a device's trust."""
    key = (environment_id, principal_id, audience, proof)
    known = _STANDINGS.find(key)
    if known is not None and known.value.since <= now and (known.value.until is None or now < known.value.until):
        return known.value
    changes = current_changes(tenant_id)
    fresh = _looked_up(tenant_id, environment_id, principal_id, audience, proof, now)
    _STANDINGS.put(key, tenant_id, changes, fresh)
    return fresh


def _looked_up(
    tenant_id: str, environment_id: str, principal_id: str, audience: str, proof: str, now: datetime
) -> Standing:
    gateway = _gateway(tenant_id, environment_id, audience)
    principal = find_principal(tenant_id, principal_id)
    if principal is None or principal.environment_id != environment_id or principal.state != PrincipalState.ACTIVE:
        raise TokenRefused("sub")
    trust = _trust(principal, proof, now)
    held = effective_rights(tenant_id=tenant_id, principal_id=principal_id, gateway=gateway, now=now)
    ends = [moment for moment in (held.until, _device_until(principal, now)) if moment is not None]
    return Standing(principal, gateway, trust, held, trust.permitted(held.scopes), now, min(ends, default=None))


def _gateway(tenant_id: str, environment_id: str, audience: str) -> Gateway | None:
    if audience == API_AUDIENCE:
        return None
    gateway = known_gateway_of(tenant_id=tenant_id, environment_id=environment_id, audience=audience)
    if gateway is None:
        raise TokenRefused("aud")
    return gateway


def _trust(principal: Principal, proof: str, now: datetime) -> DeviceTrust:
    if principal.kind != PrincipalKind.DEVICE:
        return DeviceTrust.of_service(BASIC_TRUST)
    trust = trust_of(principal, proof=proof, now=now)
    if trust is None:
        raise TokenRefused("device")
    return trust


def _device_until(principal: Principal, now: datetime) -> datetime | None:
    """A device's trust also changes by itself (age, silence, behaviour): it is asked for every second."""
    return now + timedelta(seconds=DEVICE_SECONDS) if principal.kind == PrincipalKind.DEVICE else None
