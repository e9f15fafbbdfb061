"""Signing and checking JWTs: the only file that knows simplejwt and PyJWT.

One signing key is one simplejwt ``TokenBackend``: it writes ``{alg, kid, typ: "at+jwt"}``, and reads a token only in
its canonical spelling. The algorithm always comes from the key, never from the token. Keys are parsed once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms
from rest_framework_simplejwt.backends import TokenBackend

from authsvc.tokens.claims import TYPE, TokenRefused, check_header
from authsvc.tokens.compact import CompactParts, take_apart

ALGORITHMS = ("RS256", "ES256", "EdDSA")
DEFAULT_ALGORITHM = "RS256"
SHARED_SECRET_ALGORITHM = "HS256"
RSA_BITS = 2048
THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_compact = json.JSONEncoder(separators=(",", ":")).encode
_VERIFIERS = get_default_algorithms()


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A fresh key pair: ``kid`` is the RFC 7638 thumbprint, ``private_pem`` is PKCS #8."""

    kid: str
    algorithm: str
    public_jwk: dict[str, str]
    private_pem: str


class SigningKeyBackend(TokenBackend):
    """One signing key of an environment as a simplejwt backend."""

    def __init__(self, *, kid: str, algorithm: str, private_pem: str = "", public_jwk: Mapping[str, str] | None = None):
        super().__init__(algorithm, signing_key=private_pem or None)
        self.kid = kid
        self.public_jwk = public_jwk

    def encode(self, payload: dict[str, Any], typ: str = TYPE) -> str:
        """Return the signed compact token with exactly our header; any other type is no access token."""
        signed = f"{_header(self.algorithm, self.kid, typ)}.{_segment(payload)}"
        signature = _VERIFIERS[self.algorithm].sign(signed.encode(), self.prepared_signing_key)
        return f"{signed}.{jwt.utils.base64url_encode(signature).decode()}"

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - simplejwt's signature
        """Return the payload of a token signed by this key; raises ``TokenRefused``. ``verify=False`` is refused."""
        if not verify:
            raise TokenRefused("unverified")
        return self.check(take_apart(str(token)))

    def check(self, parts: CompactParts) -> dict[str, Any]:
        """Return the payload of a token already taken apart, after header and signature."""
        if check_header(parts.header) != self.kid or parts.header["alg"] != self.algorithm:
            raise TokenRefused("key")
        if not _VERIFIERS[self.algorithm].verify(parts.signing_input, self._checking_key, parts.signature):
            raise TokenRefused("signature")
        return parts.payload

    @cached_property
    def _checking_key(self) -> Any:
        """The public half; a shared secret, which has none, checks with itself."""
        if self.algorithm == SHARED_SECRET_ALGORITHM:
            return self.prepared_signing_key
        return public_key_of(json.dumps(self.public_jwk, sort_keys=True))


def generate_key(algorithm: str, *, rsa_bits: int = RSA_BITS) -> GeneratedKey:
    """Return a fresh key pair: RSA with e=65537, P-256, or Ed25519."""
    private: Any
    if algorithm == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
        members = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    elif algorithm == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
        members = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
        members = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        raise ValueError(f"Unknown signing algorithm: {algorithm}")
    kid = thumbprint(members)
    public = {name: str(members[name]) for name in THUMBPRINT_MEMBERS[members["kty"]]}
    jwk = {**public, "kid": kid, "use": "sig", "alg": algorithm}
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return GeneratedKey(kid, algorithm, jwk, pem)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the RFC 7638 SHA-256 thumbprint, base64url."""
    members = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return jwt.utils.base64url_encode(hashlib.sha256(canonical).digest()).decode()


@lru_cache(maxsize=1024)
def _header(algorithm: str, kid: str, typ: str) -> str:
    return _segment({"alg": algorithm, "kid": kid, "typ": typ})


def _segment(document: Mapping[str, Any]) -> str:
    return jwt.utils.base64url_encode(_compact(document).encode()).decode()


@lru_cache(maxsize=4096)
def public_key_of(jwk_text: str) -> Any:
    """Return the prepared public key of a JWK; parsed once per text."""
    jwk = json.loads(jwk_text)
    if PRIVATE_MEMBERS & set(jwk):
        raise TokenRefused("private key in a public place")
    return _VERIFIERS[jwk["alg"]].from_jwk(jwk_text)


def is_signed_with(jwk: Mapping[str, str], parts: CompactParts) -> bool:
    """True when the parts carry a good signature of the key; its ``alg`` decides how, never the token's."""
    public_key = public_key_of(json.dumps(dict(jwk), sort_keys=True))
    return bool(_VERIFIERS[jwk["alg"]].verify(parts.signing_input, public_key, parts.signature))


def public_pem(jwk: Mapping[str, str]) -> str:
    """Return the SubjectPublicKeyInfo PEM of a public JWK."""
    key = public_key_of(json.dumps(dict(jwk), sort_keys=True))
    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
