"""A token has one audience, or several gateways that all say so: then what is allowed at each of them, and no more."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tokens.models import IssuedToken
from rbac.models import Gateway
from tests.world import FORM, Api, Place, World


def payload_of(token: str) -> dict[str, Any]:
    """Return what a token says."""
    body = token.split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return said


SHARE = {"shares_tokens": True}


@pytest.fixture
def place(world: World) -> Place:
    """Return acme/prod with a second gateway, at which the client may only run agent-1."""
    place = world.prod
    api = place.api()
    second = api.post("/gateways", {"name": "second", "kind": "agno", "audience": "second"}).json()["id"]
    role = api.post("/roles", {"name": "runs one", "scopes": ["agents:agent-1:run"]}).json()["id"]
    given = {"principal_id": place.client_id, "role_id": role, "gateway_id": second}
    assert api.post("/grants", given).status_code == 201
    return place


def share(place: Place, *names: str) -> None:
    """Let the demo's gateway, and others by their audience, share."""
    for gateway in Gateway.unscoped.filter(environment=place.environment(), audience__in=names):
        assert place.api().send("PATCH", f"/gateways/{gateway.id}", SHARE).json()["shares_tokens"] is True


def ask(place: Place, *audiences: str, field: str = "audience", scope: str = "") -> Any:
    """Ask for a token of these audiences."""
    client = [("client_id", place.client_id), ("client_secret", place.client_secret)]
    form = [("grant_type", "client_credentials"), *client, *((field, name) for name in audiences)]
    return Client().post(place.path("/oauth/token"), urlencode([*form, ("scope", scope)]), content_type=FORM)


@pytest.mark.parametrize("field", ["audience", "resource"])
def test_token_for_two_gateways_that_share_carries_what_both_allow(world: World, place: Place, field: str) -> None:
    first = place.gateway["audience"]
    share(place, first, "second")
    reply = ask(place, first, "second", field=field, scope="agents:agent-1:run agents:agent-1:read")
    assert reply.status_code == 200, reply.content
    assert reply.json()["scope"] == "agents:agent-1:run"
    token = reply.json()["access_token"]
    assert payload_of(token)["aud"] == [first, "second"]
    for gateway in Gateway.unscoped.filter(environment=place.environment(), audience__in=[first, "second"]):
        asked = {"token": token, "gateway": gateway.id, "scope": "agents:agent-1:run"}
        assert place.api().post("/decide", asked).json()["allowed"] is True
    assert Api(token).get("/me").status_code == 401
    row = IssuedToken.unscoped.latest("created_at")
    assert row.audience == f"{first} second"
    assert AuditEvent.objects.filter(event_type="token.issued").latest("sequence").detail["audience"] == row.audience


@pytest.mark.parametrize("sharing", [(), ("first",), ("second",)])
def test_one_that_does_not_share_is_enough_to_refuse(place: Place, sharing: tuple[str, ...]) -> None:
    first = place.gateway["audience"]
    share(place, *(first if name == "first" else name for name in sharing))
    refused = ask(place, first, "second")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")
    assert "shares its tokens" in refused.json()["error_description"]


@pytest.mark.parametrize(
    "other",
    [
        {"algorithm": "ES256"},
        {"admin_scope": "second:admin"},
        {"claims": {"email": "email"}},
    ],
)
def test_gateways_that_differ_do_not_share(place: Place, other: dict[str, Any]) -> None:
    share(place, place.gateway["audience"], "second")
    second = Gateway.unscoped.get(environment=place.environment(), audience="second")
    assert place.api().send("PATCH", f"/gateways/{second.id}", other).status_code == 200
    assert ask(place, place.gateway["audience"], "second").json()["error"] == "invalid_target"


@pytest.mark.parametrize("other", ["authsvc", "nobody", "globex"])
def test_our_own_api_unknown_and_foreign_audiences_are_never_shared(world: World, place: Place, other: str) -> None:
    share(place, place.gateway["audience"], "second")
    share(world.foreign, world.foreign.gateway["audience"])
    name = world.foreign.gateway["audience"] if other == "globex" else other
    for order in ((place.gateway["audience"], name), (name, place.gateway["audience"])):
        assert ask(place, *order).json()["error"] == "invalid_target"


def test_nothing_that_both_allow_is_invalid_scope(place: Place) -> None:
    first = place.gateway["audience"]
    share(place, first, "second")
    assert ask(place, first, "second", scope="agents:agent-2:read").json()["error"] == "invalid_scope"


def test_same_audience_twice_is_one_and_too_many_are_refused(place: Place) -> None:
    first = place.gateway["audience"]
    assert payload_of(ask(place, first, first).json()["access_token"])["aud"] == first
    assert ask(place, *[first] * 9).json()["error"] == "invalid_request"
    form = {"grant_type": "refresh_token", "client_id": place.client_id, "client_secret": place.client_secret}
    repeated = urlencode([*form.items(), ("audience", first), ("audience", first)])
    refused = Client().post(place.path("/oauth/token"), repeated, content_type=FORM)
    assert refused.json()["error"] == "invalid_request"
