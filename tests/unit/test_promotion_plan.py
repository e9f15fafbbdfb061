"""What taking one environment over would change: a truth table, and a digest that any difference changes."""

from __future__ import annotations

import pytest

from authsvc.gate.promotion_plan import Document, ItemKind, State, plan_of
from authsvc.tenants.review_lines import ReviewLine, digest_of, shown

pytestmark = pytest.mark.pure


def state(kind: ItemKind, gateways: tuple[str, ...] = (), /, **items: Document) -> State:
    """Return a state with items of one kind."""
    return State({kind: {name.replace("_AT_", " at "): value for name, value in items.items()}}, frozenset(gateways))


@pytest.mark.parametrize(
    ("source", "target", "keys"),
    [
        ({"a": {"x": 1}}, {}, ["role:a"]),
        ({"a": {"x": 1}}, {"a": {"x": 1}}, []),
        ({"a": {"x": 1}}, {"a": {"x": 2}}, ["role:a"]),
        ({}, {"a": {"x": 2}}, []),  # what only the target has stays
        ({"b": {"x": 1}, "a": {"x": 1}}, {}, ["role:a", "role:b"]),
    ],
)
def test_plan_names_what_differs_and_never_takes_away(
    source: dict[str, Document], target: dict[str, Document], keys: list[str]
) -> None:
    plan = plan_of(state(ItemKind.ROLE, **source), state(ItemKind.ROLE, **target))
    assert [item.key for item in plan.items] == keys


@pytest.mark.parametrize(("kind", "name"), [(ItemKind.ROUTES, "edge"), (ItemKind.CHANNEL, "telegram_AT_edge")])
def test_item_of_a_gateway_needs_a_gateway_of_that_name(kind: ItemKind, name: str) -> None:
    source = state(kind, ("edge",), **{name: {"x": 1}})
    assert plan_of(source, state(kind)).items == ()
    assert "no gateway has this name" in plan_of(source, state(kind)).notes[0]
    assert len(plan_of(source, state(kind, ("edge",))).items) == 1


def test_kinds_come_in_the_order_they_need_each_other() -> None:
    kinds = (ItemKind.ORDER, ItemKind.PROFILE, ItemKind.ROLE, ItemKind.SCOPE)
    plan = plan_of(State({kind: {"a": {"x": 1}} for kind in kinds}), State({}))
    assert [item.kind for item in plan.items] == [ItemKind.SCOPE, ItemKind.ROLE, ItemKind.PROFILE, ItemKind.ORDER]


def test_line_shows_only_the_fields_that_differ() -> None:
    plan = plan_of(state(ItemKind.ROLE, a={"x": "new", "same": "s"}), state(ItemKind.ROLE, a={"x": "old", "same": "s"}))
    assert plan.items[0].line() == ReviewLine("role a", "x: old", "x: new")


def test_chosen_and_unknown_keys() -> None:
    plan = plan_of(state(ItemKind.ROLE, a={"x": 1}, b={"x": 1}), state(ItemKind.ROLE))
    assert [item.key for item in plan.chosen(["role:b"])] == ["role:b"]
    assert len(plan.chosen(None)) == 2
    assert plan.unknown(["role:b", "role:c"]) == ["role:c"]


LINE = ReviewLine("a", "b", "c")


@pytest.mark.parametrize(
    ("act", "fields", "lines"),
    [
        ("trust", {"a": 1}, [LINE]),
        ("promotion", {"a": 2}, [LINE]),
        ("promotion", {"a": 1}, []),
        ("promotion", {"a": 1}, [ReviewLine("a", "b", "d")]),
        ("promotion", {"a": 1}, [LINE, LINE]),
    ],
)
def test_digest_differs_with_anything_that_was_seen(
    act: str, fields: dict[str, object], lines: list[ReviewLine]
) -> None:
    assert digest_of(act, fields, lines) != digest_of("promotion", {"a": 1}, [LINE])
    assert digest_of(act, fields, lines) == digest_of(act, dict(reversed(fields.items())), tuple(lines))


def test_long_values_are_cut_and_still_differ() -> None:
    one, other = shown("a" * 5000), shown("a" * 4999 + "b")
    assert len(one) < 2100
    assert one != other
    assert (shown(None), shown(["a", "b"]), shown({"b": 1})) == ("", "a\nb", '{\n "b": 1\n}')
