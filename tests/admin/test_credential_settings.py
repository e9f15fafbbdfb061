"""Settings of an environment's credentials: in the admin and by command, through the service of the API."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from authsvc.audit.models import AuditEvent
from profiles.models import Credential, ProfileSettings
from tests.world import World

PAGES = "/admin/profiles/profilesettings/"
FORM = {"strategy": "classic", "backoff_preset": "clawdbot", "failure_threshold": "3", "lease_threshold": "0"}


def add(world: World, client: Client, **fields: str) -> Any:
    return client.post(f"{PAGES}add/", {"environment": world.prod.environment().id, **FORM, **fields})


def test_settings_are_set_changed_audited_and_the_same_in_the_api(world: World, acme: Client) -> None:
    assert add(world, acme, preferred_kind="token", lease_ttl_seconds="120").status_code == 302
    shown = world.prod.api().get("/profiles/settings").json()
    assert (shown["preferred_kind"], shown["backoff_preset"], shown["lease_ttl_seconds"]) == ("token", "clawdbot", 120)
    assert b"It has settings already" in add(world, acme).content
    row = ProfileSettings.unscoped.get()
    assert 'value="120"' in acme.get(f"{PAGES}{row.pk}/do/change/").content.decode()
    assert acme.post(f"{PAGES}{row.pk}/do/change/", {**FORM, "strategy": "current"}).status_code == 302
    changed = world.prod.api().get("/profiles/settings").json()
    assert (changed["strategy"], changed["preferred_kind"], changed["lease_ttl_seconds"]) == ("current", "", None)
    assert AuditEvent.objects.filter(event_type="profile_settings.updated", actor_kind="operator").count() == 2
    assert "profile_settings.updated" in acme.get(f"{PAGES}{row.pk}/change/").content.decode()
    assert world.dev.api().get("/profiles/settings").json()["backoff_preset"] != "clawdbot"


@pytest.mark.parametrize(
    ("field", "value"), [("lease_ttl_seconds", "59"), ("strategy", "x"), ("failure_threshold", "-1")]
)
def test_impossible_setting_is_an_error_of_the_form(world: World, acme: Client, field: str, value: str) -> None:
    assert 'class="form-row errors"' in add(world, acme, **{field: value}).content.decode()
    assert not ProfileSettings.unscoped.exists()
    answer = world.prod.api().send("PATCH", "/profiles/settings", {field: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_those_without_the_right_set_nothing(world: World, auditor: Client, globex: Client) -> None:
    assert add(world, auditor).status_code in {403, 404}
    add(world, globex)
    assert not ProfileSettings.unscoped.exists()


def test_life_of_a_hand_out_and_warning_follow_the_environment_before_the_tenant(world: World, now: datetime) -> None:
    api, ends_ms = world.prod.api(), int((now + timedelta(hours=23)).timestamp() * 1000)
    body = {"provider": "anthropic"}
    usual = datetime.fromisoformat(api.post("/credentials/resolve", body).json()["lease_expires_at"])
    rows = Credential.unscoped.filter(id=world.prod.ids["credential"])
    rows.update(kind="token", expires_at_ms=ends_ms)
    assert api.get("/status").json()["check"] == 2
    assert (
        api.send("PATCH", "/profiles/settings", {"lease_ttl_seconds": 60, "warn_after_seconds": 3600}).status_code
        == 200
    )
    short = datetime.fromisoformat(api.post("/credentials/resolve", body).json()["lease_expires_at"])
    assert usual - short > timedelta(minutes=50)
    assert api.get("/status").json()["check"] == 0
    assert api.get("/status?warn_after=24h").json()["check"] == 2


def test_command_shows_and_changes_settings(world: World) -> None:
    assert _command()["lease_ttl_seconds"] is None
    changed = _command("--set", "lease_ttl_seconds=300", "--set", "preferred_kind=token")
    assert (changed["lease_ttl_seconds"], changed["preferred_kind"]) == (300, "token")
    back = _command("--set", "lease_ttl_seconds=", "--set", "preferred_kind=")
    assert (back["lease_ttl_seconds"], back["preferred_kind"]) == (None, "")
    for wrong in ("strategy=x", "colour=1", "strategy"):
        with pytest.raises(CommandError):
            _command("--set", wrong)


def _command(*arguments: str) -> dict[str, Any]:
    output = io.StringIO()
    call_command("profiles", "settings", *arguments, "--tenant", "acme", "--env", "prod", "--json", stdout=output)
    shown: dict[str, Any] = json.loads(output.getvalue())
    return shown
