"""Prepared statements on PostgreSQL's driver itself: prepared once per connection, sent and read in two calls.

psycopg's cursors cost several times what the statement costs the database; its adapters, which say what a value looks
like on the wire and back, are used as they are. A connection belongs to one thread, so nothing is locked. Waiting
for the server lets other threads run.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # SQLite needs no driver
    from psycopg import Connection
    from psycopg.pq.abc import PGresult

FORGOTTEN = frozenset({"0A000", "26000"})  # a table changed under the statement; somebody discarded it
_here = threading.local()


def run_prepared(connection: Connection[Any], statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement with ``%s`` places and return its rows; raises psycopg's errors.

    Outside a transaction a statement the server no longer knows is prepared again.
    """
    from psycopg import errors, pq  # noqa: PLC0415 - SQLite needs no driver

    known = _known(connection)
    begin(connection)
    result = known.run(statement, parameters)
    if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return known.rows(result)
    failure = errors.error_from_result(result)
    if connection.closed:  # the server is gone, so nobody gave the failure a number
        raise errors.OperationalError(str(failure))
    if failure.sqlstate not in FORGOTTEN:
        raise failure
    known.forget()
    if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
        raise failure
    return run_prepared(connection, statement, parameters)


def begin(connection: Connection[Any]) -> None:
    """Open the transaction that psycopg opens before a first statement, if one is due."""
    from psycopg import pq  # noqa: PLC0415

    wire = connection.pgconn
    if connection.autocommit or wire.transaction_status != pq.TransactionStatus.IDLE:
        return
    wire.exec_(b"BEGIN")


class Known:
    """The statements one connection has prepared, by text and types of values."""

    def __init__(self, connection: Connection[Any]) -> None:
        from psycopg.adapt import PyFormat, Transformer  # noqa: PLC0415

        self.connection = connection
        self._transformer = Transformer.from_context(connection)
        self._format = PyFormat.AUTO
        self._names: dict[tuple[str, Any], bytes] = {}
        self._count = 0

    def run(self, statement: str, parameters: Sequence[Any]) -> PGresult:
        """Send a statement, prepared before if need be, and wait for its result."""
        wire, transformer = self.connection.pgconn, self._transformer
        values = transformer.dump_sequence(parameters, [self._format] * len(parameters))
        key = (statement, transformer.types)
        name = self._names.get(key)
        if name is None:
            self._count += 1
            name = f"authsvc_{self._count}".encode()
            made = wire.prepare(name, in_their_words(statement), transformer.types)
            if made.status != 1:  # COMMAND_OK
                return made
            self._names[key] = name
        return wire.exec_prepared(name, values, transformer.formats)  # type: ignore[arg-type]  # NULL is None

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """Return the rows of a result, converted."""
        if not result.ntuples:
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def forget(self) -> None:
        """Prepare everything again, under new names."""
        self._names.clear()


def in_their_words(statement: str) -> bytes:
    """Return a statement with ``$1``, ``$2`` where Django writes ``%s``."""
    first, *others = statement.split("%s")
    numbered = "".join(f"${number}{part}" for number, part in enumerate(others, start=1))
    return f"{first}{numbered}".replace("%%", "%").encode()


def _known(connection: Connection[Any]) -> Known:
    known: Known | None = getattr(_here, "known", None)
    if known is None or known.connection is not connection:
        known = _here.known = Known(connection)
    return known
