"""One commit for several waiting requests of a process: group commit, a line of its own for each tenant (ADR 10).

A request hands over its unit of work and waits. The first in the line leads: it takes everybody who waits, runs their
units in one transaction on its own connection, and answers each after the commit; whoever came meanwhile is led by the
next. Nobody is answered before the commit that holds its rows. A batch that fails was rolled back whole and is tried
again one by one, so a bad unit fails alone; when the connection is lost nobody can tell, and all of it is an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections, transaction
from django.utils.module_loading import import_string

from authsvc.audit.ledger import Ledger
from authsvc.audit.record import LockedHead
from authsvc.web.caller import Caller
from authsvc.web.problems import Unavailable

Value = TypeVar("Value")
_open = threading.local()
MAXIMUM_BATCH = 32
DEADLOCK_TRIES = 3
DEADLOCKS = frozenset({"40P01", "40001"})


class Overtaken(Unavailable):
    """Rights changed while a unit waited, and what it rests on is gone: nothing was written; asking again tells."""

    default_detail = "Rights changed while this request waited; ask again."


class NotWritten(OperationalError):
    """Whoever led the batch was stopped before it could say how it ended."""


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False, slots=True)
class Unit(Generic[Value]):
    """One request's work, and how it ended. ``still`` says whether its checks would end the same now."""

    caller: Caller
    work: Callable[[Ledger], Value]
    still: Callable[[], bool]
    turn: threading.Lock = field(default_factory=_taken)
    value: Value | None = None
    failure: BaseException | None = None
    is_done: bool = False

    def wait(self) -> None:
        """Stand still until it is this unit's turn to lead, or until it ended."""
        self.turn.acquire()

    def wake(self) -> None:
        """Let its request go on."""
        self.turn.release()

    def end(self, value: Value | None = None, failure: BaseException | None = None) -> None:
        """Note how it ended and wake its request, once."""
        if not self.is_done:
            self.value, self.failure, self.is_done = value, failure, True
            self.wake()


def write_together(
    caller: Caller, work: Callable[[Ledger], Value], *, still: Callable[[], bool] = lambda: True
) -> Value:
    """Run ``work`` in a transaction that others of the same tenant may share, and return its value once committed.

    ``work`` reads and locks rows as it likes and leaves its writing to the ledger. Inside the work of another unit it
    becomes a part of that; inside a transaction of the caller's own it is simply written there. Raises what ``work``
    raises, ``Overtaken``, or ``DatabaseError``.
    """
    ledger: Ledger | None = getattr(_open, "ledger", None)
    if ledger is not None:
        return work(ledger)
    unit: Unit[Value] = Unit(caller, work, still)
    if connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return _written_here(unit)
    line = _LINES.join(caller.tenant_id, unit)
    unit.wait()
    if not unit.is_done:
        line.lead()
    if unit.failure is not None:
        raise unit.failure
    return unit.value  # type: ignore[return-value]  # set together with is_done


def once_more(ask: Callable[[], Value]) -> Value:
    """Return what ``ask`` does, asked a second time when it was overtaken: then the refusal says why."""
    try:
        return ask()
    except Overtaken:
        return ask()


def _written_here(unit: Unit[Value]) -> Value:
    try:
        with transaction.atomic():
            return _written([unit], is_last=False)[0]
    except _SomeOvertaken as overtaken:
        raise _overtaken() from overtaken


class Line:
    """Those of one tenant who wait; at most one of them leads."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self.waiting: list[Unit[object]] = []

    def lead(self) -> None:
        """Take everybody who waits, this thread's own unit first among them, and see them through."""
        units = _LINES.take(self)
        try:
            commit_units(units)
        except BaseException as stopped:
            for unit in units:
                unit.end(failure=NotWritten(str(stopped)))
            raise
        finally:
            _LINES.pass_on(self)


class Lines:
    """The lines of a process, by tenant; one without anybody in it is dropped."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._lock = threading.Lock()

    def join(self, tenant_id: str, unit: Unit[Value]) -> Line:
        """Stand a unit in line; where nobody leads it is its turn at once."""
        with self._lock:
            line = self._lines.get(tenant_id)
            if line is None:
                line = self._lines[tenant_id] = Line(tenant_id)
                unit.wake()
            line.waiting.append(unit)  # type: ignore[arg-type]  # a line holds units of every kind
        return line

    def take(self, line: Line) -> list[Unit[object]]:
        """Return the units of the next batch, which no longer wait."""
        with self._lock:
            taken, line.waiting = line.waiting[:MAXIMUM_BATCH], line.waiting[MAXIMUM_BATCH:]
        return taken

    def pass_on(self, line: Line) -> None:
        """Let the next one lead, if there is one."""
        with self._lock:
            if line.waiting:
                line.waiting[0].wake()
            else:
                del self._lines[line.tenant_id]


_LINES = Lines()


def commit_units(units: list[Unit[object]], *, tries: int = DEADLOCK_TRIES) -> None:
    """Commit units in one transaction, or after a failure each in one of its own; every unit is told how it ended."""
    is_inside = connections[DEFAULT_DB_ALIAS].in_atomic_block
    try:
        with transaction.atomic():
            values = _written(units, is_last=not is_inside)
    except _SomeOvertaken as overtaken:
        for unit in overtaken.units:
            unit.end(failure=_overtaken())
        rest = [unit for unit in units if not unit.is_done]
        if rest:
            commit_units(rest)
    except Exception as failure:  # noqa: BLE001 - whatever a unit raises belongs to the request that waits for it
        is_deadlock = _is_deadlock(failure)
        if isinstance(failure, OperationalError | InterfaceError) and not (is_deadlock and tries):
            for unit in units:  # the database is away, and if the connection broke nobody can tell what arrived
                unit.end(failure=NotWritten(str(failure)))
        elif len(units) == 1 and not is_deadlock:
            units[0].end(failure=failure)
        else:
            for unit in units:
                commit_units([unit], tries=tries - int(is_deadlock))
    else:
        for unit, value in zip(units, values, strict=True):
            unit.end(value)


class _SomeOvertaken(Exception):
    """Some units of a batch rest on rights that are gone."""

    def __init__(self, units: list[Unit[object]]) -> None:
        super().__init__()
        self.units = units


class _Alone(Exception):
    """A unit that changes rights shares no transaction: those behind it would rest on what was before."""


def _written(units: list[Unit[Value]], *, is_last: bool) -> list[Value]:
    ledger = _open.ledger = Ledger()
    try:
        values = [unit.work(ledger) for unit in units]
    finally:
        del _open.ledger
    if len(units) > 1 and ledger.changes_rights():
        raise _Alone
    ledger.write(lambda head: _require_current(units, head), is_last=is_last)
    return values


def _require_current(units: list[Unit[Value]], head: LockedHead) -> None:
    """Have those look again who were accepted under another count; the locked head lets nobody change it meanwhile."""
    moved = [unit for unit in units if unit.caller.changes not in (None, head.changes)]
    if not moved:
        return
    is_accepted: Callable[[Caller], bool] = import_string(settings.IS_STILL_ACCEPTED)
    overtaken = [unit for unit in moved if not (is_accepted(unit.caller) and unit.still())]
    if overtaken:
        raise _SomeOvertaken(overtaken)  # type: ignore[arg-type]


def _overtaken() -> Overtaken:
    return Overtaken(headers={"Retry-After": "1"})


def _is_deadlock(failure: Exception) -> bool:
    """True when PostgreSQL rolled the transaction back so that another could go on."""
    return getattr(failure.__cause__, "sqlstate", "") in DEADLOCKS
