"""How every worker learns within a second that somebody's rights changed, without a query per request.

Each tenant's audit head counts the events after which an earlier answer to "who is this and what may they do" may be
wrong; the count moves in the transaction of the change itself. A worker asks for it every 250 ms and tenant, while it
is used, and at once when a process of its own host has changed something (``host_marks.py``). What was remembered under
another count is forgotten. Without the database there is no answer, and so nothing remembered is used: the error goes
up and becomes 503.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from weakref import WeakSet

from django.conf import settings
from django.db import connection, transaction

from authsvc.audit.host_marks import mark_of, move_mark
from authsvc.audit.models import AuditHead
from authsvc.web.prepared import Prepared
from authsvc.web.request_id import request_began_at

POLL_SECONDS = 0.25
MAXIMUM_NOTICED = 10_000

Value = TypeVar("Value")
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Known(Generic[Value]):
    """A remembered value and the count under which it was worked out."""

    tenant_id: str
    changes: int
    value: Value


@dataclass(frozen=True, slots=True)
class RightsNoticed:
    """Since when (seconds since the epoch) this process goes by a tenant's count and by no older one."""

    tenant_id: str
    changes: int
    in_force_at: float


class Remembered(Generic[Key, Value]):
    """A bounded memory of one process; an entry is dropped as soon as its tenant's count differs.

    The count must be read before the work whose result is stored: a change in between then drops the result.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._entries: OrderedDict[Key, Known[Value]] = OrderedDict()
        self._lock = threading.Lock()
        _MEMORIES.add(self)

    def find(self, key: Key) -> Known[Value] | None:
        """Return what is remembered and still current; raises ``DatabaseError`` when that cannot be told."""
        known = self._entries.get(key)
        if known is None:
            return None
        is_current = current_changes(known.tenant_id) == known.changes
        with self._lock:
            if not is_current:
                self._entries.pop(key, None)
                return None
            if key in self._entries:
                self._entries.move_to_end(key)
        return known

    def put(self, key: Key, tenant_id: str, changes: int, value: Value) -> None:
        """Remember a value worked out after ``changes`` was read; the one unused longest makes room.

        A transaction that moves the count itself remembers nothing: it may yet be rolled back.
        """
        if _is_changing(tenant_id):
            return
        with self._lock:
            self._entries[key] = Known(tenant_id, changes, value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._maximum:
                self._entries.popitem(last=False)

    def known(self, key: Key, tenant_id: str, look: Callable[[], Value]) -> Value:
        """Return what is remembered and still current, else what ``look`` finds, which is remembered then."""
        known = self.find(key)
        if known is not None and known.tenant_id == tenant_id:
            return known.value
        changes = current_changes(tenant_id)
        value = look()
        self.put(key, tenant_id, changes, value)
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


_HEADS = AuditHead.objects.order_by()
_COUNT = Prepared(lambda tenant_id: _HEADS.filter(tenant_id=tenant_id).values_list("changes", flat=True))
_MEMORIES: WeakSet[Forgetful] = WeakSet()
_seen: dict[str, tuple[float, int, bytes]] = {}
_noticed: dict[str, RightsNoticed] = {}
_seen_lock = threading.Lock()
_changing: set[tuple[int, str]] = set()


def current_changes(tenant_id: str) -> int:
    """Return a tenant's count, at most 250 ms old, or in strict mode read since this request began; raises
    ``DatabaseError`` when it cannot be read.

    What a transaction that moves the count sees of it is its own until it commits: nobody else may use it.
    """
    asked_at, mark = time.monotonic(), mark_of(tenant_id)
    seen = _seen.get(tenant_id)
    if seen is not None and seen[0] > _fresh_since(asked_at) and seen[2] == mark:
        return seen[1]
    count = _COUNT.first(tenant_id=tenant_id) or 0
    if _is_changing(tenant_id):
        return count
    with _seen_lock:
        newest = _seen.get(tenant_id)
        if newest is None or newest[0] <= asked_at:
            _seen[tenant_id] = (asked_at, count, mark)
    if seen is not None and seen[1] != count:
        _note_in_force(tenant_id, count, idle_seconds=time.monotonic() - seen[0] - POLL_SECONDS)
    return count


def look_again(tenant_id: str) -> None:
    """Forget a tenant's count, so that the next answer is worked out from what is committed now.

    For a refusal that may rest on what another worker changed a moment ago.
    """
    _forget(tenant_id)


def noticed_changes() -> list[RightsNoticed]:
    """Return the newest change of each tenant that this process noticed since it was asked last."""
    with _seen_lock:
        found = list(_noticed.values())
        _noticed.clear()
    return found


def note_change(tenant_id: str, *, changes: int | None = None) -> None:
    """Make this process ask again: at once for the transaction's own eyes, and for every thread when it commits.

    ``changes`` is the count the transaction moves to, for the measurement.
    """
    changing = (threading.get_ident(), tenant_id)
    _changing.add(changing)
    _forget(tenant_id)

    def committed() -> None:
        _changing.discard(changing)
        move_mark(tenant_id)
        _forget(tenant_id)
        if changes is not None:
            _note_in_force(tenant_id, changes, idle_seconds=0)

    transaction.on_commit(committed)


def forget_everything() -> None:
    """Forget every count and every remembered value of this process."""
    with _seen_lock:
        _seen.clear()
        _noticed.clear()
    _changing.clear()
    for memory in _MEMORIES:
        memory.clear()


class Forgetful(Protocol):
    """A memory of this process that can be emptied."""

    def clear(self) -> None:
        """Forget everything."""
        ...


def register_memory(memory: Forgetful) -> None:
    """Have a memory emptied by ``forget_everything`` too."""
    _MEMORIES.add(memory)


def _forget(tenant_id: str) -> None:
    with _seen_lock:
        _seen.pop(tenant_id, None)


def _note_in_force(tenant_id: str, changes: int, *, idle_seconds: float) -> None:
    """Note that the count is gone by now, or since the older one was too old to be used."""
    in_force_at = time.time() - max(0.0, idle_seconds)
    with _seen_lock:
        if tenant_id in _noticed or len(_noticed) < MAXIMUM_NOTICED:
            _noticed[tenant_id] = RightsNoticed(tenant_id, changes, in_force_at)


def _fresh_since(asked_at: float) -> float:
    """Return the moment since which a count must have been read."""
    if not settings.AUTHSVC_STRICT_REVOCATION:
        return asked_at - POLL_SECONDS
    began_at = request_began_at()
    return asked_at if began_at is None else began_at


def _is_changing(tenant_id: str) -> bool:
    """True inside a transaction of this thread that moves the count; one that was rolled back is forgotten here."""
    changing = (threading.get_ident(), tenant_id)
    if changing not in _changing:
        return False
    if connection.in_atomic_block:
        return True
    _changing.discard(changing)
    return False
