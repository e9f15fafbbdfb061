"""Writing stores: what leaves in each mode, and that no secret byte leaves where none may."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from authsvc.web.secret_text import SecretText
from profiles.backoff import OPENCLAW_2026_9, after_failure, after_success
from profiles.failures import FailureReason
from profiles.interchange.dotenv import UnsafeEnvironmentValue
from profiles.interchange.openclaw import parse_openclaw
from profiles.interchange.render import (
    RefreshTokens,
    RenderOptions,
    SecretsMode,
    render_argentos,
    render_auth_state,
    render_dotenv,
    render_openclaw,
    render_openclaw_profiles,
)
from profiles.interchange.store import ParsedEntry, ParsedStore
from profiles.interchange.usage import known_usage_to_json, usage_from_json, usage_to_json
from profiles.providers import Kind

NONE = RenderOptions()
REFS = RenderOptions(SecretsMode.REFS, reference_prefix="acme/prod")
SAFE = RenderOptions(SecretsMode.FULL)
FULL = RenderOptions(SecretsMode.FULL, RefreshTokens.INCLUDE)
ENV_REF = {"source": "env", "provider": "default", "id": "KEY"}
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "profiles": {
        "anthropic:key": {"type": "api_key", "provider": "anthropic", "key": "planted-key", "note": "planted-note"},
        "anthropic:tok": {"type": "token", "provider": "anthropic", "token": "planted-token", "expires": 9},
        "anthropic:me@x.io": {
            "type": "oauth",
            "provider": "anthropic",
            "access": "planted-access",
            "refresh": "planted-refresh",
            "idToken": "planted-id",
            "expires": 9,
            "email": "me@x.io",
        },
        "openai:ref": {"type": "api_key", "provider": "openai", "keyRef": ENV_REF},
    },
    "order": {"anthropic": ["anthropic:tok", "anthropic:ghost", "anthropic:tok"]},
    "lastGood": {"anthropic": "anthropic:tok"},
    "usageStats": {"anthropic:tok": {"lastUsed": 5, "hint": "planted-hint"}},
    "providerStats": {"anthropic": {"secret": "planted-stats"}},
}
STORE = parse_openclaw(DOCUMENT)


def profiles_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document["profiles"]
    return found


@pytest.mark.parametrize("options", [NONE, REFS])
def test_render_without_secrets_holds_no_planted_byte(options: RenderOptions) -> None:
    for render in (render_openclaw, render_openclaw_profiles, render_auth_state, render_argentos):
        rendered = render(STORE, options)
        assert "planted" not in json.dumps(rendered.document)
        assert "planted" not in repr(rendered)
    assert "planted" not in render_dotenv(STORE.entries, options).text


def test_render_full_is_masked_in_repr() -> None:
    assert "planted" not in repr(render_openclaw(STORE, FULL))
    assert "planted" not in repr(render_dotenv(STORE.entries[:1], FULL))


def test_render_full_leaves_refresh_tokens_out_unless_asked() -> None:
    assert "planted-refresh" not in json.dumps(render_openclaw(STORE, SAFE).document)
    assert render_openclaw(STORE, FULL).document == DOCUMENT


def test_render_token_and_key_stand_in_their_own_slots() -> None:
    profiles = profiles_of(render_openclaw(STORE, SAFE).document)
    assert profiles["anthropic:tok"]["token"] == "planted-token"
    assert "key" not in profiles["anthropic:tok"]
    assert profiles["anthropic:key"]["key"] == "planted-key"


def test_render_none_keeps_shape_and_references() -> None:
    profiles = profiles_of(render_openclaw(STORE, NONE).document)
    assert profiles == {
        "anthropic:key": {"type": "api_key", "provider": "anthropic"},
        "anthropic:tok": {"type": "token", "provider": "anthropic", "expires": 9},
        "anthropic:me@x.io": {"type": "oauth", "provider": "anthropic", "expires": 9, "email": "me@x.io"},
        "openai:ref": {"type": "api_key", "provider": "openai", "keyRef": ENV_REF},
    }


def test_render_refs_points_to_the_resolver_and_leaves_logins_out() -> None:
    rendered = render_openclaw(STORE, REFS)
    profiles = profiles_of(rendered.document)
    assert profiles["anthropic:key"]["keyRef"] == {
        "source": "exec",
        "provider": "authsvc",
        "id": "acme/prod/anthropic:key",
    }
    assert profiles["anthropic:tok"]["tokenRef"]["id"] == "acme/prod/anthropic:tok"
    assert profiles["openai:ref"]["keyRef"] == ENV_REF
    assert "anthropic:me@x.io" not in profiles
    assert [(each.profile_id, each.code) for each in rendered.findings] == [("anthropic:me@x.io", "not_referenceable")]


def test_render_refs_id_outside_the_grammar_is_left_out() -> None:
    store = ParsedStore(entries=(ParsedEntry("a:b c", "a", Kind.API_KEY),))
    rendered = render_openclaw(store, REFS)
    assert (rendered.document["profiles"], rendered.findings[0].code) == ({}, "not_referenceable")


def test_render_state_stands_apart_from_profiles() -> None:
    assert set(render_openclaw_profiles(STORE, NONE).document) == {"version", "profiles"}
    state = render_auth_state(STORE, FULL).document
    assert state == {key: DOCUMENT[key] for key in ("version", "order", "lastGood", "usageStats")}
    assert render_auth_state(ParsedStore(), FULL).document == {"version": 1}


def test_render_argentos_prunes_dangling_ids_and_keeps_provider_stats() -> None:
    rendered = render_argentos(STORE, FULL)
    assert rendered.document["order"] == {"anthropic": ["anthropic:tok"]}
    assert rendered.document["providerStats"] == DOCUMENT["providerStats"]
    assert [(each.profile_id, each.code) for each in rendered.findings] == [("anthropic:ghost", "dangling_order")]


def test_render_argentos_without_order_adds_none() -> None:
    assert render_argentos(ParsedStore(), FULL).document == {"version": 1, "profiles": {}}


def test_render_personal_profiles_never_leave() -> None:
    entry = ParsedEntry("personal:1:2", "openai", Kind.API_KEY, {"key": SecretText("sk-x")})
    usage = {"personal:1:2": parse_openclaw(DOCUMENT).usage["anthropic:tok"]}  # type: ignore[index]
    rendered = render_openclaw(ParsedStore(entries=(entry,), usage=usage), FULL)
    assert (rendered.document["profiles"], rendered.document["usageStats"]) == ({}, {})
    lines = render_dotenv((entry,), FULL)
    assert (lines.text, lines.findings[0].code) == ("", "not_exported")


def test_render_dotenv_first_profile_wins() -> None:
    second = replace(STORE.entries[0], profile_id="anthropic:second")
    lines = render_dotenv((*STORE.entries, second), FULL)
    assert lines.text == "ANTHROPIC_API_KEY=planted-key\nANTHROPIC_OAUTH_TOKEN=planted-token\n"
    assert [(each.profile_id, each.code.value) for each in lines.findings] == [
        ("anthropic:me@x.io", "shadowed"),
        ("openai:ref", "not_exported"),
        ("anthropic:second", "shadowed"),
    ]


def test_render_dotenv_without_secrets_names_variables_only() -> None:
    assert render_dotenv(STORE.entries, NONE).text == "# ANTHROPIC_API_KEY=\n# ANTHROPIC_OAUTH_TOKEN=\n"


@pytest.mark.parametrize("value", ["a'b", 'a"b', "a\nb", "a b"])
def test_render_dotenv_refuses_quotes_and_line_ends(value: str) -> None:
    entry = ParsedEntry("openai:1", "openai", Kind.API_KEY, {"key": SecretText(value)})
    with pytest.raises(UnsafeEnvironmentValue):
        render_dotenv((entry,), FULL)


def test_usage_to_json_rewrites_only_what_changed() -> None:
    assert STORE.usage is not None
    usage = STORE.usage["anthropic:tok"]
    failed = replace(usage, stats=after_failure(usage.stats, FailureReason.TIMEOUT, 10, OPENCLAW_2026_9))
    document = usage_to_json(failed)
    assert document == {
        "lastUsed": 5,
        "hint": "planted-hint",
        "errorCount": 1,
        "lastFailureAt": 10,
        "failureCounts": {"timeout": 1},
        "cooldownUntil": 30_010,
        "cooldownReason": "timeout",
    }
    again = replace(failed, document=document, stats=after_success(failed.stats, 20))
    assert usage_to_json(again) == {"lastUsed": 20, "hint": "planted-hint", "errorCount": 0, "failureCounts": {}}
    assert known_usage_to_json(failed.stats) == {key: value for key, value in document.items() if key != "hint"}


@pytest.mark.parametrize(
    "document",
    [
        {"lastUsed": "5", "errorCount": True, "failureCounts": [], "cooldownReason": 5},
        {"lastUsed": -1, "cooldownUntil": 0, "failureCounts": {"auth": "2"}, "cooldownModel": ""},
        {"lastUsed": float("inf")},
    ],
)
def test_usage_from_json_wrong_types_count_as_absent(document: dict[str, Any]) -> None:
    assert usage_from_json(document) == usage_from_json({})
