"""What an issuer publishes: RFC 8414 metadata, the key set as JWKS and PEM."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests.world import FORM, World

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
ADDRESSES = (
    "/.well-known/oauth-authorization-server/t/acme/prod",
    "/.well-known/openid-configuration/t/acme/prod",
    "/t/acme/prod/.well-known/oauth-authorization-server",
    "/t/acme/prod/.well-known/openid-configuration",
)


def test_metadata_is_the_same_at_all_four_addresses(world: World) -> None:
    replies = [Client().get(address) for address in ADDRESSES]
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 1
    document = replies[0].json()
    assert document["issuer"] == world.prod.issuer
    assert document["token_endpoint"] == f"{world.prod.issuer}/oauth/token"
    assert set(document["token_endpoint_auth_methods_supported"]) >= {"client_secret_basic", "client_secret_post"}
    assert "client_credentials" in document["grant_types_supported"]
    assert replies[0]["Access-Control-Allow-Origin"] == "*"


def test_every_endpoint_in_the_metadata_is_there(world: World) -> None:
    document = Client().get(ADDRESSES[0]).json()
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        path = document[name].removeprefix("http://testserver")
        assert (
            Client()
            .post(path, urlencode({"grant_type": "client_credentials", "token": "x"}), content_type=FORM)
            .status_code
            == 401
        )
    begin = document["device_authorization_endpoint"].removeprefix("http://testserver")
    assert Client().post(begin, "x=1&x=2", content_type=FORM).json()["error"] == "invalid_request"
    assert Client().get(document["jwks_uri"].removeprefix("http://testserver")).status_code == 200


def test_metadata_believes_no_host_header(world: World) -> None:
    reply = Client().get(ADDRESSES[0], headers={"Host": "localhost", "X-Forwarded-Host": "evil.example"})
    assert reply.json()["issuer"] == world.prod.issuer


@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/jwks.pem"])
def test_key_set_is_cached_by_etag(world: World, path: str) -> None:
    first = Client().get(world.prod.path(path))
    assert first.status_code == 200
    assert first["Cache-Control"] == "public, max-age=300"
    again = Client().get(world.prod.path(path), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    other = Client().get(world.prod.path(path), headers={"If-None-Match": '"other"'})
    assert other.content == first.content


@pytest.mark.parametrize("place", ["acme/prod", "acme/dev", "globex/prod", "globex/dev"])
def test_key_set_has_no_private_member(world: World, place: str) -> None:
    keys = Client().get(f"/t/{place}/.well-known/jwks.json").json()["keys"]
    assert keys
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert PRIVATE_MEMBERS & set(key) == set()
        assert key["use"] == "sig"
        assert key["alg"] == "RS256"
        assert len(base64.urlsafe_b64decode(key["n"] + "==")) >= 256


def test_key_sets_of_environments_share_no_key(world: World) -> None:
    kids = [
        key["kid"]
        for place in world.document["environments"]
        for key in Client().get(f"/t/{place}/.well-known/jwks.json").json()["keys"]
    ]
    assert len(set(kids)) == len(kids) >= 4


def test_pem_verifies_a_token(world: World) -> None:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    pem = Client().get(world.prod.path("/jwks.pem")).content
    assert b"PRIVATE" not in pem
    key = load_pem_public_key(pem)
    assert isinstance(key, RSAPublicKey)
    signed, _, signature = world.prod.access_token().rpartition(".")
    key.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode(), PKCS1v15(), SHA256())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/jwks.pem", "/.well-known/openid-configuration"])
def test_published_documents_are_read_only(world: World, method: str, path: str) -> None:
    reply = Client().generic(method, world.prod.path(path))
    assert reply.status_code in {403, 405}
    assert reply.status_code == 405 or b"csrf" in reply.content.lower()
