"""A device asks to join: it gets an id, a proof of its own, and a code for people to compare.

Until approval it is nobody. A device that was here before is shown beside its old self and inherits nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import PrincipalKind
from authsvc.tenants.services import create_principal
from authsvc.tokens.api_keys import issue_api_key
from authsvc.tokens.models import ApiKeyKind
from authsvc.tokens.opaque import pepper
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed
from authsvc.web.secret_text import SecretText
from devices.codes import format_user_code, new_user_code, normalise_user_code
from devices.models import Device, DeviceType
from devices.proof import PUBLIC_KEY_BYTES, WEAK_KEYS, decode_canonical, device_id_of
from devices.services.policy import discreet, policy_for
from devices.services.standing import change_standing
from devices.states import State
from devices.trust_changes import Happening, TrustEvent
from rbac.models import Gateway
from rbac.services.roles import checked_scopes
from rbac.services.scopes import defined_scopes

REQUEST_SECONDS = 600
SHORTEST_CHOSEN, LONGEST_CHOSEN = 8, 256
OUR_SECRETS = "ads_"
NO_SECRET = SecretText("")


@dataclass(frozen=True, slots=True)
class Identity:
    """How the device will prove itself: a server-made secret unless it brings a key, a secret, or a device code.

    ``role`` and ``operator_scopes`` are openclaw's; they belong to a key.
    """

    public_key: str = ""
    role: str = ""
    operator_scopes: tuple[str, ...] = ()
    chosen_secret: SecretText = NO_SECRET
    has_device_code: bool = False
    replaces: Device | None = None
    user_agent: str = ""
    enrolment_code_id: str = ""

    @property
    def needs_secret(self) -> bool:
        """Say whether the server makes a secret for it."""
        return not (self.public_key or self.chosen_secret or self.has_device_code)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the device is told: its row, its secret (once; empty when it brought its own proof), and the code."""

    device: Device
    secret: SecretText
    user_code: str


DEFAULT_IDENTITY = Identity()


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
    identity: Identity = DEFAULT_IDENTITY,
    now: datetime,
) -> Enrolment:
    """Create a pending device; the request waits ten minutes for an approver. Raises ``ValidationFailed``."""
    code = new_user_code(secrets.randbelow)
    fingerprint = _fingerprint(identity.public_key)
    chosen_hash = _chosen_hash(identity.chosen_secret)
    policy = policy_for(caller)
    caller = discreet(caller, policy)
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
            requested_scopes=checked_scopes(requested_scopes, field="requested_scopes", extra=defined_scopes(caller)),
            user_code_hash=hash_user_code(caller.environment_id, code),
            request_expires_at=now + timedelta(seconds=REQUEST_SECONDS),
            address=caller.address,
            user_agent=identity.user_agent[:300] if policy.store_user_agent else "",
            public_key=identity.public_key,
            key_fingerprint=fingerprint,
            requested_role=identity.role,
            operator_scopes=list(dict.fromkeys(identity.operator_scopes)),
            chosen_secret_hash=chosen_hash,
            previous=identity.replaces or _known_by_key(caller, fingerprint),
            created_at=now,
        )
        _supersede(caller, fingerprint, now)
        device.save(force_insert=True)
        secret = _issue_secret(caller, device, now) if identity.needs_secret else NO_SECRET
        record(caller, "device.enrolled", subject_id=device.id, detail=_detail(device, identity), now=now)
    return Enrolment(device, secret, format_user_code(code))


def hash_user_code(environment_id: str, code: str) -> str:
    """Return the keyed hash under which a user code is stored."""
    return hmac.new(pepper(), f"user code|{environment_id}|{code}".encode(), hashlib.sha256).hexdigest()


def is_user_code(device: Device, typed: str) -> bool:
    """True when ``typed`` is the code this device shows; raises ``CodeMalformed`` for text that is no code."""
    hashed = hash_user_code(device.environment_id, normalise_user_code(typed))
    return bool(device.user_code_hash) and hmac.compare_digest(hashed, device.user_code_hash)


def _detail(device: Device, identity: Identity) -> dict[str, object]:
    return {
        "device_type": str(device.device_type),
        "name": device.principal.name,
        "requested_scopes": device.requested_scopes,
        "key_fingerprint": device.key_fingerprint,
        "replaces": device.previous_id or "",
        "enrolment_code": identity.enrolment_code_id,
    }


def _issue_secret(caller: Caller, device: Device, now: datetime) -> SecretText:
    return issue_api_key(
        caller, principal=device.principal, kind=ApiKeyKind.DEVICE_SECRET, name="device secret", now=now
    ).text


def _fingerprint(public_key: str) -> str:
    if not public_key:
        return ""
    raw = decode_canonical(public_key)
    if raw is None or len(raw) != PUBLIC_KEY_BYTES or raw in WEAK_KEYS:
        raise ValidationFailed(errors={"public_key": ["Give a raw Ed25519 key in base64url without padding."]})
    return device_id_of(raw)


def _chosen_hash(secret: SecretText) -> str:
    if not secret:
        return ""
    if not SHORTEST_CHOSEN <= len(secret) <= LONGEST_CHOSEN or secret.reveal().startswith(OUR_SECRETS):
        raise ValidationFailed(
            errors={"secret": [f"Use {SHORTEST_CHOSEN} to {LONGEST_CHOSEN} characters of your own."]}
        )
    return make_password(secret.reveal())


def _known_by_key(caller: Caller, fingerprint: str) -> Device | None:
    if not fingerprint:
        return None
    known = Device.objects.for_environment(caller).filter(key_fingerprint=fingerprint)
    return known.exclude(status__in=[State.PENDING, State.REJECTED]).order_by("-created_at", "-id").first()


def _supersede(caller: Caller, fingerprint: str, now: datetime) -> None:
    """Close an earlier request under the same key: one live request per key."""
    if not fingerprint:
        return
    waiting = Device.objects.for_environment(caller).filter(key_fingerprint=fingerprint, status=State.PENDING)
    for earlier in waiting:
        waiting.filter(id=earlier.id).update(user_code_hash="")
        change_standing(caller, earlier, TrustEvent(Happening.REJECTED, reason="asked again"), now=now)
