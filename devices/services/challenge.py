"""A device proves its Ed25519 key by signing a nonce of ours in openclaw's payload, v2 or v3.

A nonce carries its own proof of origin and end, so asking for one writes nothing and says nothing about which devices
exist; answering it writes its hash, so it works once. Refused alike: bad signature, foreign or used nonce, a clock more
than two minutes off, another role, scopes that were not approved.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction

from authsvc.tokens.opaque import pepper
from authsvc.web.problems import Unauthenticated
from devices.models import Device, UsedNonce
from devices.operator_scopes import role_allows
from devices.proof import (
    PayloadVersion,
    SignedParameters,
    decode_canonical,
    device_id_of,
    encode_canonical,
    verify_signature,
)
from devices.services.authenticate import (
    Attempt,
    Gain,
    ProvenDevice,
    claim_of,
    find_claimed,
    refuse_proof,
    require_patience,
    use_proof,
)

NONCE_SECONDS = 120
NOBODYS_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8032 §7.1, test 1: only ever a stand-in


@dataclass(frozen=True, slots=True)
class SignedChallenge:
    """What the device sends back: what it signed and the signature; ``signed_at`` is milliseconds on its clock."""

    version: PayloadVersion
    nonce: str
    signature: str
    signed_at: int
    client_id: str = ""
    client_mode: str = ""
    role: str = ""
    scopes: tuple[str, ...] = ()
    token: str | None = None
    platform: str = ""
    device_family: str = ""


def new_challenge(device_id: str, *, now: datetime) -> str:
    """Return a nonce for this device id, good for two minutes and one answer; writes nothing."""
    body = f"{int(now.timestamp()) + NONCE_SECONDS}.{secrets.token_urlsafe(16)}"
    return f"{body}.{_seal(device_id, body)}"


def use_signature(attempt: Attempt, signed: SignedChallenge, then: Callable[[ProvenDevice], Gain]) -> Gain:
    """Do ``then`` with the device that signed, in the transaction that counts the proof.

    Raises ``Unauthenticated``, or ``DeviceNotActive`` for a good proof.
    """
    require_patience(attempt)
    device = find_claimed(attempt)
    ends_at = _nonce_end(attempt, signed.nonce)
    is_signed = _is_signed(device, signed, attempt.now)  # asked of everybody: it takes its time
    if device is None or ends_at is None or not is_signed:
        refuse_proof(attempt, device, "signature")
        raise Unauthenticated
    if not _use_nonce(signed.nonce, ends_at):
        refuse_proof(attempt, device, "signature")
        raise Unauthenticated
    return use_proof(attempt, claim_of(device), "signature", then)


def _is_signed(device: Device | None, signed: SignedChallenge, now: datetime) -> bool:
    """Check role, scopes and signature; without a device or its key the signature is checked under nobody's key."""
    public_key = (device.public_key if device is not None else "") or NOBODYS_KEY
    is_allowed = (
        device is not None
        and bool(device.public_key)
        and signed.role == device.requested_role
        and role_allows(signed.role, device.operator_scopes, signed.scopes)
    )
    parameters = SignedParameters(
        device_id=device_id_of(decode_canonical(public_key) or b""),
        client_id=signed.client_id,
        client_mode=signed.client_mode,
        role=signed.role,
        scopes=signed.scopes,
        signed_at_ms=signed.signed_at,
        nonce=signed.nonce,
        token=signed.token,
        platform=signed.platform,
        device_family=signed.device_family,
    )
    now_ms = int(now.timestamp() * 1000)
    verdict = verify_signature(signed.version, parameters, public_key, signed.signature, now_ms)
    return bool(verdict) and is_allowed


def _nonce_end(attempt: Attempt, nonce: str) -> datetime | None:
    """Return when a nonce of ours ends, or nothing when it is foreign, of another device, or over."""
    body, _, seal = nonce.rpartition(".")
    if not hmac.compare_digest(seal.encode(), _seal(attempt.device_id, body).encode()):
        return None
    ends_at = datetime.fromtimestamp(int(body.partition(".")[0]), UTC)
    return ends_at if attempt.now < ends_at else None


def _use_nonce(nonce: str, ends_at: datetime) -> bool:
    row = UsedNonce(nonce_sha256=hashlib.sha256(nonce.encode()).hexdigest(), expires_at=ends_at + timedelta(minutes=1))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _seal(device_id: str, body: str) -> str:
    return encode_canonical(hmac.digest(pepper(), f"challenge|{device_id}|{body}".encode(), "sha256"))
