"""Coercion: upstream's own table, and the rules of its record shapes."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.interchange.coercion import canonical_record, coerce_legacy_auth, coerce_store, read_reference
from profiles.interchange.store import FindingCode, SecretReference
from tests.unit.resolution_stores import load_vectors

VECTORS = load_vectors("coercion_2026.9.6.json")
READERS = {"store": coerce_store, "legacyAuthJson": coerce_legacy_auth}
CASES = [(name, case) for name, cases in VECTORS.items() for case in cases]
REF = {"source": "env", "provider": "default", "id": "KEY"}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_coercion_equals_upstream(name: str, case: dict[str, Any]) -> None:
    assert READERS[name](case["input"]) == case["output"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (5, FindingCode.NON_OBJECT),
        ({"type": "basic", "provider": "a"}, FindingCode.INVALID_TYPE),
        ({"type": ["x"], "provider": "a"}, FindingCode.INVALID_TYPE),
        ({"type": "token"}, FindingCode.MISSING_PROVIDER),
        ({"type": "token", "provider": " "}, FindingCode.MISSING_PROVIDER),
        ({"mode": "token", "provider": "A", "token": "t"}, {"type": "token", "provider": "a", "token": "t"}),
        ({"type": "api_key", "provider": "a", "apiKey": "k"}, {"type": "api_key", "provider": "a", "key": "k"}),
        ({"type": "api_key", "provider": "a", "key": 5}, {"type": "api_key", "provider": "a"}),
        (
            {"type": "api_key", "provider": "a", "key": "k", "keyRef": REF},
            {"type": "api_key", "provider": "a", "keyRef": REF},
        ),
        ({"type": "token", "provider": "a", "tokenRef": "no"}, {"type": "token", "provider": "a"}),
        ({"type": "token", "provider": "a", "expires": True}, {"type": "token", "provider": "a", "expires": 0}),
        ({"type": "token", "provider": "a", "expires": 7}, {"type": "token", "provider": "a", "expires": 7}),
    ],
)
def test_canonical_record_truth_table(raw: Any, expected: Any) -> None:
    assert canonical_record(raw) == expected


def test_coerce_store_drops_unknown_login_fields_and_malformed_state() -> None:
    login = {"type": "oauth", "provider": "a", "access": "x", "surprise": 1}
    store: dict[str, Any] = {
        "version": -2,
        "profiles": {"a:1": login},
        "order": {"a": ["a:1"], "b": "x"},
        "lastGood": {"a": "a:1", "b": 2},
        "usageStats": {"a:1": {}, "b": 3},
        "other": 1,
    }
    assert coerce_store(store) == {
        "version": 1,
        "profiles": {"a:1": {"type": "oauth", "provider": "a", "access": "x"}},
        "order": {"a": ["a:1"]},
        "lastGood": {"a": "a:1"},
        "usageStats": {"a:1": {}},
    }


@pytest.mark.parametrize(
    ("source", "name", "is_good"),
    [
        ("env", "ANTHROPIC_API_KEY", True),
        ("env", "lower", False),
        ("store", "A", True),
        ("exec", "acme/prod/anthropic:work#token", True),
        ("exec", "acme/../prod", False),
        ("exec", "./x", False),
        ("exec", "a b", False),
        ("file", "/a/b", True),
        ("file", "value", True),
        ("file", "relative", False),
        ("vault", "A", False),
    ],
)
def test_read_reference_grammar(source: str, name: str, is_good: bool) -> None:
    found = read_reference({"source": source, "provider": "default", "id": name})
    assert found == (SecretReference(source, "default", name) if is_good else None)


@pytest.mark.parametrize(
    "value",
    ["text", {"source": "env", "provider": "default"}, {"source": "env", "provider": "Bad!", "id": "KEY"}],
)
def test_read_reference_refuses_other_shapes(value: Any) -> None:
    assert read_reference(value) is None
