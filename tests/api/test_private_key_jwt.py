"""``private_key_jwt`` (RFC 7523): registered keys, one use each, the issuer as the only audience."""

from __future__ import annotations

import base64
import time
import uuid
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.jwk import registered_jwk
from tests.world import Place, World

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, tuple[Any, Any]] = {
    "RS256": (RSA_KEY, RSAAlgorithm),
    "ES256": (EC_KEY, ECAlgorithm),
    "EdDSA": (ED_KEY, OKPAlgorithm),
}


def public(algorithm: str, **members: str) -> dict[str, Any]:
    key, kind = KEYS[algorithm]
    return {**kind.to_jwk(key.public_key(), as_dict=True), "key_ops": ["verify"], **members}


@pytest.fixture
def place(world: World) -> Place:
    keys = [public("RS256", kid="r1"), public("ES256", kid="e1"), public("EdDSA", kid="d1")]
    changed = world.prod.api().send("PATCH", f"/service-accounts/{world.prod.client_id}", {"public_jwks": keys})
    assert changed.status_code == 200, changed.content
    return world.prod


def assertion(place: Place, algorithm: str = "RS256", key: Any = None, header: Any = None, **claims: Any) -> str:
    present = int(time.time())
    payload = {
        "iss": place.client_id,
        "sub": place.client_id,
        "aud": place.issuer,
        "iat": present,
        "exp": present + 60,
        "jti": uuid.uuid4().hex,
        **claims,
    }
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key or KEYS[algorithm][0], algorithm=algorithm, headers=header)


def ask(place: Place, text: str, **fields: str) -> Any:
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": text}
    return place.form("/oauth/token", {**form, **fields})


@pytest.mark.parametrize("algorithm", list(KEYS))
def test_assertion_of_registered_key_gets_a_token(place: Place, algorithm: str) -> None:
    assert ask(place, assertion(place, algorithm)).status_code == 200
    kid = {"RS256": "r1", "ES256": "e1", "EdDSA": "d1"}[algorithm]
    assert ask(place, assertion(place, algorithm, header={"kid": kid}), client_id=place.client_id).status_code == 200


def test_assertion_works_once(place: Place) -> None:
    text = assertion(place)
    assert ask(place, text).status_code == 200
    again = ask(place, text)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "http://testserver/t/acme/prod/"},
        {"aud": "http://testserver/t/acme/prod/oauth/token"},
        {"aud": "http://testserver/t/acme/dev"},
        {"aud": ["http://testserver/t/acme/prod", "other"]},
        {"aud": None},
        {"iss": "somebody"},
        {"sub": "somebody"},
        {"exp": None},
        {"exp": 1},
        {"exp": timedelta(seconds=7200)},
        {"iat": timedelta(seconds=600)},
        {"nbf": timedelta(seconds=600)},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 200},
    ],
)
def test_assertion_with_wrong_claim_is_invalid_client(place: Place, claims: dict[str, Any]) -> None:
    present = int(time.time())
    meant: dict[str, Any] = {
        name: present + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }
    answer = ask(place, assertion(place, **meant))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_assertion_with_wrong_header_or_key_is_invalid_client(place: Place) -> None:
    wrong = [
        assertion(place, key=OTHER_KEY),
        assertion(place, header={"kid": "e1"}),
        assertion(place, header={"crit": ["x"], "x": 1}),
        assertion(place, header={"jwk": public("RS256")}),
        assertion(place, header={"typ": "at+jwt"}),
        jwt.encode({"iss": place.client_id, "sub": place.client_id}, "x" * 40, algorithm="HS256"),
        place.access_token(),
        "garbage",
        "",
    ]
    for text in wrong:
        answer = ask(place, text)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_assertion_in_other_environment_is_invalid_client(world: World, place: Place) -> None:
    for other in (world.dev, world.foreign):
        assert ask(other, assertion(place, aud=other.issuer)).status_code == 401


def test_assertion_beside_a_secret_is_invalid_request(place: Place) -> None:
    answer = ask(place, assertion(place), client_secret=place.client_secret)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    wrong_type = ask(place, assertion(place), client_assertion_type="saml")
    assert wrong_type.json()["error"] == "invalid_request"


def test_metadata_names_private_key_jwt_and_its_algorithms(place: Place) -> None:
    from tests.world import Api

    document = Api().get("/.well-known/oauth-authorization-server/t/acme/prod").json()
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    assert set(document["token_endpoint_auth_signing_alg_values_supported"]) == {"RS256", "ES256", "EdDSA"}
    assert {"client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"} <= set(
        document["grant_types_supported"]
    )


def test_keys_of_a_more_powerful_account_need_its_rights(world: World) -> None:
    role = world.prod.api().post("/roles", {"name": "SA writer", "scopes": ["service_accounts:write"]}).json()["id"]
    reader = world.prod.reader["client_id"]
    world.prod.api().post("/grants", {"principal_id": reader, "role_id": role})
    from tests.world import Api

    weak = Api(world.prod.access_token(**world.prod.reader, scope="service_accounts:write"))
    answer = weak.send("PATCH", f"/service-accounts/{world.prod.client_id}", {"public_jwks": [public("RS256")]})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_not_held")


SMALL = {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xc1" * 128).decode().rstrip("=")}


@pytest.mark.pure
@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kty": "oct", "k": "AAAA"},
        {**KEYS["RS256"][1].to_jwk(RSA_KEY, as_dict=True)},
        {**public("RS256"), "use": "enc"},
        {**public("RS256"), "key_ops": ["sign"]},
        {**public("RS256"), "alg": "PS256"},
        {**public("ES256"), "crv": "P-384"},
        {**public("ES256"), "x": public("ES256")["y"], "y": "AAAA"},
        {**public("RS256"), "n": public("RS256")["n"] + "="},
        {**public("RS256"), "e": "AQ"},
        {**SMALL},
        {**public("EdDSA"), "x": "AAAA"},
        {**public("RS256"), "kid": 5},
        {**public("RS256"), "kty": None},
    ],
    ids=range(14),
)
def test_unsafe_jwk_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        registered_jwk(document)
