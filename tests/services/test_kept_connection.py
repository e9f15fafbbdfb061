"""A connection stays open from request to request, and a file of SQLite that was replaced is never written to."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from authsvc.web.database import close_if_replaced, look_after_connection


def make_file(path: Path, word: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE words (word TEXT)")
        made.execute("INSERT INTO words VALUES (?)", [word])


@pytest.fixture
def here(tmp_path: Path, django_db_blocker: Any) -> Iterator[BaseDatabaseWrapper]:
    """Put a connection to a file in the place of the suite's own."""
    make_file(tmp_path / "here.sqlite3", "old")
    given = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "here.sqlite3"), "CONN_MAX_AGE": 60}
    suites, made = connections[DEFAULT_DB_ALIAS], ConnectionHandler({DEFAULT_DB_ALIAS: given})[DEFAULT_DB_ALIAS]
    made.inc_thread_sharing()
    connections[DEFAULT_DB_ALIAS] = made
    with django_db_blocker.unblock():
        yield made
    connections[DEFAULT_DB_ALIAS] = suites
    made.close()


def words(here: BaseDatabaseWrapper) -> list[str]:
    with here.cursor() as cursor:
        cursor.execute("SELECT word FROM words ORDER BY word")
        return [row[0] for row in cursor.fetchall()]


def test_next_request_finds_it_open(here: BaseDatabaseWrapper) -> None:
    assert words(here) == ["old"]
    opened = here.connection
    for _ in range(3):
        look_after_connection()
        close_if_replaced()
    assert here.connection is opened is not None


@pytest.mark.parametrize("look", [look_after_connection, close_if_replaced])
def test_next_request_reads_the_file_that_lies_there_now(
    here: BaseDatabaseWrapper, tmp_path: Path, look: object
) -> None:
    assert words(here) == ["old"]
    make_file(tmp_path / "new.sqlite3", "new")
    (tmp_path / "new.sqlite3").rename(tmp_path / "here.sqlite3")
    look()  # type: ignore[operator]
    assert words(here) == ["new"]


def test_a_file_that_was_moved_away_is_let_go(here: BaseDatabaseWrapper, tmp_path: Path) -> None:
    assert words(here) == ["old"]
    shutil.move(tmp_path / "here.sqlite3", tmp_path / "away.sqlite3")
    close_if_replaced()
    assert here.connection is None


def test_a_transaction_is_never_cut_off(here: BaseDatabaseWrapper, tmp_path: Path) -> None:
    with transaction.atomic():
        assert words(here) == ["old"]
        (tmp_path / "here.sqlite3").unlink()
        look_after_connection()
        close_if_replaced()
        assert words(here) == ["old"]
    close_if_replaced()
    assert here.connection is None
