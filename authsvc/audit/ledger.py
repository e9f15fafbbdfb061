"""What one transaction adds, gathered first and written at its end: changed rows, new rows, events.

Several units of work may share a ledger. Changes of one row are joined, new rows of one table are inserted together,
and the head of the chain is locked once, last, after every other row: whoever takes rows and the head takes them in
that order, and rows in the order of their names, or PostgreSQL would end the deadlock by refusing somebody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Protocol, TypeVar, cast

from django.db.models import Model

from authsvc.audit.events import Detail
from authsvc.audit.record import Draft, LockedHead, append_events, draft, find_locked_head, locked_head
from authsvc.web.caller import Caller
from authsvc.web.prepared import insert_rows, sent_together

Value = TypeVar("Value")


class Change(Protocol):
    """A change of one row: ``after`` joins it to an earlier one of the same row, ``write`` stores it."""

    def after(self, earlier: Change) -> Change:
        """Return the one change that both make together."""
        ...

    def write(self) -> None:
        """Store it."""
        ...


class Ledger:
    """The work of one transaction that is not written yet; belongs to one thread."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, str], Change] = {}
        self._rows: dict[type[Model], list[Model]] = {}
        self._drafts: dict[str, list[Draft]] = {}
        self._held: dict[Hashable, object] = {}

    def change(self, table: str, row_id: str, change: Change) -> None:
        """Change one row at the end, together with what others change in it."""
        earlier = self._changes.get((table, row_id))
        self._changes[table, row_id] = change if earlier is None else change.after(earlier)

    def insert(self, row: Model) -> None:
        """Insert a row at the end; its key must be set."""
        self._rows.setdefault(type(row), []).append(row)

    def is_new(self, row: Model) -> bool:
        """True for a row that is inserted at the end, and may change until then."""
        return any(row is other for other in self._rows.get(type(row), ()))

    def record(
        self, caller: Caller, event_type: str, *, subject_id: str = "", detail: Detail | None = None, now: datetime
    ) -> None:
        """Append an event at the end; raises ``UnknownEvent``."""
        one = draft(caller, event_type, subject_id=subject_id, detail=detail, now=now)
        self._drafts.setdefault(one.event.tenant_id, []).append(one)

    def hold(self, key: Hashable, lock: Callable[[], Value]) -> Value:
        """Return a row that was locked for this ledger before, else lock it; its changes are seen by all units."""
        if key not in self._held:
            self._held[key] = lock()
        return cast("Value", self._held[key])

    def count(self, key: Hashable, *, start: Callable[[], int]) -> int:
        """Return one more than the last time, beginning after what ``start`` reads from a row it locks."""
        number = cast("int", self._held[key]) if key in self._held else start()
        self._held[key] = number + 1
        return number + 1

    def changes_rights(self) -> bool:
        """True when an event in it moves a count of changes."""
        return any(one.changes_rights for drafts in self._drafts.values() for one in drafts)

    def write(self, check: Callable[[LockedHead], None] = lambda _head: None, *, is_last: bool = False) -> None:
        """Write everything, inside the caller's transaction; ``check`` sees each locked head and may still refuse.

        When it is the last thing in the outermost transaction, the commit is sent with it.
        """
        tenants = sorted(self._drafts)
        with sent_together():
            for key in sorted(self._changes):
                self._changes[key].write()
            for rows in self._rows.values():
                insert_rows(rows)
            found = {tenant_id: find_locked_head(tenant_id) for tenant_id in tenants}
        heads = [head or locked_head(tenant_id) for tenant_id, head in found.items()]
        for head in heads:
            check(head)
        with sent_together(and_commit=is_last):
            for head in heads:
                append_events(head, self._drafts[head.tenant_id])
