"""The OAuth endpoints of one environment: RFC 6749 errors, scopes and audiences, introspection, metadata."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tokens.models import IssuedToken
from tests.world import FORM, JSON, Api, Place, World, altered

ENDPOINTS = ("token", "introspect", "revoke")


def basic(client_id: str, secret: str) -> str:
    """Return a Basic header."""
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def own(place: Place) -> dict[str, str]:
    """Return the client's credentials as form fields."""
    return {"client_id": place.client_id, "client_secret": place.client_secret}


def assert_error(reply: Any, status: int, code: str) -> None:
    """Assert an RFC 6749 §5.2 error, whole."""
    assert reply.status_code == status, reply.content
    body = reply.json()
    assert set(body) == {"error", "error_description"}
    assert body["error"] == code
    assert isinstance(body["error_description"], str)
    assert body["error_description"]
    assert reply["Content-Type"] == "application/json"
    assert reply["Cache-Control"] == "no-store"


def segments(token: str) -> list[dict[str, Any]]:
    """Return header and payload of a token, unverified."""
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def test_token_with_basic_and_with_post_is_issued(world: World) -> None:
    place = world.prod
    by_basic = place.token_request()
    by_post = place.form("/oauth/token", {"grant_type": "client_credentials", **own(place)})
    for reply in (by_basic, by_post):
        assert reply.status_code == 200
        assert set(reply.json()) == {"access_token", "token_type", "expires_in", "scope"}
        assert reply.json()["token_type"] == "Bearer"
        assert reply.json()["expires_in"] in {3599, 3600}  # whole seconds, rounded down
        assert reply["Cache-Control"] == "no-store"
        assert reply["Pragma"] == "no-cache"


def test_token_says_who_where_and_for_whom(world: World) -> None:
    place = world.prod
    header, claims = segments(place.access_token())
    assert set(header) == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    wanted = {"iss", "aud", "sub", "client_id", "jti", "iat", "nbf", "exp", "tenant", "env", "scope", "scopes"}
    assert wanted <= set(claims)
    assert claims["iss"] == place.issuer
    assert (claims["aud"], claims["sub"], claims["client_id"]) == ("authsvc", place.client_id, place.client_id)
    assert (claims["tenant"], claims["env"]) == ("acme", "prod")
    assert claims["scope"].split() == claims["scopes"]
    assert claims["exp"] - claims["iat"] == 3600


def test_token_is_recorded_and_audited(world: World) -> None:
    _, claims = segments(world.prod.access_token())
    row = IssuedToken.objects.for_environment(world.prod.caller()).get(id=claims["jti"])
    assert row.client_id == world.prod.client_id
    event = AuditEvent.objects.get(event_type="token.issued", subject_id=claims["jti"])
    assert event.detail["grant_type"] == "client_credentials"
    assert event.actor_id == world.prod.client_id


GOOD = {"grant_type": "client_credentials"}
ERRORS = [
    ("no grant type", {"grant_type": ""}, 400, "invalid_request"),
    ("unknown grant type", {"grant_type": "password"}, 400, "unsupported_grant_type"),
    ("unknown scope", {**GOOD, "scope": "profiles:explode"}, 400, "invalid_scope"),
    ("malformed scope", {**GOOD, "scope": "::: *"}, 400, "invalid_scope"),
    ("scope not granted", {**GOOD, "scope": "teams:run"}, 400, "invalid_scope"),
    ("unknown audience", {**GOOD, "audience": "nobody"}, 400, "invalid_target"),
    ("unknown resource", {**GOOD, "resource": "https://nobody.example"}, 400, "invalid_target"),
    ("two targets", {**GOOD, "audience": "authsvc", "resource": "other"}, 400, "invalid_request"),
    ("another client id", {**GOOD, "client_id": "svc_other"}, 400, "invalid_request"),
    ("NUL", {**GOOD, "scope": "a\x00b"}, 400, "invalid_request"),
    ("long", {**GOOD, "scope": "a" * 20_000}, 400, "invalid_request"),
]


