"""Reading a client's public JWK (RFC 7517), strictly; PURE apart from building the key.

Accepted: RSA of 2048 to 8192 bits with an odd exponent of at least 3, P-256, Ed25519, for checking signatures alone.
Refused: private or symmetric material, another use, another algorithm than the key's own, a non-canonical spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.compact import decode

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
ALGORITHM_OF = {("RSA", ""): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
MEMBERS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
MINIMUM_RSA_BITS, MAXIMUM_RSA_BITS = 2048, 8192
MAXIMUM_KID = 200


class JwkRefused(ValueError):
    """The document is not a public key we check signatures with; the message says why."""


@dataclass(frozen=True, slots=True)
class PublicJwk:
    """A checked key: ``members`` holds exactly what is needed, with ``alg`` and ``use``."""

    kid: str
    algorithm: str
    members: dict[str, str]


def import_public_jwk(document: Mapping[str, object]) -> PublicJwk:
    """Return the checked public key; raises ``JwkRefused``."""
    if PRIVATE_MEMBERS & set(document):
        raise JwkRefused("it holds private or symmetric key material")
    kty, curve = _text(document, "kty"), _text(document, "crv") if "crv" in document else ""
    algorithm = ALGORITHM_OF.get((kty, curve))
    if algorithm is None:
        raise JwkRefused("the key type is not RSA, P-256 or Ed25519")
    _require_for_checking(document, algorithm)
    members = {name: _text(document, name) for name in MEMBERS[kty]}
    _CHECKS[kty]({name: _bytes(value) for name, value in members.items()})
    kid = _text(document, "kid") if "kid" in document else ""
    if len(kid) > MAXIMUM_KID or not kid.isprintable():
        raise JwkRefused("the kid is too long or not printable")
    known = {"kty": kty, **({"crv": curve} if curve else {}), **members, "alg": algorithm, "use": "sig"}
    return PublicJwk(kid, algorithm, {**known, "kid": kid} if kid else known)


def _require_for_checking(document: Mapping[str, object], algorithm: str) -> None:
    if document.get("use", "sig") != "sig":
        raise JwkRefused("its use is not sig")
    if document.get("key_ops", ["verify"]) != ["verify"]:
        raise JwkRefused("its key_ops is not verify")
    if document.get("alg", algorithm) != algorithm:
        raise JwkRefused(f"its alg is not {algorithm}")


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise JwkRefused(f"{name} is missing or not a text")
    return value


def _bytes(text: str) -> bytes:
    try:
        return decode(text)
    except TokenRefused as error:
        raise JwkRefused("a member is not canonical base64url") from error


def _check_rsa(members: Mapping[str, bytes]) -> None:
    modulus, exponent = (int.from_bytes(members[name], "big") for name in ("n", "e"))
    if not MINIMUM_RSA_BITS <= modulus.bit_length() <= MAXIMUM_RSA_BITS or modulus % 2 == 0:
        raise JwkRefused(f"the modulus does not have {MINIMUM_RSA_BITS} to {MAXIMUM_RSA_BITS} bits")
    if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > 32:
        raise JwkRefused("the exponent is not an odd number of at least 3")


def _check_p256(members: Mapping[str, bytes]) -> None:
    if {len(value) for value in members.values()} != {32}:
        raise JwkRefused("a coordinate does not have 32 bytes")
    x, y = (int.from_bytes(members[name], "big") for name in ("x", "y"))
    try:
        ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as error:
        raise JwkRefused("the point is not on the curve") from error


def _check_ed25519(members: Mapping[str, bytes]) -> None:
    if len(members["x"]) != 32:
        raise JwkRefused("the point does not have 32 bytes")


_CHECKS = {"RSA": _check_rsa, "EC": _check_p256, "OKP": _check_ed25519}
