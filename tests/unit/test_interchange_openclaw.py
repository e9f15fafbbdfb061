"""The openclaw store: nothing is lost on the way through, bad entries are named, secrets stay masked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.expiry import INVALID
from profiles.interchange.coercion import canonical_record
from profiles.interchange.entries import MAX_PROFILE_ID, MAX_SECRET, REFRESH_FENCE_PREFIX
from profiles.interchange.openclaw import parse_openclaw
from profiles.interchange.render import RefreshTokens, RenderOptions, SecretsMode, render_openclaw
from profiles.interchange.store import FindingCode, ParsedStore, Severity, UnreadableStore, read_json
from profiles.providers import Kind
from tests.unit.resolution_stores import VECTORS, load_vectors

FULL = RenderOptions(SecretsMode.FULL, RefreshTokens.INCLUDE)
SAMPLES = ("02_token_with_expiry", "05_oauth_refresh", "08_explicit_order_cooldown")


def sample(name: str) -> Any:
    return json.loads((VECTORS / "stores" / f"{name}.json").read_text())


def codes(store: ParsedStore) -> list[tuple[str | None, str]]:
    return [(finding.profile_id, finding.code.value) for finding in store.findings]


@pytest.mark.parametrize("name", SAMPLES)
def test_round_trip_of_a_sample_store_is_lossless(name: str) -> None:
    document = sample(name)
    assert render_openclaw(parse_openclaw(document), FULL).document == document


@pytest.mark.parametrize("case", load_vectors("order_2026.9.6.json"), ids=lambda case: str(case["id"]))
def test_round_trip_of_a_vector_store_is_lossless(case: dict[str, Any]) -> None:
    store = case["store"]
    canonical = {**store, "profiles": {key: canonical_record(raw) for key, raw in store["profiles"].items()}}
    assert render_openclaw(parse_openclaw(store), FULL).document == canonical


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
UNKNOWN = st.dictionaries(st.text(min_size=1, max_size=6).map("x-{}".format), JSON, max_size=3)


@given(UNKNOWN, UNKNOWN, UNKNOWN, st.text(max_size=30))
def test_round_trip_keeps_what_nobody_knows(
    top: dict[str, Any], field: dict[str, Any], usage: dict[str, Any], secret: str
) -> None:
    document: dict[str, Any] = {
        "version": 3,
        "profiles": {
            "a:1": {"type": "oauth", "provider": "a", "access": secret, "refresh": "r", "email": "e@x", **field},
            "a:2": {"type": "api_key", "provider": "a", "key": secret, "metadata": {"k": "v"}, **field},
            "a:3": {"type": "token", "provider": "a", "token": secret, "expires": 5, "displayName": None, **field},
        },
        "order": {"a": []},
        "usageStats": {"a:1": {"lastUsed": 0, "errorCount": 0, "cooldownUntil": None, **usage}},
        "lastGood": {},
        **top,
    }
    assert render_openclaw(parse_openclaw(document), FULL).document == document


def test_parse_openclaw_reads_every_kind() -> None:
    store = parse_openclaw(sample("08_explicit_order_cooldown"))
    assert [entry.kind for entry in store.entries] == [
        Kind.API_KEY,
        Kind.API_KEY,
        Kind.TOKEN,
        *[Kind.OAUTH] * 3,
        Kind.API_KEY,
    ]
    assert store.usage is not None
    assert store.usage["anthropic:cool"].stats.failure_counts == {"rate_limit": 3}
    assert store.last_good == {"anthropic": "anthropic:tok"}
    assert codes(store) == [("anthropic:ghost", "dangling_order")]
    assert store.is_importable


def test_parse_openclaw_state_file_wins_over_state_in_the_store() -> None:
    document: dict[str, Any] = {"profiles": {}, "order": {"a": ["old"]}, "lastGood": {"a": "kept"}}
    store = parse_openclaw(document, {"version": 1, "order": {"a": ["new"]}})
    assert (store.order, store.last_good, store.usage) == ({"a": ("new",)}, {"a": "kept"}, None)


def test_parse_openclaw_values_are_not_trimmed_and_stay_masked() -> None:
    store = parse_openclaw(
        {"profiles": {"a:1": {"type": "api_key", "provider": "a", "key": " planted ", "odd": "planted"}}}
    )
    assert store.entries[0].secrets["key"].reveal() == " planted "
    assert "planted" not in repr(store)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("text", "non_object"),
        ({"type": "basic", "provider": "a"}, "invalid_type"),
        ({"type": "token", "token": "t"}, "missing_provider"),
        ({"type": "oauth", "provider": "a", "access": REFRESH_FENCE_PREFIX + "x", "expires": 1}, "refresh_fence"),
        ({"type": "oauth", "provider": "a", "access": "x", "refresh": f" {REFRESH_FENCE_PREFIX}"}, "refresh_fence"),
        ({"type": "oauth", "provider": "a", "access": {"source": "env"}}, "reference_on_login"),
        ({"mode": "oauth", "provider": "a", "tokenRef": {"source": "env"}}, "reference_on_login"),
        ({"type": "api_key", "provider": "a", "keyRef": "x"}, "invalid_reference"),
        ({"type": "token", "provider": "a", "token": {"source": "exec"}}, "invalid_reference"),
        ({"type": "token", "provider": "a", "token": "t" * (MAX_SECRET + 1)}, "too_long"),
    ],
)
def test_parse_openclaw_bad_entry_is_named_and_stops_the_import(raw: Any, code: str) -> None:
    good = {"type": "token", "provider": "a", "token": "t"}
    store = parse_openclaw({"profiles": {"a:bad": raw, "a:good": good}})
    assert [entry.profile_id for entry in store.entries] == ["a:good"]
    assert codes(store) == [("a:bad", code)]
    assert not store.is_importable


@pytest.mark.parametrize(
    ("profile_id", "raw", "code"),
    [
        ("a:1", {"type": "api_key", "provider": "a", "key": " "}, "missing_credential"),
        ("a:1", {"type": "oauth", "provider": "a", "oauthRef": {"id": "x"}}, "unresolved_reference"),
        ("a:1", {"type": "token", "provider": "a", "token": "t", "expires": "2027"}, "invalid_expires"),
        ("a:claude-cli", {"type": "token", "provider": "a", "token": "t"}, "deprecated_profile"),
        ("a:1", {"type": "token", "provider": "anthropic", "token": "t"}, "suspicious_shape"),
        (
            "a:1",
            {"type": "api_key", "provider": "a", "key": "k", "keyRef": {"source": "env", "provider": "d", "id": "K"}},
            "shadowed",
        ),
    ],
)
def test_parse_openclaw_remark_does_not_stop_the_import(profile_id: str, raw: Any, code: str) -> None:
    store = parse_openclaw({"profiles": {profile_id: raw}})
    assert (profile_id, code) in codes(store)
    assert store.is_importable
    assert len(store.entries) == 1


def test_parse_openclaw_personal_profiles_are_left_out() -> None:
    raw = {"type": "token", "provider": "a", "token": "t"}
    store = parse_openclaw(
        {"profiles": {"personal:1:2": raw}, "usageStats": {"personal:1:2": {}, "inline-api-key:a": {}}}
    )
    assert store.entries == ()
    assert store.usage is not None
    assert list(store.usage) == ["inline-api-key:a"]
    assert store.is_importable


def test_parse_openclaw_oversized_id_is_cut_in_the_finding() -> None:
    store = parse_openclaw({"profiles": {"a" * 5000: {}}})
    assert codes(store) == [("a" * MAX_PROFILE_ID, "too_long")]


@pytest.mark.parametrize("document", [None, [], "x", {}, {"profiles": []}])
def test_parse_openclaw_unreadable_store_has_one_error(document: Any) -> None:
    store = parse_openclaw(document)
    assert codes(store) == [(None, "unreadable_store")]
    assert not store.is_importable


def test_parse_openclaw_unreadable_state_is_an_error() -> None:
    assert codes(parse_openclaw({"profiles": {}}, [1])) == [(None, "unreadable_store")]


def test_parse_openclaw_malformed_state_is_left_out_with_a_remark() -> None:
    store = parse_openclaw(
        {"profiles": {}, "order": {"a": "x", "b": [1]}, "lastGood": [], "usageStats": {"a": 1}, "new": 1}
    )
    assert (store.order, store.last_good, store.usage) == ({"b": ()}, None, {})
    assert [code for _, code in codes(store)] == ["invalid_state"] * 3 + ["unknown_top_level"]
    assert all(finding.severity is not Severity.ERROR for finding in store.findings)


def test_parse_openclaw_expiry_that_cannot_be_one_is_marked() -> None:
    store = parse_openclaw({"profiles": {"a:1": {"type": "token", "provider": "a", "token": "t", "expires": -3}}})
    assert store.entries[0].expires_at_ms is INVALID
    assert render_openclaw(store, FULL).document["profiles"] == {
        "a:1": {"type": "token", "provider": "a", "token": "t", "expires": 0}
    }


@pytest.mark.parametrize("text", ["", '{"version":1,"profi', '{"a":1,"a":2}', '{"a":NaN}', "[" * 100_000])
def test_read_json_refuses_what_is_not_strict_json(text: str) -> None:
    with pytest.raises(UnreadableStore) as caught:
        read_json(text)
    assert caught.value.status == 400


def test_read_json_returns_the_document() -> None:
    assert read_json('{"a": [1, null]}') == {"a": [1, None]}


def test_finding_codes_are_unique_words() -> None:
    assert all(code.value == code.name.lower() for code in FindingCode)
