"""Session pins, pins in a request, preferred kind, and orders that name what is not there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import Place, World

PROVIDER = "acme-llm"


@pytest.fixture
def pair(world: World) -> tuple[str, str]:
    """Return the ids of an API key and a token of one provider, where API keys are preferred."""
    world.prod.api().send("PATCH", "/profiles/settings", {"preferred_kind": "api_key"})
    ids = []
    for name, kind in (("key", "api_key"), ("tok", "token")):
        body = {"provider": PROVIDER, "name": name, "kind": kind, "value": f"value-{name}-0123456789"}
        ids.append(str(world.prod.api().post("/profiles", body).json()["id"]))
    return ids[0], ids[1]


def _resolve(place: Place, **body: Any) -> Any:
    return place.api().post("/credentials/resolve", {"provider": PROVIDER, **body})


def _cool(place: Place, profile_id: str) -> None:
    body = {"profile_id": profile_id, "outcome": "failure", "reason": "billing"}
    assert place.api().post("/credentials/report", body).status_code == 200


def test_preferred_kind_of_environment_changes_the_order(world: World, pair: tuple[str, str]) -> None:
    assert _resolve(world.prod).json()["profile_id"] == pair[0]
    world.prod.api().send("PATCH", "/profiles/settings", {"preferred_kind": "token"})
    assert _resolve(world.prod).json()["profile_id"] == pair[1]
    world.prod.api().send("PATCH", "/profiles/settings", {"preferred_kind": ""})
    assert _resolve(world.prod).json()["profile_id"] == pair[1]


def test_user_pin_serves_its_profile_and_is_never_switched(world: World, pair: tuple[str, str]) -> None:
    put = world.prod.api().send("PUT", "/sessions/s-1/pin", {"profile": f"{PROVIDER}:tok"})
    assert (put.status_code, put.json()["source"]) == (200, "user")
    assert _resolve(world.prod, session="s-1").json()["profile_id"] == pair[1]
    _cool(world.prod, pair[1])
    refused = _resolve(world.prod, session="s-1")
    assert (refused.status_code, refused.json()["code"]) == (409, "pin_unavailable")
    assert refused.json()["profile"] == f"{PROVIDER}:tok"
    assert world.prod.api().get("/sessions/s-1/pin").json()["profile"] == f"{PROVIDER}:tok"


def test_user_pin_of_deleted_profile_is_an_explicit_error(world: World, pair: tuple[str, str]) -> None:
    world.prod.api().send("PUT", "/sessions/s-1/pin", {"profile": pair[1]})
    assert world.prod.api().send("DELETE", f"/profiles/{pair[1]}").status_code == 204
    refused = _resolve(world.prod, session="s-1").json()
    assert (refused["code"], refused["reason"]) == ("pin_unavailable", "profile_missing")


def test_auto_pin_is_a_preference_that_follows_the_choice(world: World, pair: tuple[str, str]) -> None:
    assert _resolve(world.prod, session="s-2").json()["profile_id"] == pair[0]
    pin = world.prod.api().get("/sessions/s-2/pin").json()
    assert (pin["source"], pin["profile"]) == ("auto", f"{PROVIDER}:key")
    _cool(world.prod, pair[0])
    assert _resolve(world.prod, session="s-2").json()["profile_id"] == pair[1]
    assert world.prod.api().get("/sessions/s-2/pin").json()["profile"] == f"{PROVIDER}:tok"
    world.prod.api().post(f"/profiles/{pair[0]}/clear-cooldown")
    assert _resolve(world.prod, session="s-2").json()["profile_id"] == pair[1]


def test_pin_of_another_provider_does_not_bind(world: World, pair: tuple[str, str]) -> None:
    world.prod.api().send("PUT", "/sessions/s-3/pin", {"profile": "anthropic:default"})
    assert _resolve(world.prod, session="s-3").json()["profile_id"] == pair[0]


def test_clear_pin_returns_to_the_order(world: World, pair: tuple[str, str]) -> None:
    world.prod.api().send("PUT", "/sessions/s-4/pin", {"profile": pair[1]})
    assert world.prod.api().send("DELETE", "/sessions/s-4/pin").status_code == 204
    assert world.prod.api().get("/sessions/s-4/pin").status_code == 404
    assert _resolve(world.prod, session="s-4").json()["profile_id"] == pair[0]


@pytest.mark.parametrize("body", [{"pin": f"{PROVIDER}:tok"}, {"model": f"acme-llm/large-20250101@{PROVIDER}:tok"}])
def test_pin_in_request_by_name_or_behind_the_model_serves_it(
    world: World, pair: tuple[str, str], body: dict[str, str]
) -> None:
    assert _resolve(world.prod, **body).json()["profile_id"] == pair[1]


def test_pin_in_request_by_id_serves_it(world: World, pair: tuple[str, str]) -> None:
    assert _resolve(world.prod, pin=pair[1]).json()["profile_id"] == pair[1]


def test_pin_of_other_environment_or_tenant_is_never_served(world: World, pair: tuple[str, str]) -> None:
    for place in (world.dev, world.foreign):
        refused = _resolve(place, pin=pair[1])
        assert (refused.status_code, refused.json()["code"]) == (409, "pin_unavailable")
        assert place.api().send("PUT", "/sessions/s/pin", {"profile": pair[1]}).status_code == 400
    world.prod.api().send("PUT", "/sessions/s-5/pin", {"profile": pair[1]})
    assert world.dev.api().get("/sessions/s-5/pin").status_code == 404


def test_order_with_dangling_names_keeps_the_rest_and_warns(world: World, pair: tuple[str, str]) -> None:
    names = [f"{PROVIDER}:gone", f"{PROVIDER}:tok", f"{PROVIDER}:tok"]
    answer = world.prod.api().send("PUT", f"/order/{PROVIDER}", {"profiles": names})
    assert answer.json()["order"] == [f"{PROVIDER}:tok"]
    assert len(answer.json()["warnings"]) == 1
    assert _resolve(world.prod).json()["profile_id"] == pair[1]


def test_order_of_only_dangling_names_is_refused(world: World, pair: tuple[str, str]) -> None:
    answer = world.prod.api().send("PUT", f"/order/{PROVIDER}", {"profiles": [f"{PROVIDER}:gone"]})
    assert answer.status_code == 400
    assert world.prod.api().get(f"/order/{PROVIDER}").json()["order"] is None


def test_agent_order_beats_environment_order_and_falls_back_when_cleared(world: World, pair: tuple[str, str]) -> None:
    world.prod.api().send("PUT", f"/order/{PROVIDER}", {"profiles": [f"{PROVIDER}:key"]})
    world.prod.api().send("PUT", f"/agents/ops/order/{PROVIDER}", {"profiles": [f"{PROVIDER}:tok"]})
    assert _resolve(world.prod, agent="ops").json()["profile_id"] == pair[1]
    assert _resolve(world.prod).json()["profile_id"] == pair[0]
    world.prod.api().send("DELETE", f"/agents/ops/order/{PROVIDER}")
    assert _resolve(world.prod, agent="ops").json()["profile_id"] == pair[0]


def test_full_view_names_every_candidate_who_is_next_and_where_to(world: World) -> None:
    api = world.prod.api()
    for name in ("one", "two", "three"):
        body = {"provider": "groq", "name": name, "kind": "api_key", "value": "gsk_" + name * 12}
        assert api.post("/profiles", body).status_code == 201
    names = [f"groq:{name}" for name in ("three", "one", "two")]
    api.send("PUT", "/order/groq", {"profiles": names})
    full = api.post("/credentials/resolve", {"provider": "groq", "view": "full"}).json()
    assert [(line["profile"], line["reason"]) for line in full["trace"]] == [(name, "ok") for name in names]
    assert (full["profile"], full["next_profile"]) == ("groq:three", "groq:one")
    assert full["endpoint_url"] == "https://api.groq.com/openai/v1"
    api.send("PUT", "/providers/groq", {"endpoint_url": "https://groq.acme.example/v1"})
    api.send("PUT", "/order/groq", {"profiles": names[:1]})
    last = api.post("/credentials/resolve", {"provider": "groq", "view": "full"}).json()
    assert (last["next_profile"], last["endpoint_url"]) == (None, "https://groq.acme.example/v1")
    assert {line["reason"] for line in last["trace"][1:]} == {"excluded_by_auth_order"}
    compact = api.post("/credentials/resolve", {"provider": "groq"}).json()
    assert "next_profile" not in compact
    assert [line["profile"] for line in compact["trace"]] == ["groq:three"]
