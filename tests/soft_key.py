"""A security key in software: answers WebAuthn questions as a browser would, right or wrong in one chosen way."""

from __future__ import annotations

import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def text_of(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    """Return the bytes of base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class SoftKey:
    """One ES256 key at one origin; its counter moves with each answer."""

    origin: str
    host: str
    credential_id: bytes = b"\x01" * 32
    count: int = 0
    flags: int = PRESENT | VERIFIED
    cross_origin: bool = False
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Return the answer to options for making a passkey."""
        data = self._client_data("webauthn.create", options, changes)
        public = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + cbor.encode(cose)
        authenticator = self._authenticator_data(ATTESTED) + attested
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": authenticator})
        return self._answer({"clientDataJSON": text_of(data), "attestationObject": text_of(attestation)})

    def get(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Return the answer to options for using a passkey."""
        self.count += 1
        data = self._client_data("webauthn.get", options, changes)
        authenticator = self._authenticator_data(0)
        signed = self.key.sign(authenticator + sha256(data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": text_of(data),
                "authenticatorData": text_of(authenticator),
                "signature": text_of(signed),
            }
        )

    def _client_data(self, kind: str, options: dict[str, Any], changes: dict[str, Any]) -> bytes:
        challenge = options["publicKey"]["challenge"]
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin}
        return json.dumps({**said, **changes}).encode()

    def _authenticator_data(self, flags: int) -> bytes:
        return sha256(self.host.encode()).digest() + bytes([self.flags | flags]) + struct.pack(">I", self.count)

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        name = text_of(self.credential_id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response}
