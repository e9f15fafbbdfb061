"""Taking a public key somebody else registered (RFC 7517), strictly, before any signature is looked at. PURE.

Refused: an unknown ``kty`` or ``alg`` or a pair that does not belong together, ``use`` other than ``sig``, ``key_ops``
other than ``verify``, private members, RSA below 2048 bits or with a small or even exponent, keys of the ROCA
generator (CVE-2017-15361), points off the curve, HMAC keys under 256 bits, a second spelling of a number, and a set
that repeats a ``kid`` or mixes HMAC with public keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.compact import decode

KTY_OF = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "HS256": "oct"}
ALGORITHM_OF = {kty: algorithm for algorithm, kty in KTY_OF.items()}
PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "oct": ("k",)}
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
MINIMUM_RSA_BITS, MAXIMUM_RSA_BITS = 2048, 4096
MINIMUM_RSA_EXPONENT, MAXIMUM_RSA_EXPONENT = 65537, 2**32
MINIMUM_HMAC_BYTES, MAXIMUM_HMAC_BYTES = 32, 512
COORDINATE_BYTES = 32
MAXIMUM_KEYS = 50
MAXIMUM_TEXT = 255
ROCA_GENERATOR = 65537
ROCA_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | bytes


@dataclass(frozen=True, slots=True)
class PreparedKey:
    """A key that passed every rule: its only algorithm, its ``kid`` (may be empty), and what PyJWT verifies with."""

    algorithm: str
    kid: str
    key: PublicKey = field(repr=False)


def import_public_jwk(jwk: Mapping[str, object], *, allow_hmac: bool = False) -> PreparedKey:
    """Return the prepared key; raises ``TokenRefused`` naming the member. HMAC keys only where the caller allows it."""
    kty, algorithm = _text(jwk, "kty"), _text(jwk, "alg")
    if KTY_OF.get(algorithm) != kty or (kty == "oct" and not allow_hmac):
        raise TokenRefused("alg")
    if jwk.get("use", "sig") != "sig":
        raise TokenRefused("use")
    if jwk.get("key_ops", ["verify"]) != ["verify"]:
        raise TokenRefused("key_ops")
    if (PRIVATE_MEMBERS - set(PUBLIC_MEMBERS[kty])) & set(jwk):
        raise TokenRefused("private member")
    kid = _text(jwk, "kid") if "kid" in jwk else ""
    members = [_text(jwk, name, maximum=2048) for name in PUBLIC_MEMBERS[kty]]
    return PreparedKey(algorithm, kid, _prepare(kty, members))


def registered_jwk(jwk: Mapping[str, object]) -> dict[str, str]:
    """Return a checked key as it is stored: public members with ``alg`` and ``use``; raises ``TokenRefused``.

    ``alg`` may be left out: each accepted kind of key has one.
    """
    kty = _text(jwk, "kty")
    prepared = import_public_jwk({"alg": ALGORITHM_OF.get(kty, ""), **jwk})
    stored = {"kty": kty, **{name: _text(jwk, name, maximum=2048) for name in PUBLIC_MEMBERS[kty]}}
    named = {"kid": prepared.kid} if prepared.kid else {}
    return {**stored, **named, "alg": prepared.algorithm, "use": "sig"}


def import_public_jwks(document: object, *, allow_hmac: bool = False) -> Sequence[PreparedKey]:
    """Return the keys of a set, which is taken whole or refused whole; raises ``TokenRefused``."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAXIMUM_KEYS:
        raise TokenRefused("keys")
    if not all(isinstance(key, dict) for key in keys):
        raise TokenRefused("keys")
    prepared = [import_public_jwk(key, allow_hmac=allow_hmac) for key in keys]
    if len({key.kid for key in prepared}) != len(prepared) or (len(prepared) > 1 and not all(k.kid for k in prepared)):
        raise TokenRefused("kid")
    if len({key.algorithm == "HS256" for key in prepared}) > 1:
        raise TokenRefused("mixed set")
    return prepared


def is_roca(modulus: int) -> bool:
    """True when an RSA modulus has the fingerprint of the flawed generator: a power of 65537 modulo every prime."""
    return all(modulus % prime in _powers(prime) for prime in ROCA_PRIMES)


def _prepare(kty: str, members: list[str]) -> PublicKey:
    if kty == "RSA":
        return _rsa(*members)
    if kty == "oct":
        return _hmac(*members)
    return _ec(*members) if kty == "EC" else _okp(*members)


def _rsa(modulus_text: str, exponent_text: str) -> PublicKey:
    modulus, exponent = _number(modulus_text, "n"), _number(exponent_text, "e")
    if not MINIMUM_RSA_BITS <= modulus.bit_length() <= MAXIMUM_RSA_BITS or modulus % 2 == 0 or is_roca(modulus):
        raise TokenRefused("n")
    if not MINIMUM_RSA_EXPONENT <= exponent < MAXIMUM_RSA_EXPONENT or exponent % 2 == 0:
        raise TokenRefused("e")
    return _built(lambda: rsa.RSAPublicNumbers(exponent, modulus).public_key())


def _ec(curve: str, x_text: str, y_text: str) -> PublicKey:
    x, y = decode(x_text), decode(y_text)
    if curve != "P-256" or len(x) != COORDINATE_BYTES or len(y) != COORDINATE_BYTES:
        raise TokenRefused("crv")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1())
    return _built(numbers.public_key)


def _okp(curve: str, x_text: str) -> PublicKey:
    x = decode(x_text)
    if curve != "Ed25519" or len(x) != COORDINATE_BYTES:
        raise TokenRefused("crv")
    return _built(lambda: ed25519.Ed25519PublicKey.from_public_bytes(x))


def _hmac(text: str) -> bytes:
    key = decode(text)
    if not MINIMUM_HMAC_BYTES <= len(key) <= MAXIMUM_HMAC_BYTES:
        raise TokenRefused("k")
    return key


def _built(build: Callable[[], PublicKey]) -> PublicKey:
    try:
        return build()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TokenRefused("key") from error


def _number(text: str, name: str) -> int:
    """Base64urlUInt (RFC 7518 §2): canonical, and without leading zero bytes, so a key has one spelling."""
    value = decode(text)
    if not value or value[0] == 0:
        raise TokenRefused(name)
    return int.from_bytes(value)


def _text(jwk: Mapping[str, object], name: str, *, maximum: int = MAXIMUM_TEXT) -> str:
    value = jwk.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= maximum or not value.isprintable():
        raise TokenRefused(name)
    return value


@cache
def _powers(prime: int) -> frozenset[int]:
    found, value = set(), 1
    while value not in found:
        found.add(value)
        value = value * ROCA_GENERATOR % prime
    return frozenset(found)
