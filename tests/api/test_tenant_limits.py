"""A tenant's own limits: within bounds, by every door, audited, in force with the next request, and for it alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Tenant
from authsvc.web.limit_middleware import microseconds
from authsvc.web.limit_store import bucket_store
from tests.world import Api, World


@pytest.fixture(autouse=True)
def _limits_on_a_still_clock(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.AUTHSVC_DEMO_LIMITS, settings.AUTHSVC_PROCESSES = "on", 1
    moment = microseconds()
    monkeypatch.setattr("authsvc.web.limit_middleware.microseconds", lambda: moment)
    monkeypatch.setattr("authsvc.gate.forward_auth.microseconds", lambda: moment)
    bucket_store.cache_clear()
    yield
    bucket_store.cache_clear()


def put(world: World, general: int | None, sensitive: int | None) -> Any:
    body = {"general_limit": general, "sensitive_limit": sensitive}
    return world.prod.api().send("PUT", "/limits", body)


def test_own_limits_replace_the_services_from_the_next_request_on(world: World, settings: Any) -> None:
    settings.API_RATE_LIMIT = "2/min"
    assert put(world, 5, None).status_code == 200
    api = world.dev.api()  # of the same tenant, and asks for the first time
    answers = [api.get("/me") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [answer["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    assert answers[-1]["X-RateLimit-Limit"] == "5"
    assert answers[0]["RateLimit-Policy"] == '"general";q=5;w=60, "principal";q=5;w=60'


def test_lower_limit_binds_and_other_tenants_keep_theirs(world: World) -> None:
    assert put(world, 1, 1).json()["in_force"] == {"general": 1, "sensitive": 1}
    assert [world.dev.api().get("/me").status_code for _ in range(2)] == [200, 429]
    assert [world.foreign.api().get("/me").status_code for _ in range(3)] == [200] * 3


def test_without_a_proof_the_services_own_limit_stays(world: World, settings: Any) -> None:
    put(world, 1000, 100)
    settings.API_RATE_LIMIT = "2/min"
    forged = Api("eyJhbGciOiJSUzI1NiJ9.eyJ0ZW5hbnQiOiJhY21lIn0.x")
    assert [forged.get("/me").status_code for _ in range(2)] == [401, 429]
    assert Api().get("/me").status_code == 429


def test_sensitive_limit_holds_for_tokens_credentials_and_gateways(world: World) -> None:
    put(world, None, 3)
    assert [world.prod.token_request().status_code for _ in range(4)] == [200] * 3 + [429]
    assert [world.foreign.token_request().status_code for _ in range(4)] == [200] * 4
    put(world, None, None)
    assert world.prod.token_request()["X-RateLimit-Limit"] == "20"


def test_sensitive_limit_holds_for_resolving(world: World) -> None:
    put(world, None, 3)
    body = {"provider": "anthropic"}
    statuses = [world.prod.api().post("/credentials/resolve", body).status_code for _ in range(4)]
    assert statuses == [200] * 3 + [429]


def test_forward_auth_of_a_tenant_counts_ten_times_its_limit(world: World) -> None:
    put(world, 1, None)
    path = world.prod.path(f"/gateways/{world.prod.gateway['id']}/forward-auth")
    headers = {"Authorization": f"Bearer {world.prod.gateway['token']}"}
    statuses = [Client().get(path, headers=headers).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [403]


@pytest.mark.parametrize(
    ("general", "sensitive", "field"),
    [(0, None, "general_limit"), (1001, None, "general_limit"), (-1, None, "general_limit"),
     (None, 0, "sensitive_limit"), (None, 101, "sensitive_limit")],
)  # fmt: skip
def test_limit_outside_the_bounds_is_a_field_error_by_every_door(
    world: World, general: int | None, sensitive: int | None, field: str
) -> None:
    answer = put(world, general, sensitive)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    option = "--general" if general is not None else "--sensitive"
    with pytest.raises(CommandError, match="Choose 1 to"):
        call_command("limits", "set", "--tenant", "acme", option, str(general if sensitive is None else sensitive))
    with pytest.raises(IntegrityError), transaction.atomic():
        Tenant.objects.filter(slug="acme").update(general_limit=general, sensitive_limit=sensitive)


def test_limits_are_shown_and_changes_audited(world: World) -> None:
    assert world.prod.api().get("/limits").json() == {
        "general_limit": None,
        "sensitive_limit": None,
        "in_force": {"general": 100, "sensitive": 20},
        "bounds": {"general_limit": [1, 1000], "sensitive_limit": [1, 100]},
    }
    put(world, 7, 8)
    event = AuditEvent.objects.filter(event_type="tenant.updated").latest("sequence")
    assert event.detail == {"changed": ["general_limit", "sensitive_limit"]}
    assert event.tenant_id == world.prod.environment().tenant_id


def test_command_sets_and_shows(world: World) -> None:
    call_command("limits", "set", "--tenant", "acme", "--general", "9", stdout=StringIO())
    output = StringIO()
    call_command("limits", "show", "--json", stdout=output)
    shown = {row["tenant"]: (row["general"], row["sensitive"], row["is_own"]) for row in json.loads(output.getvalue())}
    assert shown == {"acme": (9, 20, True), "globex": (100, 20, False)}


def test_reader_may_look_and_not_set(world: World) -> None:
    reader = world.prod.document["reader"]
    token = world.prod.access_token(client_id=reader["client_id"], client_secret=reader["client_secret"])
    assert Api(token).get("/limits").status_code == 200
    answer = Api(token).send("PUT", "/limits", {"general_limit": 1, "sensitive_limit": 1})
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_admin_button_sets_the_limits(world: World) -> None:
    client, operator = Client(), world.document["operators"]["acme"]
    client.post("/admin/login/", {"username": operator["username"], "password": operator["password"]})
    tenant = Tenant.objects.get(slug="acme")
    address = f"/admin/authsvc/tenant/{tenant.id}/do/limits/"
    assert client.get(address).status_code == 200
    refused = client.post(address, {"general_limit": "1001", "sensitive_limit": ""})
    assert b"Choose 1 to 1000" in refused.content
    assert client.post(address, {"general_limit": "30", "sensitive_limit": ""}).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.general_limit, tenant.sensitive_limit) == (30, None)
