"""Trying a credential at its provider: off until configured, one address alone, and what it finds moves the usage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authsvc.audit.models import AuditEvent
from tests.fake_provider import FakeProvider, fake_provider
from tests.world import World

PROVIDER = "tried-llm"
VALUE = "tried-secret-000000000001"
PLACE = ("--tenant", "acme", "--env", "prod", "--profile", f"{PROVIDER}:default")


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """Yield a provider on loopback."""
    with fake_provider() as fake:
        yield fake


def _configure(world: World, provider: FakeProvider, **fields: str) -> None:
    answer = world.prod.api().send("PUT", f"/providers/{PROVIDER}", {"probe_url": provider.url, **fields})
    assert answer.status_code == 200, answer.content


def _profile(world: World, **fields: str) -> str:
    body = {"provider": PROVIDER, "kind": "api_key", "value": VALUE, **fields}
    return str(world.prod.api().post("/profiles", body).json()["id"])


def _probe(world: World, profile_id: str) -> Any:
    return world.prod.api().post(f"/profiles/{profile_id}/probe")


def _disable(world: World, profile_id: str) -> None:
    world.prod.api().post("/credentials/report", {"outcome": "failure", "profile_id": profile_id, "reason": "billing"})


def test_probe_is_off_until_an_administrator_names_an_address(world: World, provider: FakeProvider) -> None:
    answer = _probe(world, _profile(world))
    assert (answer.status_code, answer.json()["code"]) == (409, "probe_not_configured")
    assert provider.probes == []


def test_accepted_credential_ends_its_cooldown_and_is_audited(world: World, provider: FakeProvider) -> None:
    _configure(world, provider)
    profile_id = _profile(world)
    _disable(world, profile_id)
    answer = _probe(world, profile_id)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["outcome"], found["status"], found["http_status"], found["version"]) == ("accepted", "ok", 200, 1)
    assert [sent["authorization"] for sent in provider.probes] == [f"Bearer {VALUE}"]
    assert VALUE not in answer.content.decode()
    event = AuditEvent.objects.get(event_type="credential.probed")
    assert (event.detail["outcome"], event.detail["profile_id"]) == ("accepted", profile_id)
    assert world.prod.api().post("/credentials/resolve", {"provider": PROVIDER}).json()["value"] == VALUE


@pytest.mark.parametrize(
    ("status", "message", "outcome", "reason", "state"),
    [
        (401, "invalid x-api-key", "refused", "auth", "cooldown"),
        (402, "credit balance is too low", "refused", "billing", "disabled"),
        (429, "too many requests", "refused", "rate_limit", "cooldown"),
        (403, "only authorized for use with Claude Code", "refused", "credential_not_allowed", "disabled"),
        (404, "nothing here", "unknown", None, "ok"),
        (500, "broken", "unknown", None, "ok"),
    ],
)
def test_refusal_moves_the_usage_and_a_wrong_address_does_not(
    world: World, provider: FakeProvider, status: int, message: str, outcome: str, reason: str | None, state: str
) -> None:
    _configure(world, provider)
    provider.probe = (status, message)
    found = _probe(world, _profile(world)).json()
    assert (found["outcome"], found["reason"], found["status"]) == (outcome, reason, state)
    assert found["http_status"] == status


def test_provider_that_cannot_be_reached_blames_nobody(world: World, provider: FakeProvider) -> None:
    _configure(world, provider)
    provider.probe = (302, "")
    assert _probe(world, _profile(world)).json()["outcome"] == "unknown"
    world.prod.api().send("PUT", f"/providers/{PROVIDER}", {"probe_url": "http://127.0.0.1:9/"})
    found = _probe(world, _profile(world, name="two")).json()
    assert (found["outcome"], found["reason"], found["status"]) == ("unknown", "provider_unreachable", "ok")


@pytest.mark.parametrize(
    ("style", "kind", "header"),
    [
        ("x-api-key", "api_key", "x-api-key"),
        ("anthropic", "api_key", "x-api-key"),
        ("anthropic", "token", "authorization"),
    ],
)
def test_secret_is_sent_as_the_provider_wants_it(
    world: World, provider: FakeProvider, style: str, kind: str, header: str
) -> None:
    _configure(world, provider, probe_style=style)
    _probe(world, _profile(world, kind=kind))
    assert [name for name, value in provider.probes[0].items() if VALUE in value] == [header]
    assert ("anthropic-version" in provider.probes[0]) is (style == "anthropic")


@pytest.mark.parametrize("url", ["http://10.0.0.1/models", "ftp://provider.example/", "https://u:p@provider.example/"])
def test_address_that_is_not_allowed_is_refused_by_field(world: World, url: str) -> None:
    answer = world.prod.api().send("PUT", f"/providers/{PROVIDER}", {"probe_url": url})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["probe_url"])


def test_commands_probe_and_clear_a_cooldown(world: World, provider: FakeProvider) -> None:
    with pytest.raises(CommandError, match="no probe_url"):
        _profile(world)
        call_command("profiles", "probe", *PLACE)
    _configure(world, provider)
    said = StringIO()
    call_command("profiles", "probe", *PLACE, "--json", stdout=said)
    assert json.loads(said.getvalue())["outcome"] == "accepted"
    provider.probe = (401, "invalid api key")
    with pytest.raises(SystemExit) as refused:
        call_command("profiles", "probe", *PLACE, stdout=StringIO())
    provider.probe = (404, "")
    with pytest.raises(SystemExit) as unknown:
        call_command("profiles", "probe", *PLACE, stdout=StringIO())
    assert (refused.value.code, unknown.value.code) == (1, 3)
    assert world.prod.api().post("/credentials/resolve", {"provider": PROVIDER}).status_code == 409
    call_command("profiles", "clear-cooldown", *PLACE, stdout=StringIO())
    assert world.prod.api().post("/credentials/resolve", {"provider": PROVIDER}).status_code == 200
    with pytest.raises(CommandError, match="no profile"):
        call_command("profiles", "clear-cooldown", *PLACE[:-1], "tried-llm:gone")
