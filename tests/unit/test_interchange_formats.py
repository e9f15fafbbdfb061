"""Other foreign files: ArgentOS, legacy auth.json, oauth.json, Claude Code and environment files."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.interchange.argentos import parse_argentos
from profiles.interchange.claude_code import parse_claude_code
from profiles.interchange.dotenv import UnsafeEnvironmentValue, env_line, parse_dotenv
from profiles.interchange.legacy_auth import parse_legacy_auth, parse_oauth_file
from profiles.interchange.store import FindingCode, ParsedStore
from profiles.providers import Kind
from tests.unit.resolution_stores import load_vectors

SETUP_TOKEN = "sk-ant-oat01-" + "A" * 80
API_KEY = "sk-ant-api03-" + "A" * 80


def shown(store: ParsedStore) -> list[tuple[str, str, dict[str, str]]]:
    return [
        (entry.profile_id, entry.kind.value, {name: value.reveal() for name, value in entry.secrets.items()})
        for entry in store.entries
    ]


def codes(store: ParsedStore) -> list[str]:
    return [finding.code.value for finding in store.findings]


def test_parse_argentos_documented_shape() -> None:
    store = parse_argentos(
        {
            "anthropic:default": {"type": "setup-token", "token": SETUP_TOKEN, "label": "Max plan"},
            "openai": {"type": "api-key", "token": "sk-proj-x"},
            "anthropic": {"type": "api-key", "token": API_KEY},
            "minimax:coding-plan": {"type": "api-key", "key": "sk-cp-1", "provider": "minimax"},
            "broken": 5,
            "empty:1": {"type": "api-key"},
            "odd:1": {"type": "password", "token": "x"},
        }
    )
    assert shown(store) == [
        ("anthropic:default", "token", {"token": SETUP_TOKEN}),
        ("openai:default", "api_key", {"key": "sk-proj-x"}),
        ("minimax:coding-plan", "api_key", {"key": "sk-cp-1"}),
        ("empty:1", "api_key", {}),
    ]
    assert codes(store) == ["shadowed", "non_object", "missing_credential", "invalid_type"]


def test_parse_argentos_documented_shape_keeps_the_label() -> None:
    store = parse_argentos({"anthropic:max": {"type": "setup-token", "token": SETUP_TOKEN, "label": "Max plan"}})
    assert shown(store) == [("anthropic:max", "token", {"token": SETUP_TOKEN})]
    assert store.entries[0].extras == {"displayName": "Max plan"}
    assert store.findings == ()


def test_parse_argentos_code_shape_keeps_provider_stats() -> None:
    stats = {"anthropic": {"circuit": "half_open"}}
    store = parse_argentos({"version": 1, "profiles": {}, "providerStats": stats})
    assert store.unknown_top_level == {"providerStats": stats}


@pytest.mark.parametrize("document", [None, [], "x"])
def test_other_formats_refuse_what_is_not_an_object(document: Any) -> None:
    for parse in (parse_argentos, parse_legacy_auth, parse_oauth_file, parse_claude_code):
        assert codes(parse(document)) == ["unreadable_store"]


@pytest.mark.parametrize("case", load_vectors("coercion_2026.9.6.json")["legacyAuthJson"])
def test_parse_legacy_auth_takes_what_upstream_takes(case: dict[str, Any]) -> None:
    store = parse_legacy_auth(case["input"])
    expected = [f"{provider}:default" for provider in case["output"] or {}]
    assert [entry.profile_id for entry in store.entries] == expected
    assert store.is_importable is bool(expected)


def test_parse_legacy_auth_same_provider_twice_stops_the_import() -> None:
    record = {"type": "api_key", "key": "k"}
    store = parse_legacy_auth({"acme": record, "Acme": record})
    assert (len(store.entries), codes(store), store.is_importable) == (1, ["shadowed"], False)


def test_parse_oauth_file_reads_logins() -> None:
    store = parse_oauth_file({"anthropic": {"access": "a", "refresh": "r", "expires": 5}, "broken": None})
    assert shown(store) == [("anthropic:default", "oauth", {"access": "a", "refresh": "r"})]
    assert store.entries[0].expires_at_ms == 5
    assert codes(store) == ["non_object"]


def test_parse_claude_code_with_refresh_is_a_login() -> None:
    login: dict[str, Any] = {
        "accessToken": SETUP_TOKEN,
        "refreshToken": "sk-ant-ort01-x",
        "expiresAt": 1_800_000_000_000,
        "scopes": ["user:inference"],
        "subscriptionType": "max",
    }
    store = parse_claude_code({"claudeAiOauth": login, "mcpOAuth": {"secret": "planted"}})
    assert shown(store) == [
        ("anthropic:claude-code", "oauth", {"access": SETUP_TOKEN, "refresh": "sk-ant-ort01-x"}),
    ]
    assert store.entries[0].expires_at_ms == 1_800_000_000_000
    assert store.entries[0].extras == {"subscriptionType": "max"}
    assert store.unknown_top_level == {}


def test_parse_claude_code_without_refresh_is_a_token() -> None:
    store = parse_claude_code({"claudeAiOauth": {"accessToken": SETUP_TOKEN, "refreshToken": None}}, "Work Laptop")
    assert shown(store) == [("anthropic:work-laptop", "token", {"token": SETUP_TOKEN})]
    assert store.entries[0].expires_at_ms is None


def test_parse_claude_code_fence_is_refused() -> None:
    login = {"accessToken": "openclaw-oauth-refresh-fence:v1:x", "refreshToken": "r"}
    store = parse_claude_code({"claudeAiOauth": login})
    assert (store.entries, codes(store)) == ((), ["refresh_fence"])


def test_parse_dotenv_reads_providers_variables_only() -> None:
    store = parse_dotenv(
        f"# comment\n\nexport ANTHROPIC_API_KEY={API_KEY}\nANTHROPIC_OAUTH_TOKEN='{SETUP_TOKEN}'\n"
        'GEMINI_API_KEY="AIzaFake"  # note\nGOOGLE_API_KEY=AIzaOther # note\nPATH="/a b"\n'
    )
    assert shown(store) == [
        ("anthropic:default", "api_key", {"key": API_KEY}),
        ("anthropic:anthropic_oauth_token", "token", {"token": SETUP_TOKEN}),
        ("google:default", "api_key", {"key": "AIzaFake"}),
        ("google:google_api_key", "api_key", {"key": "AIzaOther"}),
    ]
    assert codes(store) == ["unknown_variable"]
    assert store.is_importable


def test_parse_dotenv_setup_token_in_the_key_variable_is_a_token() -> None:
    assert shown(parse_dotenv(f"ANTHROPIC_API_KEY={SETUP_TOKEN}"))[0][1] == Kind.TOKEN


@pytest.mark.parametrize(
    ("line", "code", "is_importable"),
    [
        ("OPENAI_API_KEY=sk-a b", FindingCode.UNSAFE_VALUE, False),
        ('OPENAI_API_KEY="sk-$(id)"', FindingCode.UNSAFE_VALUE, False),
        ("OPENAI_API_KEY='sk-a", FindingCode.UNSAFE_VALUE, False),
        ('OPENAI_API_KEY="sk-a"b', FindingCode.UNSAFE_VALUE, False),
        ("OPENAI_API_KEY=sk-`id`", FindingCode.UNSAFE_VALUE, False),
        ("OPENAI_API_KEY=sk-a\nOPENAI_API_KEY=sk-b", FindingCode.SHADOWED, False),
        ("OPENAI_API_KEY=", FindingCode.MISSING_CREDENTIAL, True),
        ("OPENAI_API_KEY=''", FindingCode.MISSING_CREDENTIAL, True),
        ("OPENAI_API_KEY=abc", FindingCode.SUSPICIOUS_SHAPE, True),
        ("OPENAI_API_KEY=openclaw-oauth-refresh-fence:v1:x", FindingCode.REFRESH_FENCE, False),
        ("no assignment", FindingCode.MALFORMED_LINE, True),
        ("plantedbase64==", FindingCode.UNKNOWN_VARIABLE, True),
    ],
)
def test_parse_dotenv_findings_hold_no_value(line: str, code: FindingCode, is_importable: bool) -> None:
    store = parse_dotenv(line)
    assert [finding.code for finding in store.findings] == [code]
    assert store.is_importable is is_importable
    assert "planted" not in store.findings[0].detail


@pytest.mark.parametrize("value", ["", "a b", "a'b", 'a"b', "a\nb", "a$b", "a`b", "a\\b", "a;b", "a#b", "é"])
def test_env_line_refuses_unsafe_values(value: str) -> None:
    with pytest.raises(UnsafeEnvironmentValue) as caught:
        env_line("KEY", value)
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "A\n"])
def test_env_line_refuses_unsafe_names(name: str) -> None:
    with pytest.raises(UnsafeEnvironmentValue):
        env_line(name, "value")


@given(st.from_regex(r"sk-[A-Za-z0-9_@%+=:,./-]{1,40}", fullmatch=True))
def test_env_line_reads_back(value: str) -> None:
    entries = parse_dotenv(env_line("OPENAI_API_KEY", value)).entries
    assert [entry.secrets["key"].reveal() for entry in entries] == [value]


@given(st.text())
def test_parse_dotenv_any_text_is_answered(text: str) -> None:
    assert parse_dotenv(text).order is None
