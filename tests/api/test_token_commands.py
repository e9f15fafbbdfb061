"""``tokens issue|revoke`` and ``principals disable|enable`` on the command line."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authsvc.audit.models import AuditEvent
from tests.world import Api, World

PLACE = ("--tenant", "acme", "--env", "prod", "--json")


def run(*arguments: str) -> Any:
    output = StringIO()
    call_command(*arguments, *PLACE, stdout=output)
    return json.loads(output.getvalue())


def issue(world: World, *arguments: str) -> Any:
    return run("tokens", "issue", "--principal", world.prod.client_id, *arguments)


def test_tokens_issue_prints_a_working_token(world: World) -> None:
    document = issue(world, "--scope", "profiles:read", "--ttl", "60", "--with-refresh-token")
    assert document["scope"] == "profiles:read"
    assert Api(document["access_token"]).get("/profiles").status_code == 200
    assert Api(document["access_token"]).get("/roles").status_code == 403
    fresh = world.prod.token_request(grant_type="refresh_token", refresh_token=document["refresh_token"])
    assert fresh.status_code == 200


@pytest.mark.parametrize("way", ["jti", "principal", "all"])
def test_tokens_revoke_ends_them_at_once(world: World, way: str) -> None:
    document = issue(world, "--scope", "profiles:read")
    assert Api(document["access_token"]).get("/me").status_code == 200
    chosen = {"jti": ("--jti", document["jti"]), "principal": ("--principal", world.prod.client_id), "all": ("--all",)}
    assert run("tokens", "revoke", *chosen[way], "--reason", "test")["revoked"] >= 1
    assert Api(document["access_token"]).get("/me").status_code == 401


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("tokens", "issue"), 64),
        (("tokens", "revoke", "--all"), 64),
        (("tokens", "revoke", "--all", "--jti", "x", "--reason", "y"), 64),
        (("tokens", "revoke", "--jti", "jti_missing", "--reason", "y"), 1),
        (("tokens", "issue", "--principal", "svc_missing"), 1),
        (("principals", "disable", "--id", "svc_missing", "--reason", "x"), 1),
    ],
)
def test_commands_with_bad_arguments_fail(world: World, arguments: tuple[str, ...], code: int) -> None:
    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    assert refusal.value.returncode == code


def test_principals_disable_and_enable(world: World) -> None:
    token = world.prod.access_token()
    assert Api(token).get("/me").status_code == 200
    document = run("principals", "disable", "--id", world.prod.client_id, "--reason", "left")
    assert document["state"] == "disabled"
    assert Api(token).get("/me").status_code == 401
    assert world.prod.token_request().status_code == 401
    run("principals", "enable", "--id", world.prod.client_id, "--reason", "back")
    assert Api(token).get("/me").status_code == 200
    kinds = AuditEvent.objects.filter(subject_id=world.prod.client_id).values_list("actor_kind", flat=True)
    assert "command" in set(kinds)
