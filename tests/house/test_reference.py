"""The reference pages name everything the code has, and nothing it has not."""

from __future__ import annotations

import re

import pytest

from authsvc.audit.events import EVENT_TYPES
from rbac.catalogue import CATALOGUE
from tests.house.facts import command_names, problem_classes, settings_names
from tests.house.sources import ROOT

REFERENCE = ROOT / "docs" / "reference"


def rows(page: str) -> list[list[str]]:
    """Return the table rows of a page: their cells, without headings."""
    lines = (REFERENCE / f"{page}.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return [[cell.replace("`", "") if index == 0 else cell for index, cell in enumerate(row)] for row in cells]


def first_cells(page: str) -> list[str]:
    """Return the first cell of every row."""
    return [row[0] for row in rows(page)]


EXPECTED = {
    "settings": settings_names,
    "scopes": lambda: {entry.scope for entry in CATALOGUE},
    "problems": lambda: set(problem_classes()),
    "events": lambda: set(EVENT_TYPES),
    "commands": command_names,
}


@pytest.mark.parametrize("page", EXPECTED)
def test_page_names_what_the_code_has_and_nothing_else(page: str) -> None:
    assert EXPECTED[page]()
    assert set(first_cells(page)) == EXPECTED[page]()


@pytest.mark.parametrize("page", EXPECTED)
def test_page_is_in_order_and_each_row_has_a_sentence(page: str) -> None:
    names = first_cells(page)
    keys = [(row[1], row[0]) for row in rows(page)] if page == "scopes" else names
    assert keys == sorted(keys)
    assert [row[0] for row in rows(page) if not row[-1].strip("-")] == []


def test_event_page_names_each_detail_key() -> None:
    named = {row[0]: set(re.findall(r"`(\w+)`", row[1])) for row in rows("events")}
    assert named == {name: set(keys) for name, keys in EVENT_TYPES.items()}


def test_problem_page_names_each_status() -> None:
    assert {row[0]: int(row[1]) for row in rows("problems")} == {
        slug: kind.status for slug, kind in problem_classes().items()
    }


def test_scope_page_says_the_catalogues_sentences() -> None:
    assert {(row[0], row[-1]) for row in rows("scopes")} == {(entry.scope, entry.sentence) for entry in CATALOGUE}
