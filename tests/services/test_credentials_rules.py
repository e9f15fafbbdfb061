"""Rules of storing: one name per agent, all or nothing, origins, shapes of known and unknown providers."""

from __future__ import annotations

import base64
import os
from datetime import datetime
from typing import Any

import pytest

from authsvc.audit.models import AuditEvent
from authsvc.vault.keyring import KeyEncryptionKeyMissing
from authsvc.web.secret_text import SecretText
from profiles.models import Credential, Profile
from profiles.providers import Kind
from profiles.services.paste import PasteRequest, paste_credential
from tests.world import World

KEY = "sk-ant-api03-" + "A" * 95


def test_several_keys_of_several_providers_and_each_name_once_per_agent(world: World) -> None:
    api = world.prod.api()
    wanted = [("minimax", "coding-plan"), ("minimax", "spare"), ("acme-llm", "default")]
    body = {"kind": "api_key", "value": "sk-cp-0123456789abcdef"}
    for provider, name in wanted:
        assert api.post("/profiles", {**body, "provider": provider, "name": name}).status_code == 201
    again = {**body, "provider": "minimax", "name": "coding-plan"}
    answer = api.post("/profiles", again)
    assert (answer.status_code, answer.json()["code"]) == (409, "profile_exists")
    assert api.post("/profiles", {**again, "agent": "ops"}).status_code == 201
    assert world.dev.api().post("/profiles", again).status_code == 201
    assert world.foreign.api().post("/profiles", again).status_code == 201


def test_paste_that_fails_half_way_leaves_neither_profile_nor_version(
    world: World, now: datetime, settings: Any
) -> None:
    caller = world.prod.caller()
    counts = (Profile.unscoped.count(), Credential.unscoped.count(), AuditEvent.objects.count())
    settings.AUTHSVC_KEKS = "another:" + base64.b64encode(os.urandom(32)).decode()
    with pytest.raises(KeyEncryptionKeyMissing):
        paste_credential(caller, PasteRequest("half-llm", "manual", Kind.TOKEN), SecretText("pasted-1"), now=now)
    assert (Profile.unscoped.count(), Credential.unscoped.count(), AuditEvent.objects.count()) == counts


def test_second_paste_keeps_the_id_and_the_audit_has_both_with_their_origin(world: World, now: datetime) -> None:
    caller, request = world.prod.caller(), PasteRequest("twice-llm", "manual", Kind.TOKEN, origin="command:paste-token")
    first, second = (paste_credential(caller, request, SecretText(f"pasted-{n}"), now=now) for n in (1, 2))
    assert (first.profile.id, second.credential.version) == (second.profile.id, 2)
    stored = AuditEvent.objects.filter(event_type="credential.stored", detail__profile_id=first.profile.id)
    assert [event.detail["origin"] for event in stored] == ["command:paste-token"] * 2


@pytest.mark.parametrize(
    ("provider", "kind", "value", "status"),
    [
        ("anthropic", "api_key", KEY, 201),
        ("anthropic", "api_key", "sk-or-0123456789", 400),
        ("openai", "api_key", "sk-0123456789abcdef", 201),
        ("openrouter", "api_key", "sk-or-v1-0123456789", 201),
        ("openrouter", "api_key", "0123456789", 400),
        ("nobody-knows-it", "api_key", "anything", 201),
        ("nobody-knows-it", "api_key", "", 400),
        ("anthropic", "token", "sk-ant-oat01-" + "t" * 90, 201),
        ("anthropic", "token", "sk-ant-oat01-short", 400),
        ("anthropic", "token", KEY, 400),
    ],
)
def test_shape_is_checked_for_known_providers_and_never_echoed(
    world: World, provider: str, kind: str, value: str, status: int
) -> None:
    answer = world.prod.api().post("/profiles", {"provider": provider, "name": "x", "kind": kind, "value": value})
    assert answer.status_code == status, answer.content
    assert not value or value not in answer.content.decode()
    assert status == 201 or "value" in answer.json()["errors"]
