"""Registered public keys: published vectors, and a table of keys that must not be taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.compact import decode
from authsvc.tokens.jwk import MAXIMUM_KEYS, import_public_jwk, import_public_jwks, is_roca
from authsvc.tokens.jwt import _VERIFIERS, SigningKeyBackend, generate_key

VECTORS = Path(__file__).parents[1] / "vectors" / "wycheproof"
ALLOWED = {"RS256", "ES256", "EdDSA", "HS256"}
NOT_BASE64URL = {372, 373}  # marked valid upstream although they hold a character outside base64url
SAME_TEXT_AS_A_VALID_ONE = {367}  # its stray padding was lost upstream: byte for byte the text of test 357
RSA = generate_key("RS256").public_jwk
EC = generate_key("ES256").public_jwk
OKP = generate_key("EdDSA").public_jwk
OCT = {"kty": "oct", "alg": "HS256", "kid": "hmac", "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}


def vectors(name: str, member: str) -> list[Any]:
    groups = json.loads((VECTORS / name).read_text())["testGroups"]
    return [
        pytest.param(group.get("public") or group["private"], test, id=f"{member}-{test['tcId']}-{test['comment']}")
        for group in groups
        for test in group["tests"]
    ]


def verifies(keys: Any, jws: object) -> bool:
    """Take the key or key set in, the token apart, and check the signature with the key's own algorithm."""
    try:
        prepared = list(import_public_jwks(keys if "keys" in keys else {"keys": [keys]}, allow_hmac=True))
        header, payload, signature = (decode(part) for part in str(jws).split("."))
        document = json.loads(header)
        key = next((key for key in prepared if key.kid == document["kid"]), None)
    except (TokenRefused, ValueError):
        return False
    assert payload is not None
    if key is None or set(document) != {"alg", "kid"} or document["alg"] != key.algorithm:
        return False
    signed = str(jws).rpartition(".")[0].encode()
    return bool(_VERIFIERS[key.algorithm].verify(signed, key.key, signature))


@pytest.mark.parametrize(("key", "test"), vectors("json_web_signature_test.part1.json", "jws"))
def test_signature_vectors_verify_exactly_when_valid_and_allowed(key: dict[str, Any], test: dict[str, Any]) -> None:
    allowed = key.get("alg") in ALLOWED and test["tcId"] not in NOT_BASE64URL
    strong = key["kty"] != "oct" or len(decode(key["k"])) >= 32
    valid = test["result"] == "valid" or test["tcId"] in SAME_TEXT_AS_A_VALID_ONE
    assert verifies(key, test["jws"]) is (valid and allowed and strong)


@pytest.mark.parametrize(("key", "test"), vectors("json_web_key_test.part1.json", "jwk"))
def test_key_vectors_verify_exactly_when_valid_and_allowed(key: dict[str, Any], test: dict[str, Any]) -> None:
    public = {"keys": [dict(one) for one in key["keys"]]}
    if "d" in public["keys"][0]:
        assert not verifies(public, test["jws"])  # private members are never taken
        for one in public["keys"]:
            for name in ("d", "p", "q", "dp", "dq", "qi"):
                one.pop(name, None)
    allowed = all(one.get("alg") in ALLOWED for one in public["keys"])
    assert verifies(public, test["jws"]) is (test["result"] == "valid" and allowed)


@pytest.mark.parametrize(("key", "test"), vectors("json_web_signature_test.part1.json", "jws"))
def test_signature_vectors_at_our_own_backend_are_refused_for_their_header(
    key: dict[str, Any], test: dict[str, Any]
) -> None:
    backend = SigningKeyBackend(kid=key["kid"], algorithm="RS256", public_jwk=key)
    with pytest.raises(TokenRefused):
        backend.decode(test["jws"])


@pytest.mark.parametrize("jwk", [RSA, EC, OKP], ids=["RSA", "EC", "OKP"])
def test_import_takes_the_keys_we_make(jwk: dict[str, str]) -> None:
    prepared = import_public_jwk(jwk)
    assert (prepared.algorithm, prepared.kid) == (jwk["alg"], jwk["kid"])
    assert import_public_jwk({**jwk, "key_ops": ["verify"]}).algorithm == jwk["alg"]
    assert import_public_jwk({name: value for name, value in jwk.items() if name not in {"use", "kid"}}).kid == ""


def test_import_takes_hmac_keys_only_where_allowed_and_hides_them() -> None:
    prepared = import_public_jwk(OCT, allow_hmac=True)
    assert prepared.key == bytes(range(32))
    assert "key" not in repr(prepared).replace("PreparedKey", "")
    with pytest.raises(TokenRefused):
        import_public_jwk(OCT)


