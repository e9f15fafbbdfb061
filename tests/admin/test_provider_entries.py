"""The page of an environment's own providers: who may name an address for secrets, how it asks, and what it refuses."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from authsvc.audit.models import AuditEvent
from profiles.models import ProviderEntry
from tests.admin.conftest import prove
from tests.world import World

LIST = "/admin/profiles/providerentry/"
FORM = {"minimum_length": "1", "token_body": "form", "probe_style": "bearer"}
ADDRESS = "https://acme.example/oauth/token"


def add(client: Client, world: World, **fields: str) -> Any:
    place = world.prod.environment().id
    return client.post(f"{LIST}add/", {"environment": place, "provider": "acme-llm", **FORM, **fields})


def entry() -> ProviderEntry:
    found: ProviderEntry = ProviderEntry.unscoped.get(slug="acme-llm")
    return found


def test_added_provider_is_used_by_forms_api_and_resolution(world: World, acme: Client) -> None:
    fields = {"label": "Acme", "env_names": "ACME_KEY, ACME_TOKEN", "prefixes": "acme-", "minimum_length": "12"}
    assert add(acme, world, **fields, billing="subscription").status_code == 302
    shown = world.prod.api().get("/providers/acme-llm").json()
    assert (shown["label"], shown["env_names"]) == ("Acme", ["ACME_KEY", "ACME_TOKEN"])
    key = next(each for each in shown["kinds"] if each["kind"] == "api_key")
    assert (key["prefixes"], key["minimum_length"], key["billing"]) == (["acme-"], 12, "subscription")
    body = {"provider": "acme-llm", "kind": "api_key", "value": "other-000000000001"}
    refused = world.prod.api().post("/profiles", body).json()
    assert refused["errors"] == {"value": ["For acme-llm, an API key begins with acme-."]}
    assert world.prod.api().post("/profiles", {**body, "value": "acme-1"}).json()["reason"] == "too_short"
    assert world.dev.api().post("/profiles", body).status_code == 201
    preview = {**body, "environment": world.prod.environment().id, "preview": "1", "name": "x", "agent": "main"}
    hint = acme.post("/admin/profiles/profile/add/", {**preview, "minimum_trust": "0"}).content.decode()
    assert "an API key begins with acme-." in hint
    assert "Use draws on a subscription." in hint
    assert world.prod.api().post("/profiles", {**body, "value": "acme-00000000001"}).status_code == 201
    wanted = {"provider": "acme-llm", "require": ["subscription"]}
    assert world.prod.api().post("/credentials/resolve", wanted).json()["env_name"] == "ACME_KEY"
    missing = world.prod.api().post("/credentials/resolve", {"provider": "acme-llm", "require": ["metered"]}).json()
    assert (missing["code"], missing["env_names"]) == ("no_credentials", ["ACME_KEY", "ACME_TOKEN"])


def test_form_says_where_secrets_may_go_and_an_address_asks_for_the_factor(world: World, acme: Client) -> None:
    form = acme.get(f"{LIST}add/").content.decode()
    assert "Outbound requests go to this one address and no other" in form
    assert not ProviderEntry.unscoped.filter(slug="acme-llm").exists()
    assert add(acme, world, token_url=ADDRESS).status_code != 302
    assert not ProviderEntry.unscoped.filter(slug="acme-llm").exists()
    assert add(prove(acme), world, token_url=ADDRESS, token_client_id="cli").status_code == 302
    page = acme.get(f"{LIST}{entry().pk}/change/").content.decode()
    assert f"{ADDRESS}: refresh tokens" in page
    assert "provider.updated" in page


def test_change_keeps_its_page_and_removal_ends_it(world: World, acme: Client) -> None:
    add(prove(acme), world, token_url=ADDRESS)
    page = f"{LIST}{entry().pk}"
    assert ADDRESS in acme.get(f"{page}/do/change/").content.decode()
    assert acme.post(f"{page}/do/change/", {**FORM, "token_url": ADDRESS, "label": "New"}).status_code == 302
    assert (entry().label, entry().token_url) == ("New", ADDRESS)
    assert acme.get(f"{page}/change/").status_code == 200
    assert acme.post(f"{page}/do/remove/").status_code == 302
    assert not ProviderEntry.unscoped.filter(slug="acme-llm").exists()
    events = AuditEvent.objects.filter(subject_id="acme-llm").order_by("sequence")
    assert [event.event_type for event in events] == ["provider.updated", "provider.updated", "provider.deleted"]
    assert {event.actor_kind for event in events} == {"operator"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token_url", "http://acme.example/token"),
        ("probe_url", "https://user:word@acme.example/"),
        ("dashboard_url", "javascript:alert(1)"),
        ("env_names", "ACME-KEY"),
        ("provider", "a b"),
        ("minimum_length", "0"),
    ],
)
def test_unsafe_field_is_named_and_nothing_is_stored(world: World, acme: Client, field: str, value: str) -> None:
    page = add(prove(acme), world, **{field: value})
    assert page.status_code == 200
    assert 'class="form-row errors"' in page.content.decode()
    assert not ProviderEntry.unscoped.exists()


def test_second_entry_for_a_provider_is_refused_with_its_name(world: World, acme: Client) -> None:
    add(acme, world, label="First")
    assert "It has an entry here already" in add(acme, world, label="Second").content.decode()
    assert entry().label == "First"


def test_auditor_and_other_tenant_change_nothing(world: World, acme: Client, auditor: Client, globex: Client) -> None:
    add(acme, world)
    page = f"{LIST}{entry().pk}"
    assert auditor.get(f"{page}/change/").status_code == 200
    assert auditor.get(f"{LIST}add/").status_code in {403, 404}
    assert auditor.post(f"{page}/do/remove/").status_code == 404
    assert [globex.get(f"{page}/{end}").status_code for end in ("change/", "do/change/", "do/remove/")] == [404] * 3
    assert entry().slug == "acme-llm"


def test_command_adds_changes_and_removes_what_is_named(world: World) -> None:
    made = _command("set", "Acme-LLM", "--token-url", ADDRESS, "--prefixes", "acme-", "ac-")
    assert (made[0]["provider"], made[0]["own_entry"]["prefixes"]) == ("acme-llm", ["acme-", "ac-"])
    changed = _command("set", "acme-llm", "--label", "Acme")[0]["own_entry"]
    assert (changed["label"], changed["token_url"]) == ("Acme", ADDRESS)
    with pytest.raises(CommandError, match="https"):
        _command("set", "acme-llm", "--token-url", "http://acme.example/")
    assert _command("remove", "acme-llm") == []
    assert "anthropic" in [row["provider"] for row in _command("list")]
    with pytest.raises(CommandError):
        _command("remove", "acme-llm")


def _command(verb: str, *arguments: str) -> list[dict[str, Any]]:
    output = io.StringIO()
    call_command("providers", verb, *arguments, "--tenant", "acme", "--env", "prod", "--json", stdout=output)
    shown: list[dict[str, Any]] = json.loads(output.getvalue())
    return shown
