"""Names people type: upstream's tables for pinned models and profile ids."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.references import (
    ModelReference,
    is_deprecated_profile_id,
    is_personal_profile_id,
    parse_model_reference,
    profile_id_for,
)
from tests.unit.resolution_stores import load_vectors

SETUP = load_vectors("setup_token_validation_2026.9.6.json")


@pytest.mark.parametrize("case", load_vectors("model_at_profile_2026.9.6.json"), ids=lambda case: str(case["input"]))
def test_parse_model_reference_equals_upstream(case: dict[str, Any]) -> None:
    assert parse_model_reference(case["input"]) == ModelReference(case["model"], case.get("profile"))


@pytest.mark.parametrize(
    ("text", "model", "profile_id"),
    [
        ("", "", None),
        ("@anthropic:work", "@anthropic:work", None),
        ("a@b/model", "a@b/model", None),
        ("a@b/model@x:y", "a@b/model", "x:y"),
        ("m@8bit@x:y", "m@8bit", "x:y"),
        ("m@20250101@iq4_xs@x:y", "m@20250101@iq4_xs", "x:y"),
        ("m@20250101", "m@20250101", None),
        ("m@202501011", "m", "202501011"),
        ("m@q4_k_m", "m@q4_k_m", None),
        ("m@x:me@home", "m", "x:me@home"),
    ],
)
def test_parse_model_reference_truth_table(text: str, model: str, profile_id: str | None) -> None:
    assert parse_model_reference(text) == ModelReference(model, profile_id)


@pytest.mark.parametrize("case", SETUP["profileIds"], ids=lambda case: str(case["profileId"]))
def test_profile_id_for_equals_upstream(case: dict[str, Any]) -> None:
    assert profile_id_for(case["provider"], case["name"]) == case["profileId"]


@given(st.text())
def test_profile_id_for_any_name_is_a_stable_slug(name: str) -> None:
    profile_id = profile_id_for("anthropic", name)
    assert re.fullmatch(r"anthropic:[a-z0-9._-]+", profile_id)
    assert profile_id_for("anthropic", profile_id.partition(":")[2]) == profile_id


def test_profile_ids_that_mirror_or_belong_elsewhere_are_recognised() -> None:
    assert is_deprecated_profile_id("anthropic:claude-cli")
    assert not is_deprecated_profile_id("anthropic:client")
    assert is_personal_profile_id("personal:a:b")
    assert not is_personal_profile_id("anthropic:personal")
