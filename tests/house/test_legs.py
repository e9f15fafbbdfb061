"""What a leg leaves out is there to be left out, so that a renamed file is not asked twice unseen."""

from __future__ import annotations

import pytest

from tests.legs import ALIKE, ROOT, SCOPES_OF_CALLS, asks_the_database


def test_every_path_that_a_second_database_is_not_asked_exists() -> None:
    assert [path for path in ALIKE if not (ROOT / path).exists()] == []


def test_every_test_that_is_left_out_by_name_exists() -> None:
    named = [text.removeprefix("--deselect=").split("::") for text in SCOPES_OF_CALLS]
    assert named != []
    assert [name for path, name in named if f"def {name}(" not in (ROOT / path).read_text()] == []


def test_full_scale_leaves_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSVC_TEST_SCALE", "full")
    assert asks_the_database() == []
    monkeypatch.setenv("AUTHSVC_TEST_SCALE", "quick")
    assert f"--ignore={ALIKE[0]}" in asks_the_database()
