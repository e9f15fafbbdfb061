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

from authsvc.tokens.api_keys import pepper
from authsvc.web.problems import Unauthenticated
from devices.models import Device, UsedNonce
from devices.operator_scopes import role_allows
from devices.proof import PayloadVersion, SignedParameters, encode_canonical, verify_signature
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
    if device is None or ends_at is None or not _is_signed(device, signed, attempt.now):
        refuse_proof(attempt, device, "signature")
        raise Unauthenticated
    if not _use_nonce(signed.nonce, ends_at):
        refuse_proof(attempt, device, "signature")
        raise Unauthenticated
    return use_proof(attempt, claim_of(device), "signature", then)


def _is_signed(device: Device, signed: SignedChallenge, now: datetime) -> bool:
    if not device.public_key or signed.role != device.requested_role:
        return False
    if not role_allows(signed.role, device.operator_scopes, signed.scopes):
        return False
    parameters = SignedParameters(
        device_id=device.key_fingerprint,
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
    return bool(verify_signature(signed.version, parameters, device.public_key, signed.signature, now_ms))


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
