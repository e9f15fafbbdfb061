"""A gateway may list who comes at all: everybody else has no right there, whatever was granted."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.world import Place, World


@pytest.fixture
def place(world: World) -> Place:
    return world.prod


def allow(place: Place, *ids: str) -> Any:
    return place.api().send("PATCH", f"/gateways/{place.gateway['id']}", {"allowed_principals": list(ids)})


def asked(place: Place, token: str) -> int:
    path = place.path(f"/gateways/{place.gateway['id']}/forward-auth")
    headers = {"Authorization": f"Bearer {token}", "X-Original-Method": "GET", "X-Original-URI": "/agents"}
    return int(Client().get(path, headers=headers).status_code)


@pytest.fixture(autouse=True)
def _trusted_proxy(settings: Any) -> None:
    from authsvc.settings import networks

    settings.AUTHSVC_TRUSTED_PROXIES, settings.TRUSTED_PROXY_NETWORKS = ["127.0.0.1"], networks(["127.0.0.1"])


def token_of(place: Place) -> Any:
    return place.token_request(audience=place.gateway["audience"], scope="agents:read")


def test_gateway_without_a_list_takes_whoever_has_a_right(place: Place) -> None:
    assert asked(place, token_of(place).json()["access_token"]) == 200


def test_principal_that_is_not_listed_is_refused_at_once_with_the_token_it_has(place: Place) -> None:
    token = token_of(place).json()["access_token"]
    assert asked(place, token) == 200
    answer = allow(place, place.device["id"])
    assert (answer.status_code, answer.json()["allowed_principals"]) == (200, [place.device["id"]])
    assert asked(place, token) == 403
    refused = token_of(place)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    said = place.api().post("/decide", {"token": token, "scope": "agents:read"}).json()
    assert said["allowed"] is False


def test_listed_principal_comes_and_the_gateways_own_token_always_does(place: Place) -> None:
    allow(place, place.client_id)
    assert asked(place, token_of(place).json()["access_token"]) == 200
    allow(place, place.device["id"])
    path = place.path(f"/gateways/{place.gateway['id']}/forward-auth")
    own = Client().get(path, headers={"Authorization": f"Bearer {place.gateway['token']}"})
    assert own.status_code == 200


def test_list_may_be_emptied_again(place: Place) -> None:
    allow(place, place.device["id"])
    assert allow(place).json()["allowed_principals"] == []
    assert asked(place, token_of(place).json()["access_token"]) == 200


def test_list_holds_only_principals_of_this_environment(world: World, place: Place) -> None:
    for stranger in ("svc_nobody", world.dev.client_id, world.foreign.client_id, place.gateway["id"]):
        answer = allow(place, stranger)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["allowed_principals"])


def test_admin_chooses_who_may_come(world: World, place: Place) -> None:
    client, operator = Client(), world.document["operators"]["acme"]
    client.post("/admin/login/", {"username": operator["username"], "password": operator["password"]})
    address = f"/admin/rbac/gateway/{place.gateway['id']}/do/allow/"
    assert b"No such principal" in client.post(address, {"allowed_principals": "svc_nobody"}).content
    assert client.post(address, {"allowed_principals": place.client_id}).status_code == 302
    assert place.client_id.encode() in client.get(address).content
