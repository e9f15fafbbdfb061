"""Claims a gateway asks for: off by default, present and typed when on, only for that audience, only what is mapped."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from authsvc.gate.authentication import admit
from authsvc.tokens.compact import decode
from tests.world import Place, World

PERSONAL = {"email", "name", "roles", "session_id"}


@pytest.fixture
def place(world: World) -> Place:
    """Return acme/prod, where the demo client is Ann with a role at the gateway."""
    api = world.prod.api()
    role = api.post("/roles", {"name": "Reader of agents", "scopes": ["agents:read"]}).json()["id"]
    grant = {"principal_id": world.prod.client_id, "role_id": role, "gateway_id": world.prod.gateway["id"]}
    assert api.post("/grants", grant).status_code == 201
    ann = {"name": "Ann", "email": "ann@acme.example"}
    assert api.send("PATCH", f"/service-accounts/{world.prod.client_id}", ann).json()["email"] == ann["email"]
    return world.prod


def ask_for(place: Place, claims: dict[str, Any]) -> Any:
    return place.api().send("PATCH", f"/gateways/{place.gateway['id']}", {"claims": claims})


def claims_at(place: Place, **fields: str) -> dict[str, Any]:
    token = place.access_token(**{"audience": place.gateway["audience"], "scope": "agents:read", **fields})
    document: dict[str, Any] = json.loads(decode(token.split(".")[1]))
    return document


def test_token_says_nothing_personal_unless_the_gateway_asks(place: Place) -> None:
    assert not PERSONAL & set(claims_at(place))


def test_mapped_claims_are_present_and_the_token_is_still_ours(place: Place, now: datetime) -> None:
    mapping = {"email": "email", "name": "name", "roles": "roles", "user_id": "subject", "org": "tenant"}
    answer = ask_for(place, mapping)
    assert (answer.status_code, answer.json()["claims"]) == (200, mapping)
    claims = claims_at(place)
    assert {name: claims[name] for name in mapping} == {
        "email": "ann@acme.example",
        "name": "Ann",
        "roles": [f"Everything {place.marker}", "Reader of agents"],
        "user_id": place.client_id,
        "org": "acme",
    }
    token = place.access_token(audience=place.gateway["audience"], scope="agents:read")
    assert admit(token, audience=place.gateway["audience"], now=now).scopes >= {"agents:read"}


def test_mapping_of_one_gateway_leaves_other_audiences_alone(place: Place) -> None:
    ask_for(place, {"name": "name", "user_id": "subject"})
    assert not {"name", "user_id"} & set(claims_at(place, audience="authsvc", scope="profiles:read"))


def test_mapping_can_be_taken_back(place: Place) -> None:
    ask_for(place, {"name": "name"})
    assert ask_for(place, {}).json()["claims"] == {}
    assert "name" not in claims_at(place)


def test_gateway_is_told_what_it_may_keep_of_what_people_say(place: Place) -> None:
    mapping = {"storeTranscripts": "store_transcripts", "storeAudio": "store_audio"}
    assert ask_for(place, mapping).status_code == 200
    claims = claims_at(place)
    assert (claims["storeTranscripts"], claims["storeAudio"]) == (True, False)
    rules = {"store_transcripts": False, "store_audio": True}
    assert place.api().send("PATCH", "/devices/policy", rules).status_code == 200
    claims = claims_at(place)
    assert (claims["storeTranscripts"], claims["storeAudio"]) == (False, True)
    assert place.api().get("/devices/policy").json()["store_ip"] is True


def test_session_id_is_carried_as_the_client_said_it(place: Place) -> None:
    ask_for(place, {"conversation": "session_id"})
    claims = claims_at(place, session_id="s-1")
    assert (claims["session_id"], claims["conversation"]) == ("s-1", "s-1")
    assert "conversation" not in claims_at(place)


@pytest.mark.parametrize("text", ["x" * 256, "a\nb", "a\u202eb"])
def test_session_id_that_no_token_may_carry_is_refused(place: Place, text: str) -> None:
    answer = place.token_request(session_id=text)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("claims", [{"sub": "name"}, {"email": "name"}, {"a b": "name"}, {"x": "secret"}, {"x": 1}, []])
def test_mapping_that_is_none_is_refused_and_changes_nothing(place: Place, claims: Any) -> None:
    answer = ask_for(place, claims)
    assert answer.status_code == 400
    assert all(name.startswith("claims") for name in answer.json()["errors"])
    assert place.api().get(f"/gateways/{place.gateway['id']}").json()["claims"] == {}


def test_gateway_can_be_registered_with_its_claims(world: World) -> None:
    body = {"name": "New", "kind": "generic", "claims": {"user_id": "subject"}}
    assert world.prod.api().post("/gateways", body).json()["claims"] == {"user_id": "subject"}
    assert world.prod.api().post("/gateways", {**body, "claims": {"iss": "subject"}}).status_code == 400
