"""Denials that repeat themselves: the first is recorded at once, its equals are counted and recorded with the next.

A gateway under attack is refused the same way thousands of times a second; a row for each would make the refusals
slower than the answers, and hold up the tenant's chain. Nothing is lost but the time of day of an equal refusal: after
ten seconds the next one is recorded with how many were not. Counts still waiting when a process ends are lost.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta

from authsvc.audit.changes import register_memory

WINDOW = timedelta(seconds=10)
MAXIMUM_KEYS = 10_000


class Repeats:
    """When each kind of denial was last recorded by this process, and how many equals have come since."""

    def __init__(self, maximum_keys: int = MAXIMUM_KEYS) -> None:
        self._recorded: OrderedDict[Hashable, tuple[datetime, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._maximum_keys = maximum_keys
        register_memory(self)

    def note(self, key: Hashable, *, now: datetime) -> int | None:
        """Return how many equals went unrecorded when this one is to be recorded; ``None`` when it is only counted."""
        with self._lock:
            recorded_at, count = self._recorded.get(key, (None, 0))
            if recorded_at is not None and recorded_at <= now < recorded_at + WINDOW:
                self._recorded[key] = (recorded_at, count + 1)
                return None
            self._recorded[key] = (now, 0)
            self._recorded.move_to_end(key)
            while len(self._recorded) > self._maximum_keys:
                self._recorded.popitem(last=False)
        return count

    def forget(self, key: Hashable) -> None:
        """Take back the last note of a key whose record failed."""
        with self._lock:
            self._recorded.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._recorded.clear()
