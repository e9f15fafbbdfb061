"""The hash chain and the table of events: any change is found and named, no secret can be a detail."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.audit.chain import GENESIS, ChainHead, EventRow, hash_event, take_out_of_chain, verify_chain
from authsvc.audit.events import EVENT_TYPES, MAXIMUM_LIST, MAXIMUM_TEXT, UnknownEvent, checked_detail
from tests.scale import scaled

LENGTH = 6
FIELDS = [field.name for field in fields(EventRow)]


def make_chain(length: int = LENGTH, start: ChainHead | None = None) -> list[EventRow]:
    rows: list[EventRow] = []
    previous, first = (start.hash, start.sequence + 1) if start else (GENESIS, 1)
    for sequence in range(first, first + length):
        row = EventRow(
            id=f"evt_{sequence}",
            tenant_id="ten_1",
            sequence=sequence,
            event_type="profile.created",
            environment_id="env_1",
            actor_kind="system",
            actor_id="system",
            subject_id=f"prf_{sequence}",
            request_id="req_1",
            address="10.0.0.1",
            occurred_at=f"2026-01-01T00:00:{sequence:02}.000000+00:00",
            detail={"provider": "anthropic", "name": "anthropic:default"},
            previous_hash=previous,
            hash="",
        )
        rows.append(replace(row, hash=hash_event(row)))
        previous = rows[-1].hash
    return rows


def head_of(rows: list[EventRow]) -> ChainHead:
    return ChainHead("ten_1", rows[-1].sequence, rows[-1].hash)


def changed(row: EventRow, field: str, text: str, number: int) -> EventRow:
    value: object = getattr(row, field)
    if field == "sequence":
        return replace(row, sequence=row.sequence + number)
    if field == "detail":
        return replace(row, detail={**row.detail, text: number})
    changes: dict[str, Any] = {field: f"{value}{text}"}
    return replace(row, **changes)


def test_verify_chain_of_an_untouched_chain_is_intact() -> None:
    rows = make_chain()
    verdict = verify_chain(rows, head_of(rows))
    assert (verdict.intact, verdict.checked, verdict.sequence) == (True, LENGTH, LENGTH)
    assert verify_chain(rows, None).intact


def test_verify_chain_of_nothing_ends_at_genesis() -> None:
    assert verify_chain([], ChainHead("ten_1", 0, GENESIS)).intact
    assert not verify_chain([], ChainHead("ten_1", 0, "")).intact


@given(
    index=st.integers(0, LENGTH - 1),
    field=st.sampled_from(FIELDS),
    text=st.text(min_size=1, max_size=5),
    number=st.integers(-50, 50).filter(bool),
)
@settings(max_examples=scaled(75, 200), deadline=None)
def test_verify_chain_with_any_change_names_the_row(index: int, field: str, text: str, number: int) -> None:
    rows = make_chain()
    head = head_of(rows)
    rows[index] = changed(rows[index], field, text, number)
    verdict = verify_chain(rows, head)
    assert not verdict.intact
    assert verdict.sequence == index + 1
    assert verdict.event_id == rows[index].id
    assert verdict.reason


@given(index=st.integers(0, LENGTH - 1), text=st.text(min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_verify_chain_with_a_rehashed_row_names_the_next_one(index: int, text: str) -> None:
    rows = make_chain()
    head = head_of(rows)
    forged = replace(rows[index], actor_id=f"system{text}")
    rows[index] = replace(forged, hash=hash_event(forged))
    verdict = verify_chain(rows, head)
    assert not verdict.intact
    assert verdict.sequence == index + 2


@given(index=st.integers(0, LENGTH - 1))
def test_verify_chain_with_a_row_dropped_names_its_place(index: int) -> None:
    rows = make_chain()
    head = head_of(rows)
    del rows[index]
    verdict = verify_chain(rows, head)
    assert not verdict.intact
    assert verdict.sequence == index + 1


@given(st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_verify_chain_with_rows_swapped_names_the_first(left: int, right: int) -> None:
    rows = make_chain()
    rows[left], rows[right] = rows[right], rows[left]
    verdict = verify_chain(rows, head_of(make_chain()))
    assert verdict.intact is (left == right)
    if left != right:
        assert verdict.sequence == min(left, right) + 1


def test_verify_chain_with_a_row_doubled_names_the_second() -> None:
    rows = make_chain()
    assert verify_chain([*rows[:3], rows[2], *rows[3:]], head_of(rows)).sequence == 4


def test_verify_chain_from_a_checkpoint_needs_that_very_checkpoint() -> None:
    start = ChainHead("ten_1", 10, "a" * 64)
    rows = make_chain(3, start)
    assert verify_chain(rows, head_of(rows), start).intact
    assert not verify_chain(rows, head_of(rows), replace(start, hash="b" * 64)).intact
    assert not verify_chain(rows, head_of(rows), replace(start, sequence=9)).intact
    assert not verify_chain(rows, head_of(rows)).intact


def test_hash_event_leaves_out_the_hash_alone() -> None:
    row = make_chain(1)[0]
    assert hash_event(replace(row, hash="x")) == row.hash
    assert hash_event(replace(row, detail={"name": "anthropic:default", "provider": "anthropic"})) == row.hash


HOSTILE = ['","previous_hash":"","', '"sequence":0', '\\"previous_hash":""', "\u2028\ud800"]
MISLEADING = st.text() | st.sampled_from(HOSTILE)


@given(
    texts=st.lists(MISLEADING, min_size=5, max_size=5),
    detail=st.dictionaries(MISLEADING | st.sampled_from(["sequence", "previous_hash"]), st.just(0) | st.just("")),
    sequence=st.integers(min_value=0),
)
def test_hash_at_a_place_is_that_of_the_whole_event(texts: list[str], detail: Any, sequence: int) -> None:
    subject, actor, tenant, request, address = texts
    row = replace(
        make_chain(1)[0], sequence=sequence, subject_id=subject, actor_id=actor, tenant_id=tenant, detail=detail,
        request_id=request, address=address, previous_hash="f" * 64,
    )  # fmt: skip
    assert take_out_of_chain(row).hash_at(sequence, row.previous_hash) == hash_event(row)


def test_hash_event_tells_neighbouring_fields_apart() -> None:
    row = make_chain(1)[0]
    assert hash_event(replace(row, actor_id="ab", subject_id="c")) != hash_event(
        replace(row, actor_id="a", subject_id="bc")
    )


def test_event_types_are_noun_and_past_verb_with_named_keys() -> None:
    for name, keys in EVENT_TYPES.items():
        noun, _, verb = name.partition(".")
        assert noun.replace("_", "").isalpha()
        assert verb.replace("_", "").isalpha()
        assert keys


def test_event_types_allow_no_key_that_names_a_secret() -> None:
    forbidden = {"secret", "token", "password", "key", "value", "access", "refresh", "body", "credential", "sealed"}
    assert not [(name, keys & forbidden) for name, keys in EVENT_TYPES.items() if keys & forbidden]


def test_checked_detail_cuts_texts_and_lists() -> None:
    detail = checked_detail(
        "grant.created",
        {"reason": "r" * 9999, "scopes": ["s" * 9999] * 9999, "role_id": None, "expires_at": 1, "gateway_id": True},
    )
    assert detail["reason"] == "r" * MAXIMUM_TEXT
    assert detail["scopes"] == ["s" * MAXIMUM_TEXT] * MAXIMUM_LIST
    assert (detail["role_id"], detail["expires_at"], detail["gateway_id"]) == (None, 1, True)
    assert checked_detail("order.set", {"profile_ids": ("a", "b")}) == {"profile_ids": ["a", "b"]}


@pytest.mark.parametrize("value", [b"bytes", 1.5, {"a": 1}, ["a", 1], [["a"]], object(), {"a"}])
def test_checked_detail_refuses_other_values(value: object) -> None:
    with pytest.raises(UnknownEvent):
        checked_detail("grant.created", {"reason": value})


@pytest.mark.parametrize(
    ("event_type", "detail"),
    [("nothing.happened", {}), ("", {}), ("grant.created", {"token": "x"}), ("profile.deleted", {"reason": "x"})],
)
def test_checked_detail_refuses_what_the_table_lacks(event_type: str, detail: dict[str, object]) -> None:
    with pytest.raises(UnknownEvent) as caught:
        checked_detail(event_type, detail)
    assert "x'" not in str(caught.value)
