"""Access-token claims: each one missing, mistyped and at its edges; the compact form in one spelling only."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.tokens.claims import (
    LEEWAY_SECONDS,
    MAXIMUM_LIFE_SECONDS,
    AccessClaims,
    TokenRefused,
    as_payload,
    check_header,
    check_payload,
)
from authsvc.tokens.compact import MAXIMUM_CHARACTERS, decode, json_object, take_apart
from tests.scale import scaled

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
T = int(NOW.timestamp())
ISSUER = "https://auth.example/t/acme/prod"
HEADER = {"alg": "RS256", "kid": "kid-1", "typ": "at+jwt"}
CLAIMS = AccessClaims(
    issuer=ISSUER,
    audience="authsvc",
    subject="svc_1",
    client_id="svc_1",
    jti="jti_1",
    issued_at=NOW,
    not_before=NOW,
    expires_at=NOW + timedelta(seconds=600),
    tenant="acme",
    environment="prod",
    scopes=("a:read", "b:write"),
    trust_level=2,
    device_id="dev_1",
    session_id="s-1",
    email="a@b.c",
    name="Ann",
    roles=("r",),
)
REQUIRED = ("iss", "aud", "sub", "client_id", "jti", "iat", "nbf", "exp", "tenant", "env", "scope", "scopes")
WRONG_TYPES: tuple[Any, ...] = (None, True, False, 1.5, {}, {"a": 1}, [1], [["x"]], [None], "", "\x00", "a\u202eb\n")


def check(payload: dict[str, Any], now: datetime = NOW) -> AccessClaims:
    return check_payload(payload, issuer=ISSUER, tenant="acme", environment="prod", now=now)


def payload(**changes: Any) -> dict[str, Any]:
    return {**as_payload(CLAIMS), **changes}


def test_check_payload_returns_what_as_payload_wrote() -> None:
    assert check(payload()) == CLAIMS
    assert check(payload(extra={"anything": [1]})) == CLAIMS


def test_check_payload_with_several_audiences_keeps_them_all() -> None:
    found = check(payload(aud=["first", "second"]))
    assert (found.audience, found.other_audiences) == ("first", ("second",))
    assert check(payload(aud=["authsvc"])) == CLAIMS


def test_check_payload_without_the_optional_claims_uses_their_defaults() -> None:
    optional = ("trust_level", "device_id", "session_id", "email", "name", "roles")
    found = check({name: value for name, value in payload().items() if name not in optional})
    assert (found.trust_level, found.device_id, found.roles) == (0, "", ())
    assert set(as_payload(found)) == {*REQUIRED, "trust_level"}


@pytest.mark.parametrize("name", REQUIRED)
def test_check_payload_without_a_required_claim_is_refused(name: str) -> None:
    with pytest.raises(TokenRefused):
        check({key: value for key, value in payload().items() if key != name})


@pytest.mark.parametrize("value", WRONG_TYPES, ids=repr)
@pytest.mark.parametrize("name", [*REQUIRED, "device_id", "session_id", "email", "name", "roles", "trust_level"])
def test_check_payload_with_a_claim_of_the_wrong_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TokenRefused):
        check(payload(**{name: value}))


EDGES: list[tuple[dict[str, Any], bool]] = [
    ({"exp": T + 1}, True),
    ({"exp": T}, False),
    ({"exp": T - 1}, False),
    ({"exp": T + MAXIMUM_LIFE_SECONDS}, True),
    ({"exp": T + MAXIMUM_LIFE_SECONDS + 1}, False),
    ({"exp": T + 50 * 365 * 86_400}, False),
    ({"exp": str(T + 600)}, False),
    ({"exp": 10**308}, False),
    ({"exp": float("inf")}, False),
    ({"exp": int("9" * 4000)}, False),
    ({"exp": -1}, False),
    ({"iat": T + LEEWAY_SECONDS}, True),
    ({"iat": T + LEEWAY_SECONDS + 1}, False),
    ({"iat": T + 5, "nbf": T, "exp": T + 5}, False),
    ({"iat": T - 10, "nbf": T - 10, "exp": T - 10}, False),
    ({"iat": 0, "exp": T + 1}, False),
    ({"nbf": T + LEEWAY_SECONDS}, True),
    ({"nbf": T + LEEWAY_SECONDS + 1}, False),
    ({"nbf": T + 9, "exp": T + 8}, False),
    ({"nbf": 0}, True),
    ({"nbf": 2**40}, False),
    ({"iss": ISSUER + "/"}, False),
    ({"iss": ISSUER.upper()}, False),
    ({"iss": ISSUER[:-1]}, False),
    ({"iss": ISSUER + "\x00"}, False),
    ({"iss": [ISSUER]}, False),
    ({"tenant": "Acme"}, False),
    ({"tenant": "globex"}, False),
    ({"tenant": "*"}, False),
    ({"tenant": ["acme"]}, False),
    ({"env": "dev"}, False),
    ({"env": "prod\x00"}, False),
    ({"env": "*"}, False),
    ({"env": {"name": "prod"}}, False),
    ({"sub": "s" * 255}, True),
    ({"sub": "s" * 256}, False),
    ({"sub": "sa:1"}, False),
    ({"sub": "__anonymous__"}, False),
    ({"sub": "\ud800"}, False),
    ({"jti": "j" * 128}, True),
    ({"jti": "j" * 129}, False),
    ({"jti": "a/b"}, False),
    ({"jti": "jti_1\n"}, False),
    ({"jti": 7}, False),
    ({"trust_level": 0}, True),
    ({"trust_level": 3}, True),
    ({"trust_level": 4}, False),
    ({"trust_level": -1}, False),
    ({"trust_level": "3"}, False),
    ({"scopes": [], "scope": ""}, True),
    ({"scopes": ["a:read"]}, False),
    ({"scope": "a:read b:write c"}, False),
    ({"scope": "b:write a:read"}, False),
    ({"scope": ["a:read"]}, False),
    ({"scopes": "a:read b:write"}, False),
]


@pytest.mark.parametrize(("changes", "accepted"), EDGES, ids=lambda value: repr(value)[:60])
def test_check_payload_at_the_edges(changes: dict[str, Any], accepted: bool) -> None:
    if accepted:
        assert check(payload(**changes)).tenant == "acme"
    else:
        with pytest.raises(TokenRefused):
            check(payload(**changes))


KIDS: list[Any] = [None, 1, [], {}, "", "a" * 129, "../../x", "a\n", "a'--", "\x00", "{{7*7}}"]
HEADERS: list[dict[str, Any]] = [
    {},
    {"alg": "RS256", "kid": "kid-1"},
    {"alg": "RS256", "typ": "at+jwt"},
    {"kid": "kid-1", "typ": "at+jwt"},
    {**HEADER, "typ": "JWT"},
    {**HEADER, "typ": "AT+JWT"},
    {**HEADER, "typ": "application/at+jwt"},
    {**HEADER, "typ": None},
    {**HEADER, "typ": ["at+jwt"]},
    {**HEADER, "alg": None},
    {**HEADER, "alg": ["RS256"]},
    {**HEADER, "alg": {}},
    *[{**HEADER, "kid": kid} for kid in KIDS],
    *[
        {**HEADER, name: value}
        for name, value in (
            ("crit", []),
            ("crit", ["exp"]),
            ("crit", None),
            ("jwk", {}),
            ("jku", "https://evil.example"),
            ("x5c", []),
            ("x5u", ""),
            ("b64", False),
            ("zip", "DEF"),
            ("cty", "JWT"),
            ("__proto__", {}),
        )
    ],
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header)[:70])
def test_check_header_refuses_every_header_but_ours(header: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        check_header(header)


def test_check_header_returns_the_kid_and_leaves_the_algorithm_to_the_key() -> None:
    assert check_header(HEADER) == "kid-1"
    assert check_header({**HEADER, "alg": "none"}) == "kid-1"


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


TOKEN = f"{b64(json.dumps(HEADER).encode())}.{b64(json.dumps(payload()).encode())}.{b64(b'signature')}"


def test_take_apart_returns_the_parts() -> None:
    parts = take_apart(TOKEN)
    assert parts.header == HEADER
    assert parts.payload == payload()
    assert parts.signature == b"signature"
    assert parts.signing_input.decode() == TOKEN.rpartition(".")[0]


@pytest.mark.parametrize(
    "raw",
    [
        "",
        ".",
        "..",
        TOKEN.rpartition(".")[0],
        TOKEN + ".",
        TOKEN + ".x.y",
        TOKEN + "=",
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN.replace(".", " .", 1),
        "Ä" + TOKEN[1:],
        TOKEN + "A" * MAXIMUM_CHARACTERS,
        '{"payload":"x","signatures":[]}',
        TOKEN.replace("e", "\u0435", 1),
        b64(b'{"a":1,"a":1}') + "." + TOKEN.partition(".")[2],
        b64(b'{"a":NaN}') + "." + TOKEN.partition(".")[2],
        b64(b"[]") + "." + TOKEN.partition(".")[2],
        b64('{"alg":"RS256"}'.encode("utf-16")) + "." + TOKEN.partition(".")[2],
        b64(b"\xef\xbb\xbf{}") + "." + TOKEN.partition(".")[2],
        b64(b'{"a":' * 1000) + "." + TOKEN.partition(".")[2],
        b64(b"[" * 4000) + "." + TOKEN.partition(".")[2],
    ],
    ids=lambda raw: repr(raw)[:40],
)
def test_take_apart_refuses_any_other_form(raw: str) -> None:
    with pytest.raises(TokenRefused):
        take_apart(raw)


@given(st.binary(max_size=60), st.data())
@settings(max_examples=scaled(75, 150), deadline=None)
def test_decode_of_a_changed_last_character_is_refused_or_other_bytes(value: bytes, data: st.DataObject) -> None:
    text = b64(value)
    assert decode(text) == value
    other = data.draw(st.text("ABCXYZabcxyz0189-_+/=. \n", min_size=len(text), max_size=len(text) + 2))
    if other != text:
        try:
            assert decode(other) != value
        except TokenRefused as refusal:
            assert refusal.reason == "base64url"


@given(st.binary(max_size=80))
@settings(max_examples=scaled(75, 150), deadline=None)
def test_json_object_of_any_bytes_is_an_object_or_refused(text: bytes) -> None:
    try:
        assert isinstance(json_object(text), dict)
    except TokenRefused as refusal:
        assert refusal.reason


@given(st.text(max_size=200))
@settings(max_examples=scaled(75, 150), deadline=None)
def test_take_apart_of_any_text_is_refused(raw: str) -> None:
    with pytest.raises(TokenRefused):
        take_apart(raw)