@pytest.mark.parametrize(("fields", "status", "code"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_token_request_with_a_fault_names_the_oauth_error(
    world: World, fields: dict[str, str], status: int, code: str
) -> None:
    place = world.prod
    headers = {"Authorization": basic(place.client_id, place.client_secret)}
    assert_error(place.form("/oauth/token", fields, **headers), status, code)


BAD_CLIENTS: dict[str, Any] = {
    "nothing": lambda p: ({}, {}),
    "id alone": lambda p: ({"client_id": p.client_id}, {}),
    "secret alone": lambda p: ({"client_secret": p.client_secret}, {}),
    "wrong secret": lambda p: ({**own(p), "client_secret": altered(p.client_secret)}, {}),
    "other secret": lambda p: ({**own(p), "client_secret": p.reader["client_secret"]}, {}),
    "api key": lambda p: ({**own(p), "client_secret": p.api_key}, {}),
    "gateway token": lambda p: ({**own(p), "client_secret": p.gateway["token"]}, {}),
    "device secret": lambda p: ({"client_id": p.device["id"], "client_secret": p.device["secret"]}, {}),
    "basic without colon": lambda p: ({}, {"Authorization": "Basic " + base64.b64encode(b"abc").decode()}),
    "basic not base64": lambda p: ({}, {"Authorization": "Basic %%%"}),
    "basic not utf-8": lambda p: ({}, {"Authorization": "Basic " + base64.b64encode(b"\xff:\xfe").decode()}),
    "another scheme": lambda p: ({}, {"Authorization": "Digest abc"}),
    "basic NUL": lambda p: ({}, {"Authorization": basic("a\x00b", "c\x00d")}),
    "basic empty": lambda p: ({}, {"Authorization": "Basic "}),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", BAD_CLIENTS)
def test_bad_client_is_the_same_401_whatever_the_cause(world: World, endpoint: str, name: str) -> None:
    fields, headers = BAD_CLIENTS[name](world.prod)
    reply = world.prod.form(f"/oauth/{endpoint}", {**GOOD, "token": "x", **fields}, **headers)
    assert_error(reply, 401, "invalid_client")
    assert reply["WWW-Authenticate"] == 'Basic realm="authsvc"'
    assert reply.json()["error_description"] == "Client authentication failed."


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_both_ways_of_client_authentication_at_once_is_refused(world: World, endpoint: str) -> None:
    place = world.prod
    headers = {"Authorization": basic(place.client_id, place.client_secret)}
    assert_error(
        place.form(f"/oauth/{endpoint}", {**GOOD, "token": "x", **own(place)}, **headers), 400, "invalid_request"
    )


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", ["grant_type", "client_id", "client_secret", "scope", "token"])
def test_repeated_parameter_is_refused(world: World, endpoint: str, name: str) -> None:
    place = world.prod
    fields = {**GOOD, **own(place), "scope": "profiles:read", "token": "x"}
    body = "&".join([*(f"{key}={value}" for key, value in fields.items()), f"{name}={fields[name]}"])
    reply = Client().post(place.path(f"/oauth/{endpoint}"), body, content_type=FORM)
    assert_error(reply, 400, "invalid_request")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("media_type", [JSON, "text/plain", "multipart/form-data; boundary=x", ""])
def test_other_media_type_is_refused(world: World, endpoint: str, media_type: str) -> None:
    body = json.dumps({**GOOD, **own(world.prod)}).encode()
    reply = Client().generic("POST", world.prod.path(f"/oauth/{endpoint}"), body, content_type=media_type)
    assert_error(reply, 400, "invalid_request")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_other_method_is_405_with_allow(world: World, endpoint: str, method: str) -> None:
    reply = Client().generic(method, world.prod.path(f"/oauth/{endpoint}"))
    assert reply.status_code == 405
    assert reply["Allow"] == "POST"


def test_credentials_in_the_query_are_not_read(world: World) -> None:
    place = world.prod
    query = f"?grant_type=client_credentials&client_id={place.client_id}&client_secret={place.client_secret}"
    bare = Client().post(place.path(f"/oauth/token{query}"), "x=1", content_type=FORM)
    assert_error(bare, 400, "invalid_request")
    asked = Client().post(place.path(f"/oauth/token{query}"), urlencode(GOOD), content_type=FORM)
    assert_error(asked, 401, "invalid_client")


def test_failed_authentication_of_a_real_client_is_audited_and_of_a_made_up_one_is_not(world: World) -> None:
    failures = AuditEvent.objects.filter(event_type="client.authentication_failed")
    before = failures.count()
    world.prod.form("/oauth/token", {**GOOD, "client_id": "svc_madeup", "client_secret": "x"})
    assert failures.count() == before
    world.prod.form("/oauth/token", {**GOOD, "client_id": world.prod.client_id, "client_secret": "x"})
    assert failures.count() == before + 1
    assert "x" not in json.dumps(failures.latest("sequence").detail.get("secret", ""))


def test_requested_scope_narrows_the_token(world: World) -> None:
    reply = world.prod.token_request(scope="profiles:read audit:read")
    assert reply.json()["scope"].split() == ["audit:read", "profiles:read"]
    api = Api(reply.json()["access_token"])
    assert api.get("/profiles").status_code == 200
    assert api.get("/roles").status_code == 403


def test_partly_granted_scope_is_narrowed_and_the_answer_says_so(world: World) -> None:
    reader = world.prod.reader
    reply = world.prod.token_request(**reader, scope="profiles:read profiles:write")
    assert reply.status_code == 200
    assert reply.json()["scope"] == "profiles:read"


def test_empty_scope_gets_the_default_set(world: World) -> None:
    for fields in ({}, {"scope": ""}, {"scope": "   "}):
        reply = world.prod.token_request(**world.prod.reader, **fields)
        assert reply.json()["scope"] == "profiles:read"


def test_audience_of_a_gateway_gets_its_scopes_alone(world: World) -> None:
    place = world.prod
    for parameter in ("audience", "resource"):
        reply = place.token_request(**{parameter: place.gateway["audience"]})
        assert reply.status_code == 200
        _, claims = segments(reply.json()["access_token"])
        assert claims["aud"] == place.gateway["audience"]
        assert set(claims["scopes"]) == {f"agents:agent-{n}:{verb}" for n in (1, 2) for verb in ("read", "run")}
        assert Api(reply.json()["access_token"]).get("/me").status_code == 401


def test_audience_of_another_environments_gateway_is_an_invalid_target(world: World) -> None:
    for stranger in (world.foreign, world.dev):
        for target in (stranger.gateway["audience"], stranger.gateway["id"]):
            assert_error(world.prod.token_request(audience=target), 400, "invalid_target")


def test_introspection_of_a_token_says_what_it_is_worth(world: World) -> None:
    place = world.prod
    token = place.access_token(scope="profiles:read")
    reply = place.form("/oauth/introspect", {**own(place), "token": token})
    body = reply.json()
    _, claims = segments(token)
    assert body["active"] is True
    assert (body["iss"], body["aud"], body["sub"]) == (place.issuer, "authsvc", place.client_id)
    assert body["scope"] == "profiles:read"
    assert (body["jti"], body["exp"]) == (claims["jti"], claims["exp"])
    assert (body["tenant"], body["env"]) == ("acme", "prod")
    assert reply["Cache-Control"] == "no-store"


def test_introspection_of_an_api_key_says_what_it_is_worth(world: World) -> None:
    place = world.prod
    body = place.form("/oauth/introspect", {**own(place), "token": place.api_key}).json()
    assert body["active"] is True
    assert body["sub"] == place.ids["service_account"]
    assert body["scopes"] == ["authsvc:admin"]
    assert body["jti"] == place.ids["api_key"]


INACTIVE = ["", "garbage", "a.b.c", "ask_prod_" + "0" * 16 + "_" + "0" * 49, "x" * 16_000]


@pytest.mark.parametrize("token", INACTIVE[1:], ids=["text", "three parts", "key shape", "long"])
def test_introspection_of_anything_else_is_inactive_and_no_more(world: World, token: str) -> None:
    reply = world.prod.form("/oauth/introspect", {**own(world.prod), "token": token})
    assert reply.status_code == 200
    assert reply.json() == {"active": False}


@pytest.mark.parametrize("proof", ["client_secret", "device"])
def test_introspection_of_a_secret_that_is_no_bearer_is_inactive(world: World, proof: str) -> None:
    secret = world.prod.client_secret if proof == "client_secret" else world.prod.device["secret"]
    assert world.prod.form("/oauth/introspect", {**own(world.prod), "token": secret}).json() == {"active": False}


@pytest.mark.parametrize("endpoint", ["introspect", "revoke"])
def test_missing_token_is_an_invalid_request(world: World, endpoint: str) -> None:
    assert_error(world.prod.form(f"/oauth/{endpoint}", own(world.prod)), 400, "invalid_request")


def test_introspection_with_a_bearer_needs_the_scope_or_a_gateway_token(world: World) -> None:
    place = world.prod
    reader = place.access_token(**place.reader)
    refused = place.form("/oauth/introspect", {"token": reader}, Authorization=f"Bearer {reader}")
    assert_error(refused, 401, "invalid_client")
    for bearer in (place.gateway["token"], place.api_key):
        reply = place.form("/oauth/introspect", {"token": reader}, Authorization=f"Bearer {bearer}")
        assert reply.json()["active"] is True


def test_revoked_token_is_inactive_and_refused_by_the_api(world: World) -> None:
    place = world.prod
    token = place.access_token()
    assert Api(token).get("/me").status_code == 200
    for _ in range(2):  # a second time changes nothing and is answered alike
        reply = place.form("/oauth/revoke", {**own(place), "token": token})
        assert (reply.status_code, reply.content) == (200, b"")
    assert place.form("/oauth/introspect", {**own(place), "token": token}).json() == {"active": False}
    refused = Api(token).get("/me")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused["WWW-Authenticate"]
    _, claims = segments(token)
    assert AuditEvent.objects.filter(event_type="token.revoked", subject_id=claims["jti"]).count() == 1


def test_revoked_api_key_is_inactive_and_refused_by_the_api(world: World) -> None:
    place = world.prod
    assert place.form("/oauth/revoke", {**own(place), "token": place.api_key}).status_code == 200
    assert place.form("/oauth/introspect", {**own(place), "token": place.api_key}).json() == {"active": False}
    assert place.api().get("/me").status_code == 401


def test_revocation_by_another_client_changes_nothing(world: World) -> None:
    place = world.prod
    token = place.access_token()
    assert place.form("/oauth/revoke", {**place.reader, "token": token}).status_code == 200
    assert Api(token).get("/me").status_code == 200


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "ask_prod_" + "0" * 16 + "_" + "0" * 49])
def test_revocation_of_an_unknown_token_is_200(world: World, token: str) -> None:
    reply = world.prod.form("/oauth/revoke", {**own(world.prod), "token": token})
    assert (reply.status_code, reply.content) == (200, b"")
