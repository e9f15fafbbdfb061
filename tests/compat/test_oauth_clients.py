"""Authlib and requests-oauthlib, unmodified, find everything from the issuer alone (RFC 8414) and get their tokens."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError  # type: ignore[import-untyped]
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as RequestsSession

from tests.compat.conftest import Tenancy

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("compat")]
METHODS = ["client_secret_basic", "client_secret_post"]
SCOPE = "agents:agent-1:read"


@pytest.fixture(scope="module")
def metadata(prod: Tenancy) -> dict[str, Any]:
    """Return the document at the address that Authlib derives from the issuer."""
    answer = httpx.get(get_well_known_url(prod.issuer, external=True))
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def test_metadata_names_the_issuer_it_was_found_with(metadata: dict[str, Any], prod: Tenancy) -> None:
    assert metadata["issuer"] == prod.issuer
    assert set(METHODS) <= set(metadata["token_endpoint_auth_methods_supported"])


def test_metadata_lists_pass_authlibs_checks(metadata: dict[str, Any]) -> None:
    """What needs https is left out: the test server listens on loopback."""
    document = AuthorizationServerMetadata(metadata)
    document.validate_grant_types_supported()
    document.validate_token_endpoint_auth_methods_supported()
    document.validate_revocation_endpoint_auth_methods_supported()
    document.validate_introspection_endpoint_auth_methods_supported()


@pytest.mark.parametrize("method", METHODS)
def test_authlib_token_lives_until_it_is_revoked(method: str, metadata: dict[str, Any], prod: Tenancy) -> None:
    session = _authlib(prod.credentials, method, metadata)
    token = session.fetch_token(grant_type="client_credentials", audience=prod.audience)
    assert (token["token_type"], token["scope"]) == ("Bearer", SCOPE)
    assert 0 < token["expires_in"] <= 86_400

    told = session.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()
    assert (told["active"], told["aud"], told["scope"]) == (True, prod.audience, SCOPE)

    gone = session.revoke_token(metadata["revocation_endpoint"], token=token["access_token"])
    assert gone.status_code == 200
    after = session.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()
    assert after == {"active": False}


@pytest.mark.parametrize("method", METHODS)
def test_authlib_with_a_wrong_secret_is_told_invalid_client(
    method: str, metadata: dict[str, Any], prod: Tenancy
) -> None:
    client_id, secret = prod.credentials
    with pytest.raises(OAuthError) as refusal:
        _authlib((client_id, f"{secret}x"), method, metadata).fetch_token(grant_type="client_credentials")
    assert refusal.value.error == "invalid_client"


def test_authlib_asking_for_too_much_is_told_invalid_scope(metadata: dict[str, Any], prod: Tenancy) -> None:
    reader = prod.document["reader"]
    session = _authlib((reader["client_id"], reader["client_secret"]), METHODS[0], metadata, scope="profiles:write")
    with pytest.raises(OAuthError) as refusal:
        session.fetch_token(grant_type="client_credentials")
    assert refusal.value.error == "invalid_scope"


@pytest.mark.parametrize("method", METHODS)
def test_requests_oauthlib_token_lives_until_it_is_revoked(
    method: str, metadata: dict[str, Any], prod: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the issuer of the test server is http on loopback
    session, basic = _requests_session(prod), HTTPBasicAuth(*prod.credentials)
    token = session.fetch_token(metadata["token_endpoint"], audience=prod.audience, **_proof(method, prod.credentials))
    assert token.scopes == [SCOPE]

    def told() -> dict[str, Any]:
        form = {"token": token["access_token"]}
        answer = session.post(metadata["introspection_endpoint"], data=form, auth=basic, withhold_token=True)
        document: dict[str, Any] = answer.json()
        return document

    assert (told()["active"], told()["aud"]) == (True, prod.audience)
    url, headers, body = session._client.prepare_token_revocation_request(
        metadata["revocation_endpoint"], token["access_token"]
    )
    assert session.post(url, data=body, headers=headers, auth=basic, withhold_token=True).status_code == 200
    assert told() == {"active": False}


@pytest.mark.parametrize("method", METHODS)
def test_requests_oauthlib_with_a_wrong_secret_is_told_invalid_client(
    method: str, metadata: dict[str, Any], prod: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    wrong = (prod.credentials[0], f"{prod.credentials[1]}x")
    with pytest.raises(InvalidClientError):
        _requests_session(prod).fetch_token(metadata["token_endpoint"], **_proof(method, wrong))


def _authlib(
    credentials: tuple[str, str], method: str, metadata: dict[str, Any], *, scope: str = SCOPE
) -> AuthlibSession:
    return AuthlibSession(
        *credentials,
        scope=scope,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        **{name: metadata[name] for name in ("issuer", "token_endpoint", "jwks_uri")},
    )


def _requests_session(prod: Tenancy) -> RequestsSession:
    return RequestsSession(client=BackendApplicationClient(client_id=prod.credentials[0], scope=[SCOPE]))


def _proof(method: str, credentials: tuple[str, str]) -> dict[str, Any]:
    """Return how requests-oauthlib is told to prove the client: in the header, or in the form."""
    if method == "client_secret_basic":
        return {"auth": HTTPBasicAuth(*credentials), "include_client_id": False}
    return {"client_secret": credentials[1], "include_client_id": True}
