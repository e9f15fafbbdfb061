"""Does this device hold its secret or its private key? PURE.

Shared secrets are compared as keyed hashes in constant time. Signatures are Ed25519 over the pipe-joined payloads v2
and v3 of openclaw 2026.9.6; the device id is the SHA-256 of the raw public key. Refuses text that is not the one
canonical base64url form, weak keys, fields that would make a payload ambiguous, and clocks too far apart.
That a nonce is ours and was not used before is for the caller to check.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import string
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PUBLIC_KEY_BYTES = 32
DEFAULT_SKEW_MS = 120_000


class PayloadVersion(StrEnum):
    """The two payload forms that are accepted; v3 adds platform and device family."""

    V2 = "v2"
    V3 = "v3"


class ProofReason(StrEnum):
    """Why a proof was accepted or refused; for the audit, never for the answer to the device."""

    OK = "ok"
    NOT_CANONICAL = "not_canonical"
    BAD_KEY = "bad_key"
    ID_MISMATCH = "id_mismatch"
    NONCE_MISSING = "nonce_missing"
    AMBIGUOUS_FIELD = "ambiguous_field"
    CLOCK_SKEW = "clock_skew"
    BAD_SIGNATURE = "bad_signature"


@dataclass(frozen=True, slots=True)
class ProofVerdict:
    """The answer to one proof; true only with reason ``ok``."""

    reason: ProofReason

    def __bool__(self) -> bool:
        return self.reason is ProofReason.OK


@dataclass(frozen=True, slots=True)
class SignedParameters:
    """What the device says it signed; ``signed_at_ms`` is milliseconds since the epoch on the device's clock."""

    device_id: str
    client_id: str
    client_mode: str
    role: str
    scopes: tuple[str, ...]
    signed_at_ms: int
    nonce: str
    token: str | None = None
    platform: str = ""
    device_family: str = ""


def verify_signature(
    version: PayloadVersion,
    parameters: SignedParameters,
    public_key: str,
    signature: str,
    now_ms: int,
    skew_ms: int = DEFAULT_SKEW_MS,
) -> ProofVerdict:
    """Check one signed challenge; ``public_key`` and ``signature`` are base64url without padding.

    The device id must belong to the key, so a valid signature by another key proves nothing about this device.
    """
    raw_key, raw_signature = decode_canonical(public_key), decode_canonical(signature)
    if raw_key is None or raw_signature is None:
        return ProofVerdict(ProofReason.NOT_CANONICAL)
    if len(raw_key) != PUBLIC_KEY_BYTES or raw_key in WEAK_KEYS:
        return ProofVerdict(ProofReason.BAD_KEY)
    if not hmac.compare_digest(device_id_of(raw_key).encode(), parameters.device_id.encode(errors="replace")):
        return ProofVerdict(ProofReason.ID_MISMATCH)
    return ProofVerdict(_judge_payload(version, parameters, raw_key, raw_signature, now_ms, skew_ms))


def _judge_payload(
    version: PayloadVersion, parameters: SignedParameters, key: bytes, signature: bytes, now_ms: int, skew_ms: int
) -> ProofReason:
    if not parameters.nonce:
        return ProofReason.NONCE_MISSING
    if _is_ambiguous(parameters):
        return ProofReason.AMBIGUOUS_FIELD
    if abs(now_ms - parameters.signed_at_ms) > skew_ms:
        return ProofReason.CLOCK_SKEW
    if not _is_signed_by(key, signature, payload(version, parameters).encode()):
        return ProofReason.BAD_SIGNATURE
    return ProofReason.OK


def payload(version: PayloadVersion, parameters: SignedParameters) -> str:
    """Return the exact text a device signs (openclaw 2026.9.6, device authentication payload)."""
    fields = [
        version.value,
        parameters.device_id,
        parameters.client_id,
        parameters.client_mode,
        parameters.role,
        ",".join(parameters.scopes),
        str(parameters.signed_at_ms),
        parameters.token or "",
        parameters.nonce,
    ]
    if version is PayloadVersion.V3:
        fields += [normalise_metadata(parameters.platform), normalise_metadata(parameters.device_family)]
    return "|".join(fields)


def normalise_metadata(text: str) -> str:
    """Trim as JavaScript does and lower only A to Z, so both sides sign the same bytes."""
    return text.strip(JAVASCRIPT_WHITE_SPACE).translate(ASCII_LOWER)


def device_id_of(public_key: bytes) -> str:
    """Return the device id of a raw public key: lower-case hex of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()


def keyed_hash(pepper: bytes, secret: bytes) -> bytes:
    """Return what is stored instead of a server-made secret: HMAC-SHA256 under the pepper."""
    return hmac.digest(pepper, secret, "sha256")


def verify_shared_secret(presented_hash: bytes, stored_hash: bytes) -> bool:
    """Compare two keyed hashes in constant time; a device without a stored hash never matches."""
    return hmac.compare_digest(presented_hash, stored_hash) and bool(stored_hash)


def decode_canonical(text: str) -> bytes | None:
    """Return the bytes of unpadded base64url text, or None when it is not the one canonical spelling of them."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if encode_canonical(decoded) == text else None


def encode_canonical(raw: bytes) -> str:
    """Return base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _is_signed_by(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _is_ambiguous(parameters: SignedParameters) -> bool:
    # "a|b" in one field and "a", "b" in two sign alike, and so do the scopes "x,y" and "x", "y".
    plain = (
        parameters.client_id,
        parameters.client_mode,
        parameters.role,
        parameters.token or "",
        parameters.nonce,
        parameters.platform,
        parameters.device_family,
    )
    if any("|" in text or not _is_encodable(text) for text in plain):
        return True
    return any(not scope or "|" in scope or "," in scope or not _is_encodable(scope) for scope in parameters.scopes)


def _is_encodable(text: str) -> bool:
    # A lone surrogate has no UTF-8 form; JavaScript would silently sign a replacement character instead.
    return not any("\ud800" <= character <= "\udfff" for character in text)


ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
JAVASCRIPT_WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

# Points of small order, in every encoding: under such a key one signature fits many messages (RFC 8032 §5.1.7 does not
# refuse them). The tests recompute the property.
WEAK_KEYS = frozenset(
    bytes.fromhex(low + high)
    for low, high in (
        ("00" * 31, "00"),
        ("00" * 31, "80"),
        ("01" + "00" * 30, "00"),
        ("01" + "00" * 30, "80"),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc", "05"),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc", "85"),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03", "7a"),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03", "fa"),
        ("ec" + "ff" * 30, "7f"),
        ("ec" + "ff" * 30, "ff"),
        ("ed" + "ff" * 30, "7f"),
        ("ed" + "ff" * 30, "ff"),
        ("ee" + "ff" * 30, "7f"),
        ("ee" + "ff" * 30, "ff"),
    )
)
