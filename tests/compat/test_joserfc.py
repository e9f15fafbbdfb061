"""joserfc, a JOSE implementation that is not ours, reads our tokens with nothing but our published key set."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from tests.compat.conftest import Tenancy

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("compat")]
SCOPES = ["agents:agent-1:read", "agents:agent-1:run"]


@pytest.fixture(scope="module")
def key_set(prod: Tenancy) -> KeySet:
    """Return the key set of acme/prod, fetched over HTTP."""
    return _key_set_of(prod)


def test_token_is_verified_with_the_published_keys(key_set: KeySet, prod: Tenancy) -> None:
    token = jwt.decode(prod.token(" ".join(SCOPES)), key_set, algorithms=["RS256"])
    assert set(token.header) == {"alg", "kid", "typ"}
    assert (token.header["alg"], token.header["typ"]) == ("RS256", "at+jwt")
    assert token.header["kid"] in {key.kid for key in key_set.keys}
    _registry(prod).validate(token.claims)


def test_token_claims_say_who_where_and_what(key_set: KeySet, prod: Tenancy) -> None:
    claims = jwt.decode(prod.token(" ".join(SCOPES)), key_set, algorithms=["RS256"]).claims
    assert (claims["sub"], claims["client_id"]) == (prod.credentials[0], prod.credentials[0])
    assert (claims["tenant"], claims["env"]) == ("acme", "prod")
    assert claims["scopes"] == SCOPES
    assert claims["scope"] == " ".join(SCOPES)
    assert claims["nbf"] == claims["iat"] < claims["exp"]


def test_key_id_is_the_thumbprint_of_the_key(key_set: KeySet) -> None:
    for key in key_set.keys:
        assert key.kid == key.thumbprint()
        assert not key.is_private


def test_tampered_token_is_refused(key_set: KeySet, prod: Tenancy) -> None:
    header, payload, signature = prod.token(SCOPES[0]).split(".")
    richer = {**_decoded(payload), "scopes": ["agent_os:admin"]}
    text = base64.urlsafe_b64encode(json.dumps(richer).encode()).rstrip(b"=").decode()
    with pytest.raises(BadSignatureError):
        jwt.decode(f"{header}.{text}.{signature}", key_set, algorithms=["RS256"])


def test_token_for_another_audience_fails_the_audience_claim(key_set: KeySet, prod: Tenancy) -> None:
    token = jwt.decode(prod.token("authsvc:admin", audience="authsvc"), key_set, algorithms=["RS256"])
    with pytest.raises(ClaimError) as refusal:
        _registry(prod).validate(token.claims)
    assert refusal.value.claim == "aud"


def test_token_of_another_environment_finds_no_key(key_set: KeySet, dev: Tenancy) -> None:
    with pytest.raises(InvalidKeyIdError):
        jwt.decode(dev.token(SCOPES[0]), key_set, algorithms=["RS256"])
    jwt.decode(dev.token(SCOPES[0]), _key_set_of(dev), algorithms=["RS256"])


def test_token_read_with_another_algorithm_is_refused(key_set: KeySet, prod: Tenancy) -> None:
    with pytest.raises(JoseError):
        jwt.decode(prod.token(SCOPES[0]), key_set, algorithms=["ES256"])


def _key_set_of(place: Tenancy) -> KeySet:
    answer = httpx.get(f"{place.issuer}/.well-known/jwks.json")
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    return KeySet.import_key_set(answer.json())


def _registry(place: Tenancy) -> jwt.JWTClaimsRegistry:
    needed = {name: {"essential": True} for name in ("sub", "client_id", "jti", "iat", "nbf", "exp", "scopes")}
    return jwt.JWTClaimsRegistry(
        leeway=10,
        iss={"essential": True, "value": place.issuer},
        aud={"essential": True, "value": place.audience},
        **needed,  # type: ignore[arg-type]
    )


def _decoded(part: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document
