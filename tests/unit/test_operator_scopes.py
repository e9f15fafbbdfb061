"""openclaw's operator scopes: every recorded answer of version 2026.9.6, and the laws behind them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.operator_scopes import intersect, missing_for_approval, missing_scopes, role_allows

VECTORS = Path(__file__).parents[1] / "vectors" / "openclaw" / "scopes_2026.9.6.json"


class Allowed(TypedDict):
    granted: list[str]
    requested: str
    role: str
    allowed: bool


class Intersection(TypedDict):
    grant: list[str]
    ceiling: list[str]
    result: list[str]


class Vectors(TypedDict):
    roleScopesAllow: list[Allowed]
    ceilingIntersection: list[Intersection]


RECORDED: Vectors = json.loads(VECTORS.read_text(encoding="utf-8"))


def test_vectors_hold_exactly_the_two_known_lists() -> None:
    assert set(RECORDED) == {"roleScopesAllow", "ceilingIntersection"}


@pytest.mark.parametrize("case", RECORDED["roleScopesAllow"])
def test_role_allows_recorded_case(case: Allowed) -> None:
    assert role_allows(case["role"], case["granted"], [case["requested"]]) is case["allowed"]


@pytest.mark.parametrize("case", RECORDED["ceilingIntersection"])
def test_intersect_recorded_case(case: Intersection) -> None:
    assert list(intersect(case["grant"], case["ceiling"])) == case["result"]


@pytest.mark.parametrize(
    ("role", "granted", "requested", "missing"),
    [
        ("operator", ["operator.write"], ["operator.talk", "operator.sessions.write"], ()),
        ("operator", ["operator.read"], ["operator.write", "operator.pairing"], ("operator.write", "operator.pairing")),
        ("operator", ["operator.admin"], ["operator.anything"], ()),
        ("operator", ["operator.admin"], ["node.x"], ("node.x",)),
        ("operator", ["node.x"], ["node.x"], ("node.x",)),
        ("operator", [" operator.read "], ["", " operator.read"], ()),
        ("operator", ["operator.talk"], ["operator.talk.secrets"], ("operator.talk.secrets",)),
        ("operator", ["operator.future"], ["operator.future"], ()),
        ("node", ["node.x"], ["node.x"], ()),
        ("node", ["node.x"], ["node.y"], ("node.y",)),
        ("node", ["operator.read"], ["operator.read"], ("operator.read",)),
        ("", [".x"], [".x"], (".x",)),
    ],
)
def test_missing_scopes_names_what_is_not_covered(
    role: str, granted: list[str], requested: list[str], missing: tuple[str, ...]
) -> None:
    assert missing_scopes(role, granted, requested) == missing
    assert role_allows(role, granted, requested) is (not missing)


@pytest.mark.parametrize(
    ("granted", "ceiling", "shared"),
    [
        (["operator.read"], ["operator.sessions.write"], ("operator.sessions.read",)),
        (["operator.write"], ["operator.read"], ("operator.read",)),
        (["operator.write", "operator.pairing"], ["operator.sessions.write"], ("operator.sessions.write",)),
        (["operator.future"], ["operator.admin"], ("operator.future",)),
        (["operator.talk"], ["operator.read"], ()),
        (["node.x"], ["node.x"], ()),
    ],
)
def test_intersect_narrows_to_what_both_cover(granted: list[str], ceiling: list[str], shared: tuple[str, ...]) -> None:
    assert intersect(granted, ceiling) == shared


@pytest.mark.parametrize(
    ("role", "requested", "held", "missing"),
    [
        ("operator", ["operator.read"], ["operator.write"], ()),
        ("operator", ["operator.admin"], ["operator.pairing"], ("operator.admin",)),
        ("node", [], ["operator.pairing", "operator.write"], ("operator.admin",)),
        ("node", ["node.x"], ["operator.admin"], ()),
    ],
)
def test_missing_for_approval_approver_holds_what_is_asked(
    role: str, requested: list[str], held: list[str], missing: tuple[str, ...]
) -> None:
    assert missing_for_approval(role, requested, held) == missing


SCOPES = [
    "operator.admin",
    "operator.read",
    "operator.write",
    "operator.pairing",
    "operator.talk",
    "operator.sessions.read",
    "operator.sessions.write",
    "operator.sessions.archive",
    "operator.future",
    "node.x",
]
lists = st.lists(st.sampled_from(SCOPES), max_size=4)


@given(lists, lists)
def test_intersect_covers_exactly_what_both_cover(granted: list[str], ceiling: list[str]) -> None:
    shared = intersect(granted, ceiling)
    for scope in SCOPES:
        both = role_allows("operator", granted, [scope]) and role_allows("operator", ceiling, [scope])
        assert role_allows("operator", shared, [scope]) is both
