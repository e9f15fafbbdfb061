"""What a leg leaves out is there to be left out, so that a renamed file is not asked twice unseen."""

from __future__ import annotations

import pytest

from tests.legs import ALIKE, ALIKE_BY_NAME, ROOT, asks_the_database, legs


def test_every_path_that_a_second_database_is_not_asked_exists() -> None:
    assert [path for path in ALIKE if not (ROOT / path).exists()] == []


def test_every_test_that_is_left_out_by_name_exists() -> None:
    named = [test.split("::") for test in ALIKE_BY_NAME]
    assert [name for path, name in named if f"def {name}(" not in (ROOT / path).read_text()] == []


@pytest.mark.parametrize("newer", [None, "newer"])
def test_full_scale_leaves_nothing_out_on_either_database(monkeypatch: pytest.MonkeyPatch, newer: str | None) -> None:
    monkeypatch.setattr("tests.legs.newer_python", lambda: newer)
    monkeypatch.setenv("AUTHSVC_TEST_SCALE", "full")
    assert [(leg.name, leg.arguments) for leg in legs("postgres://")][:2] == [("sqlite", []), ("postgresql", [])]
    monkeypatch.setenv("AUTHSVC_TEST_SCALE", "quick")
    sqlite, second = legs("postgres://")
    assert (sqlite.arguments, second.arguments) == ([], asks_the_database())


def test_second_leg_joins_the_other_database_to_the_newest_django(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.legs.newer_python", lambda: "newer")
    assert [(leg.name, leg.python) for leg in legs("postgres://")][1:] == [("postgresql, newest Django", "newer")]
    assert [(leg.name, leg.database_url) for leg in legs("")][1:] == [("newest Django", "")]
    monkeypatch.setenv("AUTHSVC_TEST_SCALE", "full")
    assert [leg.name for leg in legs("postgres://")] == ["sqlite", "postgresql", "postgresql, newest Django"]
    monkeypatch.setattr("tests.legs.newer_python", lambda: None)
    monkeypatch.setenv("AUTHSVC_TEST_SCALE", "quick")
    assert [leg.name for leg in legs("postgres://")] == ["sqlite", "postgresql"]
    assert [leg.name for leg in legs("")] == ["sqlite"]
