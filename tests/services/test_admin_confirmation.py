"""What makes an administrator is confirmed by whoever grants it: people always, programs when they ask for it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Operator
from authsvc.tenants.services import command_caller, environment_caller, operator_caller
from authsvc.web.caller import Caller
from rbac.models import Gateway, Grant, Role
from rbac.services.administration import ConfirmationRequired
from rbac.services.grants import create_grant, get_principal
from rbac.services.roles import create_role, update_role
from tests.world import Place, World

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def operator(place: Place) -> Caller:
    return operator_caller(Operator.objects.get(username="acme"), place.environment())


def command(place: Place) -> Caller:
    return environment_caller(command_caller("root"), place.environment())


def system(place: Place) -> Caller:
    return place.caller()


@pytest.mark.parametrize("scope", ["authsvc:admin", "agent_os:admin", "research:admin"])
@pytest.mark.parametrize(
    ("who", "confirmed", "is_asked"),
    [
        (operator, None, True),
        (operator, ["agents:read"], True),
        (operator, ["this"], False),
        (command, [], True),
        (command, ["this"], False),
        (system, None, False),
        (system, [], True),
        (system, ["this"], False),
    ],
)
def test_grant_of_an_administrators_scope_is_confirmed_by_its_name(
    world: World, scope: str, who: Any, confirmed: list[str] | None, is_asked: bool
) -> None:
    place = world.prod
    Gateway.unscoped.filter(id=place.ids["gateway"]).update(admin_scope="research:admin")
    named = [scope if one == "this" else one for one in confirmed] if confirmed is not None else None
    wanted: dict[str, Any] = {"principal": get_principal(place.caller(), place.reader["client_id"]), "now": NOW}
    role = Role(tenant_id=place.caller().tenant_id, environment=place.environment(), name="all", scopes=[scope])
    role.save(force_insert=True)
    before = Grant.unscoped.count()
    if not is_asked:
        create_grant(who(place), role=role, confirmed=named, **wanted)
        return
    with pytest.raises(ConfirmationRequired) as refused:
        create_grant(who(place), role=role, confirmed=named, **wanted)
    assert refused.value.extra == {"confirm": [scope]}
    assert Grant.unscoped.count() == before


def test_other_scopes_are_granted_without_a_word(world: World) -> None:
    place = world.prod
    principal = get_principal(place.caller(), place.reader["client_id"])
    create_grant(operator(place), principal=principal, scopes=["agents:read", "audit:read"], now=NOW)


def test_role_that_somebody_holds_becomes_an_administrators_only_when_confirmed(world: World) -> None:
    place = world.prod
    role = create_role(place.caller(), name="grows", scopes=["audit:read"], now=NOW)
    wanted = ["audit:read", "agent_os:admin"]
    update_role(operator(place), role=role, scopes=wanted, now=NOW)  # nobody holds it
    update_role(operator(place), role=role, scopes=["audit:read"], now=NOW)
    principal = get_principal(place.caller(), place.reader["client_id"])
    create_grant(operator(place), principal=principal, role=role, now=NOW)
    with pytest.raises(ConfirmationRequired):
        update_role(operator(place), role=role, scopes=wanted, now=NOW)
    assert Role.unscoped.get(id=role.id).scopes == ["audit:read"]
    update_role(operator(place), role=role, scopes=wanted, confirmed=["agent_os:admin"], now=NOW)
    assert Role.unscoped.get(id=role.id).scopes == wanted


def test_program_that_sends_confirm_is_asked_too(world: World) -> None:
    place = world.prod
    body = {"principal_id": place.reader["client_id"], "role_id": place.ids["role"]}
    refused = place.api().post("/grants", {**body, "confirm": []})
    assert (refused.status_code, refused.json()["code"]) == (409, "confirmation_required")
    assert refused.json()["confirm"] == ["authsvc:admin"]
    assert place.api().post("/grants", {**body, "confirm": refused.json()["confirm"]}).status_code == 201
    assert place.api().post("/grants", body).status_code == 201


def run(verb: str, *words: str) -> Any:
    """Run the command in acme/prod; returns its document."""
    printed = io.StringIO()
    call_command("grants", verb, "--tenant", "acme", "--env", "prod", *words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def test_command_lists_gives_and_takes_grants(world: World) -> None:
    reader = world.prod.reader["client_id"]
    wanted = ("--principal", reader, "--role", world.prod.ids["role"], "--days", "7", "--reason", "on call")
    with pytest.raises(CommandError, match="To confirm, repeat: authsvc:admin"):
        run("create", *wanted)
    [made] = run("create", *wanted, "--confirm", "authsvc:admin")
    assert (made["principal"], made["scopes"]) == (reader, ["authsvc:admin"])
    assert {row["id"] for row in run("list", "--principal", reader)} >= {made["id"]}
    assert {row["principal"] for row in run("list", "--principal", reader)} == {reader}
    assert run("revoke", "--id", made["id"], "--reason", "over")[0]["revoked_at"]
    event = AuditEvent.objects.filter(event_type="grant.revoked").latest("sequence")
    assert (event.subject_id, event.actor_kind) == (made["id"], "command")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("create", "--principal", "x"), "--role or --scope"),
        (("create", "--principal", "x", "--scope", "agents:read", "--days", "0"), "--days"),
        (("create", "--principal", "x", "--scope", "agents:read"), "nothing here"),
        (("revoke", "--id", "grt_missing"), "nothing here"),
    ],
)
def test_command_names_what_is_wrong(world: World, words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        run(*words)


def test_command_grants_a_scope_at_one_gateway_and_refuses_a_bad_one(world: World) -> None:
    reader, gateway = world.prod.reader["client_id"], world.prod.ids["gateway"]
    [made] = run("create", "--principal", reader, "--scope", "agents:agent-1:run", "--gateway", gateway)
    assert (made["gateway"], made["scopes"], made["role"]) == (gateway, ["agents:agent-1:run"], None)
    with pytest.raises(CommandError, match="agents::read"):
        run("create", "--principal", reader, "--scope", "agents::read")
