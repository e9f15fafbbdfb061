"""The provider catalogue: upstream's setup-token table, mistakes by name, and facts per kind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.providers import (
    CATALOGUE,
    Billing,
    Kind,
    ShapeCode,
    billing_of,
    check_shape,
    env_name_for,
    env_names_of,
    has_prompt_caching,
    known_prefixes,
    looks_like_shell_command,
    provider_of_env_name,
)
from tests.unit.resolution_stores import load_vectors

SETUP_TOKEN = "sk-ant-oat01-" + "A" * 80
API_KEY = "sk-ant-api03-" + "A" * 80


def code_of(provider: str, kind: Kind, value: str) -> str:
    finding = check_shape(provider, kind, value)
    return "ok" if finding is None else finding.code


@pytest.mark.parametrize("case", load_vectors("setup_token_validation_2026.9.6.json")["validate"])
def test_check_shape_setup_token_equals_upstream(case: dict[str, Any]) -> None:
    assert code_of("anthropic", Kind.TOKEN, case["input"]) == case["result"]


@pytest.mark.parametrize(
    ("provider", "kind", "value", "code"),
    [
        ("anthropic", Kind.API_KEY, API_KEY, "ok"),
        ("Anthropic ", Kind.API_KEY, API_KEY, "ok"),
        ("anthropic", Kind.API_KEY, SETUP_TOKEN, "bad_prefix"),
        ("anthropic", Kind.TOKEN, API_KEY, "bad_prefix"),
        ("anthropic", Kind.API_KEY, "sk-other", "bad_prefix"),
        ("anthropic", Kind.API_KEY, "openclaw onboard --auth-choice foo", "shell_command"),
        ("anthropic", Kind.TOKEN, "$ claude setup-token", "shell_command"),
        ("anthropic", Kind.TOKEN, "Abcdefghij123#stateSTATE99", "code_state"),
        ("anthropic", Kind.OAUTH, SETUP_TOKEN, "ok"),
        ("openai", Kind.OAUTH, SETUP_TOKEN, "bad_prefix"),
        ("openai", Kind.OAUTH, "eyJ.fake", "ok"),
        ("openai", Kind.API_KEY, "sk-proj-abc", "ok"),
        ("openai", Kind.API_KEY, API_KEY, "bad_prefix"),
        ("openai", Kind.API_KEY, "sk-or-v1-abc", "bad_prefix"),
        ("openai", Kind.API_KEY, "abc", "bad_prefix"),
        ("openrouter", Kind.API_KEY, "sk-or-v1-abc", "ok"),
        ("openrouter", Kind.API_KEY, "sk-abc", "bad_prefix"),
        ("minimax", Kind.TOKEN, "sk-cp-abc", "ok"),
        ("minimax", Kind.API_KEY, "anything", "ok"),
        ("minimax", Kind.API_KEY, "sk-cp-abc", "ok"),
        ("minimax", Kind.API_KEY, "sk-or-abc", "bad_prefix"),
        ("google", Kind.API_KEY, "AIzaFake", "ok"),
        ("google", Kind.API_KEY, " \t", "empty"),
        ("acme", Kind.API_KEY, "npx whatever --flag", "ok"),
        ("acme", Kind.TOKEN, "", "empty"),
    ],
)
def test_check_shape_truth_table(provider: str, kind: Kind, value: str, code: str) -> None:
    assert code_of(provider, kind, value) == code


@given(st.sampled_from(sorted(CATALOGUE)), st.sampled_from(Kind), st.text(alphabet="QXZ#0123456789", min_size=8))
def test_check_shape_message_never_holds_the_value(provider: str, kind: Kind, value: str) -> None:
    finding = check_shape(provider, kind, value)
    assert finding is None or value not in finding.message


def test_check_shape_foreign_key_names_both_sides() -> None:
    finding = check_shape("anthropic", Kind.API_KEY, SETUP_TOKEN)
    assert finding is not None
    assert finding.code is ShapeCode.BAD_PREFIX
    assert finding.message == "This begins like a token of Anthropic, not an API key of Anthropic."


@given(st.text(min_size=1).filter(str.strip), st.sampled_from(Kind))
def test_check_shape_unknown_provider_accepts_any_text(value: str, kind: Kind) -> None:
    assert check_shape("nobody-knows", kind, value) is None


@pytest.mark.parametrize(
    ("value", "is_command"),
    [
        ("sudo npm install", True),
        ("export KEY=1", True),
        ("claude setup-token", True),
        ("claude", False),
        ("sk-ant-api03-x", False),
        ("openclawkey with space", False),
    ],
)
def test_looks_like_shell_command_truth_table(value: str, is_command: bool) -> None:
    assert looks_like_shell_command(value) is is_command


@pytest.mark.parametrize(
    ("provider", "kind", "billing", "has_caching"),
    [
        ("anthropic", Kind.API_KEY, Billing.METERED, True),
        ("anthropic", Kind.TOKEN, Billing.SUBSCRIPTION, False),
        ("anthropic", Kind.OAUTH, Billing.SUBSCRIPTION, False),
        ("huggingface", Kind.TOKEN, Billing.METERED, False),
        ("acme", Kind.API_KEY, Billing.METERED, True),
    ],
)
def test_billing_and_caching_follow_the_kind(provider: str, kind: Kind, billing: Billing, has_caching: bool) -> None:
    assert billing_of(provider, kind) is billing
    assert has_prompt_caching(kind) is has_caching


@pytest.mark.parametrize(
    ("provider", "kind", "name"),
    [
        ("anthropic", Kind.API_KEY, "ANTHROPIC_API_KEY"),
        ("anthropic", Kind.TOKEN, "ANTHROPIC_OAUTH_TOKEN"),
        ("google", Kind.API_KEY, "GEMINI_API_KEY"),
        ("openai", Kind.OAUTH, "OPENAI_API_KEY"),
        ("my-vendor.io", Kind.API_KEY, "MY_VENDOR_IO_API_KEY"),
    ],
)
def test_env_name_for_carries_the_kind(provider: str, kind: Kind, name: str) -> None:
    assert env_name_for(provider, kind) == name


def test_env_names_stand_in_upstream_order() -> None:
    assert env_names_of("anthropic") == ("ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY")
    assert env_names_of("google") == ("GEMINI_API_KEY", "GOOGLE_API_KEY")


def test_provider_of_env_name_reads_back_every_name_once() -> None:
    names = [name for entry in CATALOGUE.values() for name in entry.env_names]
    assert len(names) == len(set(names))
    for entry in CATALOGUE.values():
        assert {provider_of_env_name(name) is not None for name in entry.env_names} == {True}
    assert provider_of_env_name("ANTHROPIC_OAUTH_TOKEN") == ("anthropic", Kind.TOKEN)
    assert provider_of_env_name("GOOGLE_API_KEY") == ("google", Kind.API_KEY)
    assert provider_of_env_name("PATH") is None


def test_known_prefixes_cover_the_documented_ones_longest_first() -> None:
    prefixes = known_prefixes()
    assert {"sk-ant-api03-", "sk-ant-oat01-", "sk-or-", "sk-cp-", "sk-"} == set(prefixes)
    assert [len(prefix) for prefix in prefixes] == sorted((len(prefix) for prefix in prefixes), reverse=True)


def test_catalogue_entries_shape_only_kinds_they_accept() -> None:
    for slug, entry in CATALOGUE.items():
        assert slug == slug.lower()
        assert set(entry.shapes) <= entry.kinds
        assert entry.dashboard_url == "" or entry.dashboard_url.startswith("https://")
