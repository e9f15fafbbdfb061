"""From an unknown tenant to a working lease in one scripted run, and nothing left behind by one that fails."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from authsvc.tenants.models import Tenant
from tests.world import Api, World

KEY = "sk-ant-api03-ONBOARD-0123456789"
OPTIONS = ("--tenant", "initech", "--env", "prod", "--provider", "anthropic", "--gateway", "front")


def _onboard(monkeypatch: pytest.MonkeyPatch, stdin: str, *options: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    output = io.StringIO()
    call_command("onboard", *options, stdout=output)
    return output.getvalue()


def test_onboard_leads_to_a_working_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = _onboard(monkeypatch, f"{KEY}\n", *OPTIONS, "--json")
    assert KEY not in text
    document = json.loads(text)
    assert document["check"] == 0
    leased = Api(document["lease_key"]).post("/credentials/resolve", {"provider": "anthropic"})
    assert leased.json()["value"] == KEY
    assert Api(document["gateway"]["token"]).post("/credentials/resolve", {"provider": "anthropic"}).status_code == 403


def test_onboard_again_stores_a_new_version_of_the_same_profile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = json.loads(_onboard(monkeypatch, KEY, *OPTIONS, "--json"))
    second = json.loads(_onboard(monkeypatch, f"{KEY}-2", *OPTIONS, "--json"))
    assert first["profile"] == second["profile"]
    assert first["gateway"]["id"] == second["gateway"]["id"]
    leased = Api(second["lease_key"]).post("/credentials/resolve", {"provider": "anthropic"})
    assert leased.json()["value"] == f"{KEY}-2"


def test_onboard_with_bad_key_leaves_nothing_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError) as refused:
        _onboard(monkeypatch, "not-a-key-of-theirs", *OPTIONS)
    assert refused.value.returncode == 1
    assert "not-a-key-of-theirs" not in str(refused.value)
    assert not Tenant.objects.filter(slug="initech").exists()


def test_onboard_without_an_option_or_terminal_is_bad_usage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError) as refused:
        _onboard(monkeypatch, KEY, *OPTIONS[:4])
    assert refused.value.returncode == 64
