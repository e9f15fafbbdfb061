"""Channel policies in the admin: every kind of rule, another product's settings in and out, pairing by code."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client

from rbac.models import ChannelPairing, ChannelPolicy
from rbac.services.channels import create_channel
from rbac.services.pairing import request_pairing
from tests.world import World

LIST = "/admin/rbac/channelpolicy/"
PAIRINGS = "/admin/rbac/channelpairing/"
RULES = [
    {"subject_kind": "user", "subject_id": "123456789", "effect": "allow", "reach": "everywhere"},
    {"subject_kind": "user", "subject_id": "7", "effect": "allow", "reach": "direct"},
    {"subject_kind": "guild", "subject_id": "81384788", "effect": "allow", "reach": "everywhere"},
    {"subject_kind": "chat", "subject_id": "-1005", "effect": "deny", "reach": "everywhere"},
]


def form(world: World, **fields: str) -> dict[str, str]:
    """Return a filled form of a new policy."""
    return {
        "environment": world.prod.environment().id,
        "channel": "discord",
        "gateway": "",
        "name": "",
        "dm_policy": "allowlist",
        "group_policy": "allowlist",
        "group_gate": "both",
        "allowed": "123456789\nuser 7 direct\nguild 81384788",
        "denied": "chat -1005",
        **fields,
    }


def stored(world: World, channel: str = "discord") -> ChannelPolicy:
    found: ChannelPolicy = ChannelPolicy.objects.for_environment(world.prod.caller()).get(channel=channel)
    return found


@pytest.fixture
def telegram(world: World, now: datetime) -> ChannelPolicy:
    """Return a channel whose senders pair."""
    return create_channel(world.prod.caller(), channel="signal", dm_policy="pairing", now=now)


def test_every_kind_of_rule_is_stored_and_shown_for_one_gateway(world: World, acme: Client) -> None:
    gateway = world.prod.gateway["id"]
    assert acme.post(f"{LIST}add/", form(world, gateway=gateway)).status_code == 302
    policy = stored(world)
    assert (policy.rules, policy.group_gate, policy.gateway_id) == (RULES, "both", gateway)
    page = acme.get(f"{LIST}{policy.pk}/change/").content.decode()
    for text in ("user 7 direct", "guild 81384788", "chat -1005", "For openclaw", "For argentos"):
        assert text in page
    assert "3 allowed, 1 denied" in acme.get(LIST).content.decode()


def test_editing_keeps_what_was_not_touched(world: World, acme: Client, now: datetime) -> None:
    policy = create_channel(world.prod.caller(), channel="discord", group_gate="both", rules=RULES, now=now)
    address = f"{LIST}{policy.pk}/do/edit/"
    shown = acme.get(address).context["form"].initial
    assert acme.post(address, {**shown, "name": "Guild"}).status_code == 302
    policy.refresh_from_db()
    assert (policy.name, policy.rules, policy.group_gate) == ("Guild", RULES, "both")


@pytest.mark.parametrize(
    ("field", "text"), [("allowed", "7\nuser 8 sometimes"), ("denied", "7\nuser 8 direct"), ("allowed", "7\nguild")]
)
def test_wrong_line_is_shown_at_its_field(world: World, acme: Client, field: str, text: str) -> None:
    answer = acme.post(f"{LIST}add/", form(world, **{field: text}))
    assert answer.status_code == 200
    assert answer.context["form"].errors[field][0].startswith("Line 2: ")
    assert not ChannelPolicy.objects.for_environment(world.prod.caller()).filter(channel="discord").exists()


def test_gateway_of_another_environment_is_refused(world: World, acme: Client) -> None:
    answer = acme.post(f"{LIST}add/", form(world, gateway=world.dev.gateway["id"]))
    assert answer.status_code == 200
    assert answer.context["form"].non_field_errors()
    foreign = acme.post(f"{LIST}add/", form(world, gateway=world.foreign.gateway["id"]))
    assert "gateway" in foreign.context["form"].errors


def test_foreign_settings_are_previewed_then_replace_the_policy(world: World, acme: Client) -> None:
    settings = {"dmPolicy": "open", "allowFrom": ["123", "*"], "groupPolicy": "disabled", "botToken": "hidden-value"}
    body = {
        "environment": world.prod.environment().id,
        "channel": "signal",
        "gateway": "",
        "document": json.dumps(settings),
    }
    preview = acme.post(f"{LIST}import/", {**body, "preview": "1"})
    page = preview.content.decode()
    assert "user 123 direct" in page
    assert "unknown setting: botToken" in page
    assert not ChannelPolicy.objects.for_environment(world.prod.caller()).filter(channel="signal").exists()
    done = acme.post(f"{LIST}import/", {**body, "import": "1"})
    policy = stored(world, "signal")
    assert done["Location"].endswith(f"{policy.pk}/change/")
    assert (policy.dm_policy, policy.group_policy) == ("open", "disabled")
    assert '"allowFrom"' in acme.get(f"{LIST}{policy.pk}/change/").content.decode().replace("&quot;", '"')


@pytest.mark.parametrize("document", ["{", '{"a": 1, "a": 2}', "[" * 200, "\x00"])
def test_settings_that_are_no_json_are_a_field_error(world: World, acme: Client, document: str) -> None:
    body = {"environment": world.prod.environment().id, "channel": "signal", "document": document}
    answer = acme.post(f"{LIST}import/", {**body, "import": "1"})
    assert answer.status_code == 200
    assert "document" in answer.context["form"].errors


def test_pairing_is_announced_approved_by_its_code_and_lets_the_sender_in(
    world: World, acme: Client, telegram: ChannelPolicy, now: datetime
) -> None:
    caller = world.prod.caller()
    other = request_pairing(caller, policy=telegram, sender="490", now=now)
    asked = request_pairing(caller, policy=telegram, sender="491", name="Kim", now=now)
    assert "2</strong> senders wait with a pairing code" in acme.get("/admin/").content.decode()
    listed = acme.get(f"{PAIRINGS}?pairing=waiting").content.decode()
    assert quote(asked.pairing.id) in listed
    assert asked.code.reveal() not in listed
    assert "491 Kim" in acme.get(f"{LIST}{telegram.pk}/change/").content.decode()
    address = f"{PAIRINGS}{asked.pairing.id}/do/approve/"
    assert acme.post(address, {"code": other.code.reveal()}).status_code == 200  # it is somebody else's
    assert acme.post(address, {"code": asked.code.reveal()}).status_code == 302
    telegram.refresh_from_db()
    assert [rule["subject_id"] for rule in telegram.rules] == ["491"]
    assert acme.get(address).status_code == 404
    assert acme.post(f"{PAIRINGS}{other.pairing.id}/do/reject/", {}).status_code == 302
    assert "No sender waits with a pairing code" in acme.get("/admin/").content.decode()


def test_pairing_that_waited_too_long_is_listed_as_waiting_no_more(
    world: World, acme: Client, telegram: ChannelPolicy, now: datetime
) -> None:
    asked = request_pairing(world.prod.caller(), policy=telegram, sender="491", now=now)
    ChannelPairing.objects.for_environment(world.prod.caller()).update(expires_at=now - timedelta(seconds=1))
    assert quote(asked.pairing.id) not in acme.get(f"{PAIRINGS}?pairing=waiting").content.decode()
    assert quote(asked.pairing.id) in acme.get(PAIRINGS).content.decode()
    assert acme.post(f"{PAIRINGS}{asked.pairing.id}/do/approve/", {"code": asked.code.reveal()}).status_code == 200


@pytest.mark.parametrize("name", ["approve", "reject"])
def test_pairing_of_another_tenant_and_the_auditor_find_no_button(
    world: World, auditor: Client, globex: Client, telegram: ChannelPolicy, now: datetime, name: str
) -> None:
    asked = request_pairing(world.prod.caller(), policy=telegram, sender="491", now=now)
    who: Any
    for who in (auditor, globex):
        assert who.get(f"{PAIRINGS}{asked.pairing.id}/do/{name}/").status_code == 404