def number(value: int, length: int = 0) -> str:
    from authsvc.vault.envelope import encode

    return encode(value.to_bytes(length or (value.bit_length() + 7) // 8))


MODULUS = int.from_bytes(decode(RSA["n"]))
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers().n  # noqa: S505
REFUSED: dict[str, dict[str, Any]] = {
    "kty missing": {**RSA, "kty": None},
    "kty unknown": {**RSA, "kty": "DSA"},
    "kty case": {**RSA, "kty": "rsa"},
    "kty list": {**RSA, "kty": ["RSA"]},
    "alg missing": {name: value for name, value in RSA.items() if name != "alg"},
    "alg none": {**RSA, "alg": "none"},
    "alg RS384": {**RSA, "alg": "RS384"},
    "alg PS256": {**RSA, "alg": "PS256"},
    "alg of another kty": {**RSA, "alg": "ES256"},
    "alg HS256 on RSA": {**RSA, "alg": "HS256"},
    "alg with NUL": {**RSA, "alg": "RS256\x00"},
    "use enc": {**RSA, "use": "enc"},
    "use null": {**RSA, "use": None},
    "use list": {**RSA, "use": ["sig"]},
    "key_ops sign": {**RSA, "key_ops": ["sign"]},
    "key_ops both": {**RSA, "key_ops": ["verify", "sign"]},
    "key_ops empty": {**RSA, "key_ops": []},
    "key_ops text": {**RSA, "key_ops": "verify"},
    "private d": {**RSA, "d": "AQAB"},
    "private d null": {**RSA, "d": None},
    "symmetric k": {**RSA, "k": "AAAA"},
    "private EC": {**EC, "d": "AQAB"},
    "kid empty": {**RSA, "kid": ""},
    "kid number": {**RSA, "kid": 7},
    "kid null": {**RSA, "kid": None},
    "kid huge": {**RSA, "kid": "k" * 256},
    "kid newline": {**RSA, "kid": "a\nb"},
    "n missing": {name: value for name, value in RSA.items() if name != "n"},
    "n 1024": {**RSA, "n": number(SHORT)},
    "n 2047": {**RSA, "n": number(2**2047 - 1)},
    "n 16384": {**RSA, "n": number(2**16383 + 1)},
    "n even": {**RSA, "n": number(MODULUS + 1)},
    "n leading zero": {**RSA, "n": number(MODULUS, 257)},
    "n padded": {**RSA, "n": RSA["n"] + "=="},
    "n other base64": {**RSA, "n": "+/" + RSA["n"][2:]},
    "e 1": {**RSA, "e": "AQ"},
    "e 3": {**RSA, "e": "Aw"},
    "e even": {**RSA, "e": number(65538)},
    "e 0": {**RSA, "e": "AA"},
    "e leading zero": {**RSA, "e": number(65537, 4)},
    "e huge": {**RSA, "e": number(2**64 + 1)},
    "e number": {**RSA, "e": 65537},
    "EC curve": {**EC, "crv": "P-384"},
    "EC x short": {**EC, "x": EC["x"][:-2]},
    "EC off the curve": {**EC, "y": EC["x"]},
    "EC zero point": {**EC, "x": number(0, 32), "y": number(0, 32)},
    "EC y missing": {name: value for name, value in EC.items() if name != "y"},
    "OKP curve": {**OKP, "crv": "Ed448"},
    "OKP X25519": {**OKP, "crv": "X25519"},
    "OKP short": {**OKP, "x": OKP["x"][:-3]},
    "oct empty": {**OCT, "k": ""},
    "oct 31 bytes": {**OCT, "k": number(2**247, 31)},
    "oct 513 bytes": {**OCT, "k": number(2**4100, 513)},
    "oct HS384": {**OCT, "alg": "HS384"},
    "oct AES": {**OCT, "alg": "A256GCM"},
    "oct with d": {**OCT, "d": "AQAB"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_import_refuses(name: str) -> None:
    with pytest.raises(TokenRefused):
        import_public_jwk(REFUSED[name], allow_hmac=True)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "keys",
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": []},
        {"keys": [RSA, None]},
        {"keys": [RSA, RSA]},
        {"keys": [RSA, {**EC, "kid": RSA["kid"]}]},
        {"keys": [RSA, {name: value for name, value in EC.items() if name != "kid"}]},
        {"keys": [RSA, OCT]},
        {"keys": [RSA, {**EC, "use": "enc"}]},
        {"keys": [{**EC, "kid": str(index)} for index in range(MAXIMUM_KEYS + 1)]},
    ],
)
def test_import_of_a_set_refuses_it_whole(document: object) -> None:
    with pytest.raises(TokenRefused):
        import_public_jwks(document, allow_hmac=True)


def test_import_of_a_set_returns_its_keys_in_order() -> None:
    assert [key.kid for key in import_public_jwks({"keys": [RSA, EC, OKP]})] == [RSA["kid"], EC["kid"], OKP["kid"]]
    hmac = import_public_jwks({"keys": [OCT, {**OCT, "kid": "second"}]}, allow_hmac=True)
    assert [key.kid for key in hmac] == ["hmac", "second"]


def test_import_prepares_a_key_that_verifies_what_its_owner_signs() -> None:
    for algorithm in ("RS256", "ES256", "EdDSA"):
        pair = generate_key(algorithm)
        text = SigningKeyBackend(kid=pair.kid, algorithm=algorithm, private_pem=pair.private_pem).encode({"a": 1})
        signed, _, signature = text.rpartition(".")
        key = import_public_jwk(pair.public_jwk).key
        assert _VERIFIERS[algorithm].verify(signed.encode(), key, decode(signature))
        assert not _VERIFIERS[algorithm].verify(signed.encode() + b"x", key, decode(signature))


def test_is_roca_is_false_for_the_keys_we_make() -> None:
    assert not is_roca(MODULUS)
    assert is_roca(pow(65537, 12345, 2**2048 - 1)) is False
    assert is_roca(65537**3)
