"""Buckets in a table, for several processes without Redis: one upsert per request, so none is counted twice or lost.

On SQLite the table has a file of its own beside the database: a count need not survive a power cut, and must never
wait for the database's one writer. On PostgreSQL it is a table of the database.
"""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from django.db import DatabaseError, connection

from authsvc.web.limit_store import StoreUnavailable
from authsvc.web.token_bucket import PERIODS_BELIEVED, Rate, Verdict, allowed, believed, refused

Parameters = Mapping[str, int | str]
Execute = Callable[[str, Parameters], tuple[int] | None]

TABLE = "authsvc_limitbucket"
CREATE = f"CREATE TABLE IF NOT EXISTS {TABLE} (key varchar(100) PRIMARY KEY, full_at bigint NOT NULL)"
_START = f"CASE WHEN {TABLE}.full_at < %(now)s OR {TABLE}.full_at > %(horizon)s THEN %(now)s ELSE {TABLE}.full_at END"
UPSERT = (  # every name in these statements is a constant
    f"INSERT INTO {TABLE} (key, full_at) VALUES (%(key)s, %(now)s + %(interval)s) "  # noqa: S608
    f"ON CONFLICT (key) DO UPDATE SET full_at = {_START} + %(interval)s "
    f"WHERE {_START} + %(interval)s <= %(now)s + %(capacity)s RETURNING full_at"
)
READ = f"SELECT full_at FROM {TABLE} WHERE key = %(key)s"  # noqa: S608 - the name is a constant
FORGET = f"DELETE FROM {TABLE} WHERE full_at < %(now)s"  # noqa: S608
GIVE_BACK = f"UPDATE {TABLE} SET full_at = full_at - %(interval)s WHERE key = %(key)s"  # noqa: S608
ONE_IN = 1000  # requests between two sweeps of full buckets, on average


class SqlStore:
    """The statements, over whatever executes them."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def take(self, key: str, rate: Rate, *, now: int) -> Verdict:
        """Return the verdict; raises ``StoreUnavailable``."""
        parameters: dict[str, int | str] = {
            "key": key,
            "now": now,
            "interval": rate.interval,
            "capacity": rate.capacity,
            "horizon": now + PERIODS_BELIEVED * rate.capacity,
        }
        try:
            if random.randrange(ONE_IN) == 0:  # noqa: S311 - housekeeping, not a secret
                self._execute(FORGET, parameters)
            taken = self._execute(UPSERT, parameters)
            if taken is not None:
                return allowed(taken[0], rate, now=now)
            stands = self._execute(READ, parameters)
        except (DatabaseError, sqlite3.Error, OSError) as error:
            raise StoreUnavailable from error
        full_at = stands[0] if stands else now + rate.capacity
        return refused(believed(full_at, rate, now=now), rate, now=now)

    def give_back(self, key: str, rate: Rate) -> None:
        """Put one request back; raises ``StoreUnavailable``."""
        try:
            self._execute(GIVE_BACK, {"key": key, "interval": rate.interval})
        except (DatabaseError, sqlite3.Error, OSError) as error:
            raise StoreUnavailable from error


def sql_store() -> SqlStore:
    """Return the store for the configured database."""
    if connection.vendor != "sqlite":
        return SqlStore(execute_in_database)
    return SqlStore(SqliteFile(Path(f"{connection.settings_dict['NAME']}-limits")))


def execute_in_database(statement: str, parameters: Parameters) -> tuple[int] | None:
    """Run a statement on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() if cursor.description else None


class SqliteFile:
    """Runs statements on a file of its own, one connection a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()

    def __call__(self, statement: str, parameters: Parameters) -> tuple[int] | None:
        """Run a statement; raises ``sqlite3.Error``."""
        named = statement.replace("%(", ":").replace(")s", "")
        rows: list[tuple[int]] = self._connection().execute(named, parameters).fetchall()
        return rows[0] if rows else None

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self._path, timeout=2, isolation_level=None)
            found.execute("PRAGMA journal_mode=WAL")
            found.execute("PRAGMA synchronous=OFF")
            found.execute(CREATE)
            self._local.connection = found
        return found
