"""Prepared statements on PostgreSQL's driver itself: prepared once per connection, sent and read in two calls.

psycopg's cursors cost several times what the statement costs the database; its adapters, which say what a value looks
like on the wire and back, are used as they are. A connection belongs to one thread, so nothing is locked. Waiting
for the server lets other threads run.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # SQLite needs no driver
    from psycopg import Connection, Error
    from psycopg.pq.abc import PGresult

FORGOTTEN = frozenset({"0A000", "26000"})  # a table changed under the statement; somebody discarded it
GOOD = frozenset({1, 2})  # PGRES_COMMAND_OK, PGRES_TUPLES_OK
PIPELINE_ABORTED = 11
_here = threading.local()


def run_prepared(connection: Connection[Any], statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement with ``%s`` places and return its rows; raises psycopg's errors.

    The transaction that psycopg opens before a first statement is begun in the same round trip. Outside a transaction
    a statement the server no longer knows is prepared again.
    """
    if _is_begin_due(connection):
        with pipelined(connection) as pipeline:
            return pipeline.fetch(statement, parameters)
    known = _known(connection)
    try:
        return known.rows(checked(connection, known.run(statement, parameters)))
    except _forgotten() as failure:
        known.forget()
        if failure.sqlstate not in FORGOTTEN or not _is_idle(connection):
            raise
    return known.rows(checked(connection, known.run(statement, parameters)))


@contextmanager
def pipelined(connection: Connection[Any]) -> Iterator[Known]:
    """Yield where the statements of a transaction are sent, to wait once, or where rows are read; nothing else may use
    the connection meanwhile. A transaction is open afterwards, unless the last thing sent ended it.
    """
    known = _known(connection)
    connection.pgconn.enter_pipeline_mode()
    known.sent, is_whole = 0, False
    try:
        if _is_begin_due(connection):
            known.send_words(b"BEGIN")
        yield known
        known.settle()
        is_whole = True
    finally:
        if not is_whole:
            known.drain()
        known.sent = None
        if not connection.closed:
            connection.pgconn.exit_pipeline_mode()


def checked(connection: Connection[Any], result: PGresult) -> PGresult:
    """Return a good result; raises what a bad one says."""
    if result.status in GOOD:
        return result
    from psycopg import errors  # noqa: PLC0415 - SQLite needs no driver

    failure = errors.error_from_result(result)
    if connection.closed:  # the server is gone, so nobody gave the failure a number
        raise errors.OperationalError(str(failure))
    raise failure


class Known:
    """The statements one connection has prepared, by text and types of values."""

    def __init__(self, connection: Connection[Any]) -> None:
        from psycopg.adapt import PyFormat, Transformer  # noqa: PLC0415

        self.connection = connection
        self.sent: int | None = None  # in a pipeline: how many results are still to come
        self._transformer = Transformer.from_context(connection)
        self._format = PyFormat.AUTO
        self._names: dict[tuple[str, Any], bytes] = {}
        self._count = 0

    def run(self, statement: str, parameters: Sequence[Any]) -> PGresult:
        """Send a statement, prepared before if need be, and wait for its result."""
        name, is_new, values = self._named(statement, parameters)
        wire = self.connection.pgconn
        if is_new:
            checked(self.connection, wire.prepare(name, in_their_words(statement), self._transformer.types))
            self._names[statement, self._transformer.types] = name
        return wire.exec_prepared(name, values, self._transformer.formats)

    def fetch(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Send a statement in the pipeline, wait for all that was sent, and return its rows."""
        self.send(statement, parameters)
        return self.rows(self.settle())

    def send(self, statement: str, parameters: Sequence[Any]) -> None:
        """Send a statement in the pipeline, prepared before if need be, without waiting; it may fail later."""
        name, is_new, values = self._named(statement, parameters)
        if is_new:
            self.connection.pgconn.send_prepare(name, in_their_words(statement), self._transformer.types)
            self._add_sent()
            self._names[statement, self._transformer.types] = name
        self.connection.pgconn.send_query_prepared(name, values, self._transformer.formats)
        self._add_sent()

    def send_words(self, words: bytes) -> None:
        """Send a statement that is nothing but its words, without waiting."""
        self.connection.pgconn.send_query_params(words, None)
        self._add_sent()

    def settle(self) -> PGresult:
        """Wait for everything that was sent and return the last result; raises the first failure."""
        wire = self.connection.pgconn
        if not self.sent:
            return wire.make_empty_result(0)
        wire.pipeline_sync()
        self._flush()
        results, self.sent = [self._next() for _ in range(self.sent)], 0
        self._next(is_sync=True)
        for result in results:
            if result is None or self.connection.closed:
                raise _broken(wire.get_error_message() or "the server closed the connection")
            if result.status == PIPELINE_ABORTED:
                raise _broken("a statement before this one failed")
            checked(self.connection, result)
        return results[-1] or wire.make_empty_result(0)

    def drain(self) -> None:
        """After a failure on our side: read what is still to come, so that the connection can be used again.

        What was prepared in a pipeline that failed may not be there.
        """
        from psycopg import errors  # noqa: PLC0415

        self.forget()
        if self.sent and not self.connection.closed:
            with suppress(errors.Error):
                self.settle()

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """Return the rows of a result, converted."""
        if not result.ntuples:
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def forget(self) -> None:
        """Prepare everything again, under new names."""
        self._names.clear()

    def _named(self, statement: str, parameters: Sequence[Any]) -> tuple[bytes, bool, Any]:
        values = self._transformer.dump_sequence(parameters, [self._format] * len(parameters))
        name = self._names.get((statement, self._transformer.types))
        if name is not None:
            return name, False, values
        self._count += 1
        return f"authsvc_{self._count}".encode(), True, values

    def _add_sent(self) -> None:
        self.sent = (self.sent or 0) + 1

    def _flush(self) -> None:
        """Send what the socket did not take at once; reading meanwhile, so that neither side waits for the other."""
        wire = self.connection.pgconn
        while wire.flush():
            _wait(wire.socket, select.POLLIN | select.POLLOUT)
            wire.consume_input()

    def _next(self, *, is_sync: bool = False) -> PGresult | None:
        """Return the next result; while the server works, other threads do too."""
        wire = self.connection.pgconn
        while wire.is_busy() and not self.connection.closed:
            _wait(wire.socket, select.POLLIN)
            wire.consume_input()
        result = wire.get_result()
        if result is not None and not is_sync:
            wire.get_result()  # the end of this statement's results
        return result


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


def _wait(socket: int, events: int) -> None:
    poll = select.poll()
    poll.register(socket, events)
    poll.poll()


def _is_begin_due(connection: Connection[Any]) -> bool:
    return not connection.autocommit and _is_idle(connection)


def _is_idle(connection: Connection[Any]) -> bool:
    return bool(connection.pgconn.transaction_status == 0)


def _broken(reason: str) -> Error:
    from psycopg import errors  # noqa: PLC0415

    return errors.OperationalError(reason)


def _forgotten() -> tuple[type[Error], ...]:
    from psycopg import errors  # noqa: PLC0415

    return errors.FeatureNotSupported, errors.InvalidSqlStatementName
