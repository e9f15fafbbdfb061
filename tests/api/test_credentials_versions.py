"""Versions: a paste keeps the profile's id, the old one drains while it is leased, and rotation falls due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from profiles.models import Credential
from tests.world import World

PROVIDER = "acme-llm"


def _profile(world: World) -> str:
    body = {"provider": PROVIDER, "kind": "api_key", "value": "first-secret-000001"}
    return str(world.prod.api().post("/profiles", body).json()["id"])


def _replace(world: World, profile_id: str, value: str = "second-secret-00002") -> Any:
    body = {"kind": "api_key", "value": value}
    return world.prod.api().post(f"/profiles/{profile_id}/credentials", body)


def _versions(world: World, profile_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.prod.api().get(f"/profiles/{profile_id}/credentials").json()["results"]
    return sorted(found, key=lambda version: int(version["version"]))


def test_replaced_version_drains_while_leased_and_names_its_last_user(world: World) -> None:
    profile_id = _profile(world)
    world.prod.api().post("/credentials/resolve", {"provider": PROVIDER})
    assert _replace(world, profile_id).status_code == 201
    old, new = _versions(world, profile_id)
    assert (old["rotation_state"], new["rotation_state"]) == ("draining", "current")
    assert world.prod.client_id in old["overlap"]
    assert "ago" in old["overlap"]
    Credential.objects.for_environment(world.prod.caller()).filter(id=old["id"]).update(
        leased_until=world.made_at - timedelta(days=1)
    )
    assert _versions(world, profile_id)[0]["rotation_state"] == "retired"
    answer = world.prod.api().post("/credentials/resolve", {"provider": PROVIDER}).json()
    assert (answer["value"], answer["profile_id"]) == ("second-secret-00002", profile_id)


def test_deleted_version_has_lost_its_ciphertext(world: World) -> None:
    profile_id = _profile(world)
    _replace(world, profile_id)
    old = _versions(world, profile_id)[0]
    assert old["overlap"] == "This version was never handed out."
    assert world.prod.api().send("DELETE", f"/profiles/{profile_id}/credentials/{old['id']}").status_code == 204
    assert Credential.objects.for_environment(world.prod.caller()).get(id=old["id"]).sealed == ""
    assert _versions(world, profile_id)[0]["rotation_state"] == "deleted"


@pytest.mark.parametrize(("age_days", "state"), [(0, "ok"), (29, "ok"), (31, "due"), (38, "overdue")])
def test_rotation_falls_due_after_thirty_days(world: World, age_days: int, state: str) -> None:
    profile_id = _profile(world)
    Credential.objects.for_environment(world.prod.caller()).filter(profile_id=profile_id).update(
        created_at=world.made_at - timedelta(days=age_days)
    )
    assert world.prod.api().get(f"/profiles/{profile_id}").json()["rotation"] == state
    world.prod.api().send("PATCH", f"/profiles/{profile_id}", {"rotate_after_days": 0})
    assert world.prod.api().get(f"/profiles/{profile_id}").json()["rotation"] == "never"


def test_providers_show_the_catalogue_and_an_environments_own_entry(world: World) -> None:
    body = {"label": "Acme", "env_names": ["ACME_KEY"], "dashboard_url": "https://acme.example/usage"}
    assert world.prod.api().send("PUT", f"/providers/{PROVIDER}", body).status_code == 200
    listed = {each["provider"]: each for each in world.prod.api().get("/providers").json()["results"]}
    assert listed[PROVIDER]["env_names"] == ["ACME_KEY"]
    assert listed["anthropic"]["env_names"][0] == "ANTHROPIC_OAUTH_TOKEN"
    _profile(world)
    assert world.prod.api().post("/credentials/resolve", {"provider": PROVIDER}).json()["env_name"] == "ACME_KEY"
    for place in (world.dev, world.foreign):
        assert place.api().get(f"/providers/{PROVIDER}").status_code == 404
    assert world.prod.api().send("DELETE", f"/providers/{PROVIDER}").status_code == 204
    assert world.prod.api().get(f"/providers/{PROVIDER}").status_code == 404


@pytest.mark.parametrize(
    "body", [{"env_names": ["a b"]}, {"dashboard_url": "javascript:alert(1)"}, {"token_url": "ftp://x"}, {"odd": 1}]
)
def test_provider_with_bad_field_is_400(world: World, body: dict[str, Any]) -> None:
    assert world.prod.api().send("PUT", f"/providers/{PROVIDER}", body).status_code == 400
