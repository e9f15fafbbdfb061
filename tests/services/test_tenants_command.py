"""``tenants`` and ``/tenant``: who may stop a tenant, what is answered then, and who brings it back."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Tenant
from authsvc.tokens.models import SigningKey
from tests.world import Api, World


def run(*words: str) -> Any:
    """Run the command; returns its document."""
    printed = io.StringIO()
    call_command("tenants", *words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def test_tenants_are_listed_with_state_and_environments(world: World) -> None:
    listed = {row["tenant"]: row for row in run("list")}
    assert listed.keys() == {"acme", "globex"}
    assert (listed["acme"]["state"], listed["acme"]["environments"]) == ("active", ["dev", "prod"])
    assert [row["tenant"] for row in run("list", "--tenant", "globex")] == ["globex"]
    with pytest.raises(CommandError, match="no tenant nobody"):
        run("list", "--tenant", "nobody")


def test_added_tenant_and_environment_are_ready_for_use(world: World) -> None:
    [made] = run("add", "--tenant", "initech", "--name", "Initech")
    assert made == {"tenant": "initech", "name": "Initech", "state": "active", "environments": ["dev", "prod"]}
    [grown] = run("add-environment", "--tenant", "initech", "--env", "staging")
    assert grown["environments"] == ["dev", "prod", "staging"]
    assert SigningKey.unscoped.filter(tenant_id=Tenant.objects.get(slug="initech").id, state="active").count() == 3
    with pytest.raises(CommandError, match="already in use"):
        run("add", "--tenant", "initech")
    with pytest.raises(CommandError, match="Lower-case"):
        run("add", "--tenant", "No Slug")


def test_suspended_tenant_gets_no_answer_until_it_is_resumed(world: World) -> None:
    token = world.prod.access_token()
    [stopped] = run("suspend", "--tenant", "acme", "--reason", "unpaid")
    assert stopped["state"] == "suspended"
    for bearer in (token, world.prod.api_key, world.dev.api_key):
        assert Api(bearer).get("/me").status_code == 401
    assert Api().get(world.prod.path("/.well-known/jwks.json")).status_code == 404
    assert world.prod.token_request().status_code == 404
    assert world.foreign.api().get("/me").status_code == 200
    assert run("resume", "--tenant", "acme", "--reason", "paid")[0]["state"] == "active"
    assert Api(token).get("/me").status_code == 200
    events = AuditEvent.objects.filter(event_type__in=["tenant.suspended", "tenant.resumed"]).order_by("sequence")
    assert [(event.event_type, event.detail["reason"]) for event in events] == [
        ("tenant.suspended", "unpaid"),
        ("tenant.resumed", "paid"),
    ]
    with pytest.raises(CommandError, match="--reason"):
        run("suspend", "--tenant", "acme", "--reason", " ")


def test_token_of_prod_stops_its_tenant_and_only_that(world: World) -> None:
    body = {"confirm": "acme", "reason": "broken into"}
    assert world.dev.api().post("/tenant/suspend", body).json()["detail"].startswith("A suspension stops every")
    assert world.foreign.api().post("/tenant/suspend", body).json()["errors"].keys() == {"confirm"}
    assert world.prod.api().get("/tenant").json()["state"] == "active"
    stopped = world.prod.api().post("/tenant/suspend", body)
    assert (stopped.status_code, stopped.json()["state"]) == (200, "suspended")
    assert world.prod.api().get("/me").status_code == world.dev.api().get("/me").status_code == 401
    assert world.foreign.api().get("/tenant").json() == {
        "tenant": "globex",
        "name": Tenant.objects.get(slug="globex").name,
        "state": "active",
        "environments": ["dev", "prod"],
    }
