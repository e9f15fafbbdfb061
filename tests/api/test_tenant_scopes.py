"""Scopes a tenant adds to the catalogue."""

from __future__ import annotations

import pytest

from authsvc.audit.models import AuditEvent
from tests.world import Api, World

ADDED = {"scope": "reports:sign", "sentence": "Sign reports."}


def test_added_scope_is_listed_granted_and_issued(world: World) -> None:
    place, api = world.prod, world.prod.api()
    role = {"name": "Signer", "scopes": ["reports:r1:sign"]}
    assert api.post("/roles", role).status_code == 400
    added = api.post("/scopes", ADDED)
    assert added.status_code == 201
    assert AuditEvent.objects.filter(event_type="scope.defined").count() == 1
    assert ADDED["scope"] in {entry["scope"] for entry in api.get("/scopes").json()["results"]}
    role_id = api.post("/roles", role).json()["id"]
    grant = {"principal_id": place.reader["client_id"], "role_id": role_id, "gateway_id": place.gateway["id"]}
    assert api.post("/grants", grant).status_code == 201
    token = place.token_request(**place.reader, scope="reports:r1:sign", audience=place.gateway["audience"])
    assert token.json()["scope"] == "reports:r1:sign"
    assert world.dev.api().post("/roles", role).status_code == 400
    assert api.send("DELETE", f"/scopes/{added.json()['id']}").status_code == 204
    assert api.post("/roles", {**role, "name": "Again"}).status_code == 400


@pytest.mark.parametrize(
    "scope",
    [
        "profiles:read",
        "profiles:burn",
        "agents:read",
        "system:burn",
        "authsvc:x",
        "agent_os:x",
        "a:b:c",
        "a",
        "a:*",
        "a b:c",
    ],
)
def test_scope_that_is_not_the_tenants_own_is_refused(world: World, scope: str) -> None:
    assert world.prod.api().post("/scopes", {**ADDED, "scope": scope}).status_code in {400, 409}


def test_added_twice_is_a_conflict_and_elsewhere_is_free(world: World) -> None:
    assert world.prod.api().post("/scopes", ADDED).status_code == 201
    assert world.prod.api().post("/scopes", ADDED).json()["code"] == "scope_exists"
    assert world.dev.api().post("/scopes", ADDED).status_code == 201


def test_scopes_refuse_nobody_the_reader_and_foreigners(world: World) -> None:
    added = world.prod.api().post("/scopes", ADDED).json()["id"]
    assert Api().post("/scopes", ADDED).status_code == 401
    reader = Api(world.prod.access_token(**world.prod.reader))
    assert reader.get("/scopes").status_code == 200
    assert reader.post("/scopes", ADDED).status_code == 403
    assert world.foreign.api().send("DELETE", f"/scopes/{added}").status_code == 404
