"""The OAuth addresses in the description: each is there, answers as described, and every refusal has an example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from authsvc.gate.urls import oauth
from tests.world import Api, Place, World

Described = dict[str, Any]
ISSUER = "/t/{tenant}/{environment}"
ASK = "/oauth/device_authorization"
METADATA = "/.well-known/oauth-authorization-server"
PEOPLE_AND_PROXIES = ("device", "forward-auth")  # pages, and answers whose shape the proxy dictates


@pytest.fixture(scope="module")
def document() -> Described:
    answer = Client().get("/api/schema/", headers={"Accept": "application/json"})
    described: Described = json.loads(answer.content)
    return described


def operations(document: Described) -> Iterator[tuple[str, Described]]:
    for path, item in document["paths"].items():
        for method in {"get", "post", "put", "patch", "delete"} & set(item):
            yield f"{method.upper()} {path}", item[method]


def test_every_oauth_address_is_described(document: Described) -> None:
    routes = {str(route.pattern).replace("<slug:", "{").replace(">", "}") for route in oauth}
    below = {f"/{route}" for route in routes if route.startswith("t/")}
    expected = {path for path in below if not any(word in path for word in PEOPLE_AND_PROXIES)}
    expected.add(f"{ISSUER}/oauth/device_authorization")
    expected.discard(f"{ISSUER}/.well-known/openid-configuration")  # an alias of the metadata
    assert {path for path in document["paths"] if path.startswith("/t/")} == expected


def test_every_described_body_and_answer_has_its_example(document: Described) -> None:
    missing = [
        f"{name} {status}"
        for name, operation in operations(document)
        for status, response in operation["responses"].items()
        for content_type, content in response.get("content", {}).items()
        if "example" not in content
    ]
    assert missing == []
    for _, operation in operations(document):
        for status, response in operation["responses"].items():
            shown = response.get("content", {}).get("application/problem+json", {}).get("example")
            assert shown is None or shown["status"] == int(status)


def calls(place: Place) -> list[tuple[str, str, Any]]:
    """Return described requests, good and bad: method, path below the issuer, answer."""
    client = {"client_id": place.client_id, "client_secret": place.client_secret}
    good = {"grant_type": "client_credentials", **client}
    return [
        ("post", "/oauth/token", place.form("/oauth/token", good)),
        ("post", "/oauth/token", place.form("/oauth/token", {**good, "scope": "no:such"})),
        ("post", "/oauth/token", place.form("/oauth/token", {**good, "client_secret": "x"})),
        ("post", "/oauth/token", Client().get(place.path("/oauth/token"))),
        ("post", "/oauth/introspect", place.form("/oauth/introspect", {"token": place.api_key, **client})),
        ("post", "/oauth/introspect", place.form("/oauth/introspect", {"token": "x", **client})),
        ("post", "/oauth/introspect", place.form("/oauth/introspect", {"token": "x"})),
        ("post", "/oauth/revoke", place.form("/oauth/revoke", {"token": "x", **client})),
        ("post", "/oauth/revoke", place.form("/oauth/revoke", {**client})),
        ("post", ASK, place.form(ASK, {"client_id": "authsvc-device"})),
        ("post", ASK, place.form(ASK, {})),
        ("get", "/.well-known/jwks.json", Api().get(place.path("/.well-known/jwks.json"))),
        ("get", "/.well-known/jwks.json", Api().get("/t/nobody/prod/.well-known/jwks.json")),
        ("get", "/.well-known/jwks.json", Api().post(place.path("/.well-known/jwks.json"))),
        ("get", "/jwks.pem", Api().get(place.path("/jwks.pem"))),
        ("get", METADATA, Api().get(place.path(METADATA))),
    ]


def test_oauth_addresses_answer_as_described(world: World, document: Described) -> None:
    seen = set()
    for method, path, answer in calls(world.prod):
        response = document["paths"][f"{ISSUER}{path}"][method]["responses"].get(str(answer.status_code))
        assert response is not None, f"{path}: {answer.status_code}"
        seen.add(answer.status_code)
        if answer.content:
            content = response["content"].get(answer["Content-Type"].partition(";")[0])
            assert content is not None, f"{path}: {answer['Content-Type']}"
            require_shape(document, content["schema"], answer)
    assert seen == {200, 400, 401, 404, 405}


def require_shape(document: Described, schema: Described, answer: Any) -> None:
    """Fail unless a JSON answer has every required field, no undescribed one, and each of its described type."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema["type"] != "object":
        return
    body = answer.json()
    assert set(schema.get("required", [])) <= set(body)
    kinds = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    for name, value in body.items():
        described = schema["properties"].get(name)
        if described is None:
            assert "well-known/oauth" in answer.request["PATH_INFO"], name  # RFC 8414 lets more members stand there
        else:
            assert isinstance(value, kinds[described["type"]]), name


def test_examples_of_good_answers_have_the_described_fields(document: Described) -> None:
    for name, operation in operations(document):
        for content in operation["responses"].get("200", {}).get("content", {}).values():
            if isinstance(content.get("example"), dict):
                assert set(content["schema"].get("required", [])) <= set(content["example"]), name
