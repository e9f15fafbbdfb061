"""Figures that leave no row of their own: decisions by the hour, and how long a change of rights took to be in force.

Each process counts in memory and adds what it has to the database at most every five seconds, outside any transaction.
Counting never fails or delays a request: without the database the counts wait, and at most a bounded number of them;
what a process holds when it ends is lost. Nothing is decided by these figures.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Protocol

from django.db import DatabaseError, InterfaceError, connection

from authsvc.audit.changes import RightsNoticed, noticed_changes, register_memory
from authsvc.audit.models import AuditHead, DecisionTally, RightsReach
from authsvc.web.prepared import as_moment, execute

FLUSH_SECONDS = 5.0
MAXIMUM_KEYS = 10_000

_TALLIES = DecisionTally._meta.db_table
_REACHES = RightsReach._meta.db_table
_ADD = (
    f"INSERT INTO {_TALLIES} (tenant_id, environment_id, hour, allowed, denied) VALUES (%s, %s, %s, %s, %s) "  # noqa: S608
    f"ON CONFLICT (environment_id, hour) DO UPDATE SET "
    f"allowed = {_TALLIES}.allowed + excluded.allowed, denied = {_TALLIES}.denied + excluded.denied"
)
_REACH = (
    f"INSERT INTO {_REACHES} (tenant_id, changes, milliseconds, measured_at) VALUES (%s, %s, %s, %s) "  # noqa: S608
    f"ON CONFLICT (tenant_id) DO UPDATE SET changes = excluded.changes, milliseconds = excluded.milliseconds, "
    f"measured_at = excluded.measured_at WHERE excluded.changes > {_REACHES}.changes "
    f"OR (excluded.changes = {_REACHES}.changes AND excluded.milliseconds > {_REACHES}.milliseconds)"
)

Key = tuple[str, str, datetime]


class Decisions:
    """What this process counted and has not added yet."""

    def __init__(self) -> None:
        self._counts: dict[Key, Counter[bool]] = {}
        self._lock = threading.Lock()
        self.flushed_at = time.monotonic()
        register_memory(self)

    def note(self, key: Key, *, allowed: bool, times: int = 1) -> None:
        """Count decisions; past the bound, those of environments not counted yet are left out."""
        with self._lock:
            if key in self._counts or len(self._counts) < MAXIMUM_KEYS:
                self._counts.setdefault(key, Counter())[allowed] += times

    def take(self) -> dict[Key, Counter[bool]]:
        """Return what waits, and count from zero."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self.take()


_DECISIONS = Decisions()


class InPlace(Protocol):
    """Somebody or something that belongs to an environment: a caller, a gateway."""

    @property
    def tenant_id(self) -> str:
        """The tenant's id."""
        ...

    @property
    def environment_id(self) -> str:
        """The environment's id."""
        ...


def count_decision(where: InPlace, *, allowed: bool, now: datetime) -> None:
    """Count one decision of an environment in this process."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    _DECISIONS.note((where.tenant_id, where.environment_id, hour), allowed=allowed)


def keep_figures_if_due() -> None:
    """Add what this process counted to the database, at most every five seconds; never raises for a database fault."""
    asked_at = time.monotonic()
    if asked_at - _DECISIONS.flushed_at >= FLUSH_SECONDS and not connection.in_atomic_block:
        _DECISIONS.flushed_at = asked_at
        keep_figures()


def keep_figures() -> None:
    """Add what this process counted and measured to the database."""
    taken = _DECISIONS.take()
    for key in sorted(taken):
        counts = taken.pop(key)
        tenant_id, environment_id, hour = key
        try:
            execute(_ADD, [tenant_id, environment_id, as_moment(hour), counts[True], counts[False]])
        except (DatabaseError, InterfaceError):
            for waiting, held in {key: counts, **taken}.items():
                for allowed, times in held.items():
                    _DECISIONS.note(waiting, allowed=allowed, times=times)
            return
    for noticed in noticed_changes():
        _keep_reach(noticed)


def _keep_reach(noticed: RightsNoticed) -> None:
    """Keep a measurement, if no further change has made it unreadable."""
    try:
        heads = AuditHead.objects.filter(tenant_id=noticed.tenant_id, changes=noticed.changes)
        changed_at = heads.values_list("changed_at", flat=True).first()
        if changed_at is not None:
            seconds = max(0.0, noticed.in_force_at - changed_at.timestamp())
            moment = as_moment(datetime.fromtimestamp(noticed.in_force_at, UTC))
            execute(_REACH, [noticed.tenant_id, noticed.changes, round(seconds * 1000), moment])
    except (DatabaseError, InterfaceError):
        return
