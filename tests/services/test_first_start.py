"""Development secrets: made once, readable by their owner alone, agreed on by processes that start together."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authsvc.ops.checks import kek_fault, secret_fault
from authsvc.web.first_start import FILE_NAME, _create, development_secret


def test_first_start_makes_secrets_that_production_would_take(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    assert secret_fault(development_secret(folder, "secret_key", False)) == ""
    assert kek_fault(development_secret(folder, "keks", False)) == ""
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_second_start_reads_the_same_secrets(tmp_path: Path) -> None:
    first = development_secret(tmp_path, "secret_key", False)
    assert development_secret(tmp_path, "secret_key", False) == first
    assert json.loads((tmp_path / FILE_NAME).read_text())["secret_key"] == first


def test_production_makes_and_reads_nothing(tmp_path: Path) -> None:
    assert development_secret(tmp_path / "var", "secret_key", True) == ""
    assert not (tmp_path / "var").exists()
    development_secret(tmp_path, "keks", False)
    assert development_secret(tmp_path, "keks", True) == ""


def test_processes_starting_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: development_secret(tmp_path, "secret_key", False), range(64)))
    assert len(found) == 1


def test_start_that_loses_the_race_reads_the_winner(tmp_path: Path) -> None:
    winner = development_secret(tmp_path, "secret_key", False)
    _create(tmp_path / FILE_NAME)  # saw no file, and comes second
    assert development_secret(tmp_path, "secret_key", False) == winner
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_unknown_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        development_secret(tmp_path, "nothing", False)
