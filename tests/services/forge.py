"""An attacker's workbench: tokens signed with the demo's own private key, or put together from any pieces."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.world import World


def b64(value: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def as_json(value: Any) -> bytes:
    """Return compact JSON; text and bytes are taken as they are, so that broken JSON can be sent too."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else json.dumps(value, separators=(",", ":")).encode()


class Forge:
    """Knows the real signing key of acme/prod and what a good token of it says."""

    def __init__(self, world: World) -> None:
        pem = world.document["signing_key"]["private_key_pem"]
        key = load_pem_private_key(pem.encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self.key = key
        self.kid = str(world.document["signing_key"]["kid"])
        self.place = world.prod

    def header(self, **changes: Any) -> dict[str, Any]:
        """Return the good header with changes."""
        return {"alg": "RS256", "kid": self.kid, "typ": "at+jwt", **changes}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return good claims with changes; each call has a jti of its own."""
        now = int(time.time())
        good = {
            "iss": self.place.issuer,
            "aud": "authsvc",
            "sub": self.place.client_id,
            "client_id": self.place.client_id,
            "jti": f"jti_{secrets.token_hex(8)}",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "tenant": "acme",
            "env": "prod",
            "scope": "authsvc:admin",
            "scopes": ["authsvc:admin"],
        }
        return {**good, **changes}

    def sign(self, claims: Any = None, header: Any = None) -> str:
        """Return a token signed by the real key, whatever it says."""
        head = self.header() if header is None else header
        body = self.claims() if claims is None else claims
        return self.sealed(f"{b64(as_json(head))}.{b64(as_json(body))}")

    def sealed(self, signed: str) -> str:
        """Return a signing input with the real key's signature."""
        return f"{signed}.{b64(self.key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"

    def without(self, *names: str) -> dict[str, Any]:
        """Return good claims without some."""
        return {name: value for name, value in self.claims().items() if name not in names}
