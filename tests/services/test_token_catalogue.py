"""Attacks on the access-token verifier, over the API and over introspection: one answer for all of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from authsvc.tokens.compact import decode
from authsvc.tokens.services import TokenRequest, mint
from tests.services.forge import Forge, as_json, b64
from tests.world import Api, World

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECONDS = 15  # the bar is 3 on an idle machine; what this stops is work without an end
NONES: list[Any] = ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", None, True, 0, [], {}]
RENAMED = ["HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
RENAMED += ["ES256K", "RS1", "rs256", "Rs256", "RS256 ", "\uff32S256", "RS256\x00", "R" * 9000, "none"]
KIDS: list[Any] = ["unknown", "", "k" * 200, "k" * 7000, None, 7, 1.5, True, [], ["x"], {}, {"kid": "x"}]
KIDS += ["../../../../dev/null", "/dev/null", "file:///etc/passwd", "' OR 1=1 --", "x' UNION SELECT 'AA' --"]
KIDS += ["'; SELECT pg_sleep(9) --", "{{7*7}}", "${jndi:ldap://x}", "a\r\nX-Evil: 1", "\ud800", "\x00", "__proto__"]
BAD_TIMES: list[Any] = [None, "", "9999999999", True, [9999999999], {}, -1, 1.5, 10**12, 10**300]
BAD_TEXTS: list[Any] = [None, "", "x", 1, True, [], ["x"], [["x"]], {}, {"a": "x"}, "*", "\x00", "\ud800", "A" * 300]


@pytest.fixture
def forge(world: World) -> Forge:
    return Forge(world)


def ask(forge: Forge, raw: str) -> Any:
    began = time.monotonic()
    answer = Api(raw).get("/me")
    assert time.monotonic() - began < SECONDS
    return answer


def introspect(forge: Forge, raw: str) -> Any:
    fields = {"token": raw, "client_id": forge.place.client_id, "client_secret": forge.place.client_secret}
    began = time.monotonic()
    answer = forge.place.form("/oauth/introspect", fields)
    assert time.monotonic() - began < SECONDS
    return answer


def require_refused(forge: Forge, tokens: list[str]) -> None:
    """Every token gets the one answer; a good one is taken before and after."""
    require_accepted(forge, forge.sign())
    reference = ask(forge, "x.y.z")
    for index, raw in enumerate(tokens):
        answer = ask(forge, raw)
        assert answer.status_code == 401, raw[:300]
        assert answer.content == reference.content, raw[:300]
        assert answer.headers["WWW-Authenticate"] == reference.headers["WWW-Authenticate"]
        if raw and len(raw) < 16_000 and index % 3 == 0:  # the same admission stands behind both doors
            told = introspect(forge, raw)
            assert (told.status_code, told.content) in (
                (200, b'{"active": false}'),
                (400, told.content),
            ), raw[:300]
            assert told.status_code == 200 or "\x00" in raw
    require_accepted(forge, forge.sign())


def require_accepted(forge: Forge, raw: str) -> None:
    answer = ask(forge, raw)
    assert answer.status_code == 200
    assert answer.json()["principal_id"] == forge.place.client_id
    assert introspect(forge, raw).json()["active"] is True


def test_t00_good_tokens_are_accepted(forge: Forge) -> None:
    require_accepted(forge, forge.sign())
    require_accepted(forge, forge.sign(forge.claims(extra={"deep": [1, {"x": None}]}, number=1e300)))
    require_accepted(forge, forge.place.access_token())
    require_accepted(forge, forge.sign(forge.claims(aud=["authsvc"])))
    require_accepted(forge, forge.sign(forge.claims(aud=["elsewhere", "authsvc"])))


def test_t14_audience_list_without_ours_or_overlong_is_refused(forge: Forge) -> None:
    lists: list[object] = [["elsewhere"], ["authsvcx", "AUTHSVC"], ["authsvc", 1], ["authsvc", ""], ["authsvc"] * 11]
    require_refused(forge, [forge.sign(forge.claims(aud=value)) for value in lists])


def test_t01_unsigned_tokens_are_refused(forge: Forge) -> None:
    good = forge.sign().rpartition(".")[2]
    body = b64(as_json(forge.claims()))
    tokens = []
    for name in NONES:
        head = b64(as_json(forge.header(alg=name)))
        tokens += [f"{head}.{body}.", f"{head}.{body}.{good}", f"{head}.{body}"]
    require_refused(forge, tokens)


def test_t02_public_key_as_hmac_secret_is_refused(forge: Forge) -> None:
    public = forge.key.public_key()
    jwk = next(iter(Api().get(forge.place.path("/.well-known/jwks.json")).json()["keys"]))
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secrets = [b"", pem, pem.strip(), pem.replace(b"\n", b"\r\n"), as_json(jwk), json.dumps(jwk).encode()]
    secrets += [public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), jwk["n"].encode(), b"\x00"]
    secrets += [public.public_bytes(Encoding.PEM, PublicFormat.PKCS1), decode(jwk["n"])]
    tokens = []
    for alg, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        signed = f"{b64(as_json(forge.header(alg=alg)))}.{b64(as_json(forge.claims()))}"
        tokens += [f"{signed}.{b64(hmac.new(secret, signed.encode(), digest).digest())}" for secret in secrets]
    require_refused(forge, tokens)


def test_t04_renamed_algorithm_is_refused(forge: Forge) -> None:
    _, body, signature = forge.sign().split(".")
    tokens = [forge.sign(header=forge.header(alg=name)) for name in RENAMED]
    tokens += [f"{b64(as_json(forge.header(alg=name)))}.{body}.{signature}" for name in RENAMED]
    require_refused(forge, tokens)


def test_t05_t06_unknown_and_hostile_key_ids_are_refused(forge: Forge) -> None:
    tokens = [forge.sign(header=forge.header(kid=kid)) for kid in KIDS]
    tokens.append(forge.sign(header={"alg": "RS256", "typ": "at+jwt"}))
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signed = forge.sign().rpartition(".")[0]
    tokens.append(f"{signed}.{b64(own.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}")
    require_refused(forge, tokens)


def test_t07_t09_embedded_keys_and_critical_headers_are_refused(forge: Forge) -> None:
    additions: list[dict[str, Any]] = [
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"x5c": ["MIIB"]},
        {"jku": "http://127.0.0.1:1/jwks"},
        {"x5u": "http://127.0.0.1:1/x"},
        {"x5t": "AA"},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"b64": False, "crit": ["b64"]},
        {"enc": "A256GCM"},
        *({"crit": value} for value in (["unknown"], ["exp"], ["b64"], [], None, "exp", {"a": 1}, [1], ["alg"])),
    ]
    tokens = [forge.sign(header=forge.header(**addition)) for addition in additions]
    tokens += [forge.sign(header=forge.header(typ=typ)) for typ in ("JWT", "", None, 1, ["at+jwt"], "at+JWT", "rt+jwt")]
    require_refused(forge, tokens)


def test_t12_times_beyond_the_skew_are_refused(forge: Forge) -> None:
    now = int(time.time())
    changes = [
        {"exp": now - 1, "iat": now - 100, "nbf": now - 100},
        {"exp": now - 61, "iat": now - 100, "nbf": now - 100},
        {"nbf": now + 70},
        {"iat": now + 70},
        {"iat": now + 500, "nbf": now, "exp": now + 400},
        {"exp": now + 50 * 365 * 86_400},
        {"iat": now - 50 * 365 * 86_400},
        {"exp": 0, "iat": 0, "nbf": 0},
    ]
    require_refused(forge, [forge.sign(forge.claims(**change)) for change in changes])


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_t13_missing_and_mistyped_times_are_refused(forge: Forge, name: str) -> None:
    tokens = [forge.sign(forge.without(name))]
    tokens += [forge.sign(forge.claims(**{name: value})) for value in BAD_TIMES]
    for literal in ("1e308", "1e400", "NaN", "Infinity", "-Infinity", "9" * 5000, "1.0", "-0.5"):
        text = json.dumps(forge.claims(**{name: "@@"})).replace('"@@"', literal)
        tokens.append(forge.sign(text))
    require_refused(forge, tokens)


@pytest.mark.parametrize("name", ["iss", "aud", "tenant", "env", "sub", "client_id", "jti", "scope", "scopes"])
def test_t14_t15_missing_and_mistyped_claims_are_refused(forge: Forge, name: str) -> None:
    tokens = [forge.sign(forge.without(name))]
    harmless = {"client_id": {"x", "*"}, "jti": {"x"}}.get(name, set())
    values = [value for value in BAD_TEXTS if not (isinstance(value, str) and value in harmless)]
    good = forge.claims()[name]
    if isinstance(good, str) and name not in {"client_id", "jti"}:
        values += [good + "x", good[:-1], good.upper(), f" {good}", good + "/", {"value": good}, [[good]]]
    tokens += [forge.sign(forge.claims(**{name: value})) for value in values if value != good]
    require_refused(forge, tokens)


def test_t15_token_of_another_environment_is_refused(forge: Forge, world: World) -> None:
    tokens = []
    for place, tenant, env in ((world.dev, "acme", "dev"), (world.foreign, "globex", "prod")):
        tokens.append(forge.sign(forge.claims(env=env, tenant=tenant, iss=place.issuer, sub=place.client_id)))
        tokens.append(forge.sign(forge.claims(env=env)) if env == "dev" else forge.sign(forge.claims(tenant=tenant)))
        tokens.append(forge.sign(forge.claims(iss=place.issuer)))
        tokens.append(forge.sign(forge.claims(sub=place.client_id)))
    require_refused(forge, tokens)
    assert introspect(forge, world.dev.access_token()).json() == {"active": False}
    assert introspect(forge, world.foreign.access_token()).json() == {"active": False}


def test_t23_altered_signatures_and_claims_are_refused(forge: Forge) -> None:
    good = forge.sign()
    signed, _, text = good.rpartition(".")
    signature = decode(text)
    pieces = [b"", b"\x00", b"\x00" * 256, b"\xff" * 256, signature[:-1], signature + b"\x00", b"\x00" + signature]
    pieces += [signature[::-1], signature * 2]
    modulus = forge.key.public_key().public_numbers().n
    pieces.append((int.from_bytes(signature) + modulus).to_bytes(257))
    pieces += [bytes([*signature[:i], signature[i] ^ 1 << i % 8, *signature[i + 1 :]]) for i in range(0, 256, 16)]
    tokens = [f"{signed}.{b64(piece)}" for piece in pieces]
    head = signed.partition(".")[0]
    claims = json.loads(decode(signed.partition(".")[2]))
    for name, value in claims.items():
        other = value + 1 if isinstance(value, int) else f"{value}x"
        tokens.append(f"{head}.{b64(as_json({**claims, name: other}))}.{text}")
    require_refused(forge, tokens)


def test_t24_other_serialisations_are_refused(forge: Forge) -> None:
    good = forge.sign()
    head, body, signature = good.split(".")
    flat = json.dumps({"protected": head, "payload": body, "signature": signature})
    whole = json.dumps({"payload": body, "signatures": [{"protected": head, "signature": signature}]})
    tokens = [flat, whole, f"{head}.{body}", f"{good}.x", f"{good}.x.y", f"{head}..{signature}", f".{body}.{signature}"]
    claims = json.dumps(forge.claims())
    bodies = [b"[]", b'"text"', b"null", b"1", b"", b"{", b"[" * 3000, b'{"a":' * 900, claims.encode("utf-16")]
    bodies += [b"\xef\xbb\xbf" + claims.encode(), claims.encode() + b"{}", b'{"x":"\xff"}']
    tokens += [forge.sign(value) for value in bodies]
    heads = [b"[]", b"{", b'{"a":' * 900, json.dumps(forge.header()).encode("utf-16")]
    heads += [json.dumps(forge.header()).replace('"RS256"', "NaN").encode()]
    tokens += [forge.sign(header=value) for value in heads]
    require_refused(forge, tokens)


def test_t24_duplicate_keys_are_refused(forge: Forge) -> None:
    claims, head = json.dumps(forge.claims()), json.dumps(forge.header())
    tokens = [forge.sign(claims[:-1] + f', "{name}": {json.dumps(value)}}}') for name, value in forge.claims().items()]
    tokens.append(forge.sign(claims[:-1] + ', "\\u0073ub": "x"}'))
    tokens.append(forge.sign(claims[:-1] + ', "extra": {"a": 1, "a": 2}}'))
    tokens += [forge.sign(header=head[:-1] + f', "{name}": "RS256"}}') for name in ("alg", "kid", "typ")]
    require_refused(forge, tokens)


def test_other_base64_spellings_are_refused(forge: Forge) -> None:
    good = forge.sign(forge.claims(name="ab?~ÿ"))
    head, body, signature = good.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(signature[-1]) ^ 1]
    tokens = [f"{good}=", f"{good}==", f"{head}=.{body}.{signature}", f"{head}.{body}==.{signature}"]
    tokens += [f"{head}.{body}.{signature[:-1]}{last}", f"{head}.{body}.{signature[:9]}\n{signature[9:]}"]
    tokens += [f"{head}.{body}.{signature[:9]} {signature[9:]}", forge.sealed(f"{head}=.{body}")]
    swapped = signature.replace("-", "+").replace("_", "/")
    assert swapped != signature
    tokens.append(f"{head}.{body}.{swapped}")
    require_refused(forge, tokens)


@pytest.mark.parametrize("size", [3_000, 8_193, 16_000, 100_000, 1_000_000])
def test_t25_huge_tokens_are_refused_and_the_service_lives(forge: Forge, size: int) -> None:
    tokens = ["A" * size, "." * size, "A." * (size // 2), forge.sign(header=forge.header(kid="k" * size))]
    if size > 8_192:
        tokens.append(forge.sign(forge.claims(extra="x" * size)))
    require_refused(forge, tokens)


def test_t31_every_bad_proof_gets_one_answer(forge: Forge, world: World) -> None:
    revoked = forge.place.access_token()
    claims = json.loads(decode(revoked.split(".")[1]))
    assert world.prod.api().send("DELETE", f"/tokens/{claims['jti']}").status_code in {200, 204}
    key = world.prod.api_key
    bad = [revoked, key[:-1] + ("A" if key[-1] != "A" else "B"), world.prod.client_secret, world.prod.device["secret"]]
    bad += [key.replace("ask_", "agw_", 1), key.upper(), "ask_prod_x", forge.sign(forge.claims(sub="svc_missing"))]
    require_refused(forge, bad)


def make_es256(forge: Forge, now: datetime) -> str:
    caller = forge.place.caller()
    request = TokenRequest(
        principal_id=forge.place.client_id,
        client_id=forge.place.client_id,
        audience="authsvc",
        scopes=frozenset({"authsvc:admin"}),
        ttl_seconds=600,
        trust_level=1,
        grant_type="client_credentials",
        algorithm="ES256",
    )
    return mint(caller, request, now=now).text.reveal()


def test_t20_second_spelling_of_an_es256_signature_dies_with_the_token(forge: Forge, now: datetime) -> None:
    raw = make_es256(forge, now)
    signed, _, text = raw.rpartition(".")
    signature = decode(text)
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    twin = f"{signed}.{b64(r.to_bytes(32) + (P256_ORDER - s).to_bytes(32))}"
    require_accepted(forge, raw)
    assert ask(forge, twin).status_code in {200, 401}
    jti = json.loads(decode(raw.split(".")[1]))["jti"]
    assert forge.place.api().send("DELETE", f"/tokens/{jti}").status_code in {200, 204}
    require_refused(forge, [raw, twin])


def test_t23_es256_signatures_of_edge_values_are_refused(forge: Forge, now: datetime) -> None:
    signed, _, text = make_es256(forge, now).rpartition(".")
    r, s = int.from_bytes(decode(text)[:32]), int.from_bytes(decode(text)[32:])
    edges = [0, 1, P256_ORDER - 1, P256_ORDER, P256_ORDER + 1, 2**256 - 1]
    pairs = [(left, right) for left in edges for right in edges] + [(r, 0), (0, s), (s, r), (r, P256_ORDER)]
    pieces = [left.to_bytes(32) + right.to_bytes(32) for left, right in pairs]
    der = encode_dss_signature(r, s)
    assert decode_dss_signature(der) == (r, s)
    pieces += [der, b"", b"\x00" * 63, b"\x00" * 65, (r.to_bytes(33) + s.to_bytes(33)), r.to_bytes(32)]
    require_refused(forge, [f"{signed}.{b64(piece)}" for piece in pieces])


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_t29_key_set_is_read_only(world: World, method: str) -> None:
    assert Api().send(method, world.prod.path("/.well-known/jwks.json"), {}).status_code == 405


def test_t29_key_set_shows_public_members_alone(forge: Forge, now: datetime) -> None:
    make_es256(forge, now)
    answer = Api().get(forge.place.path("/.well-known/jwks.json"))
    keys = answer.json()["keys"]
    assert {key["alg"] for key in keys} >= {"RS256", "ES256"}
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & set(key)
        assert key["use"] == "sig"
        assert key["kty"] != "RSA" or len(decode(key["n"])) * 8 >= 2048
    assert "max-age=" in answer.headers["Cache-Control"]
    assert answer.headers["ETag"]
    private = forge.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert private.splitlines()[3] not in answer.content.decode()


def test_t29_key_sets_of_two_environments_share_no_key(world: World) -> None:
    seen: list[str] = []
    for place in (world.prod, world.dev, world.foreign):
        seen += [key["kid"] for key in Api().get(place.path("/.well-known/jwks.json")).json()["keys"]]
    assert len(seen) == len(set(seen))


CHECKS: dict[str, Callable[[str], str]] = {
    "no scheme": lambda raw: raw,
    "basic": lambda raw: f"Basic {raw}",
    "token": lambda raw: f"Token {raw}",
    "two tokens": lambda raw: f"Bearer {raw} {raw}",
    "comma": lambda raw: f"Bearer {raw},Bearer {raw}",
    "quoted": lambda raw: f'Bearer "{raw}"',
    "empty": lambda raw: "Bearer ",
    "tab": lambda raw: f"Bearer\t{raw}",
    "DPoP": lambda raw: f"DPoP {raw}",
}


@pytest.mark.parametrize("name", CHECKS)
def test_bearer_in_any_other_spelling_is_refused(forge: Forge, name: str) -> None:
    answer = Api().get("/me", Authorization=CHECKS[name](forge.sign()))
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/me?access_token={}", "/me?token={}", "/me?authorization=Bearer%20{}"])
def test_bearer_in_the_query_is_not_read(forge: Forge, path: str) -> None:
    assert Api().get(path.format(forge.sign())).status_code == 401
