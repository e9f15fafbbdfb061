"""Where buckets are kept so that processes count together: one process's memory, a table, or Redis.

Every store takes atomically. When the shared one is away, each process counts for itself at half the rate: requests
are still answered, and never without a limit.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Protocol

import structlog
from django.conf import settings

from authsvc.web.token_bucket import MICROSECONDS, Rate, Verdict, take

log = structlog.get_logger("authsvc.limits")
MAXIMUM_KEYS = 50_000
AWAY_MICROSECONDS = 5 * MICROSECONDS


class StoreUnavailable(Exception):
    """The shared store did not answer."""


class BucketStore(Protocol):
    """Takes one request out of the bucket of ``key``; ``now`` is in microseconds since the epoch."""

    def take(self, key: str, rate: Rate, *, now: int) -> Verdict:
        """Return the verdict; raises ``StoreUnavailable``."""
        ...

    def give_back(self, key: str, rate: Rate) -> None:
        """Put one request back that turned out to count elsewhere; raises ``StoreUnavailable``."""
        ...


class MemoryStore:
    """Buckets of one process. Full ones are forgotten; of too many, those that were used least."""

    def __init__(self, maximum_keys: int = MAXIMUM_KEYS) -> None:
        self._buckets: dict[str, int] = {}
        self._lock = threading.Lock()
        self._maximum_keys = maximum_keys

    def take(self, key: str, rate: Rate, *, now: int) -> Verdict:
        """Return the verdict."""
        with self._lock:
            if len(self._buckets) >= self._maximum_keys:
                self._forget(now)
            self._buckets[key], verdict = take(self._buckets.get(key, 0), rate, now=now)
        return verdict

    def give_back(self, key: str, rate: Rate) -> None:
        """Put one request back."""
        with self._lock:
            if key in self._buckets:
                self._buckets[key] -= rate.interval

    def __len__(self) -> int:
        return len(self._buckets)

    def _forget(self, now: int) -> None:
        busy = sorted((item for item in self._buckets.items() if item[1] > now), key=lambda item: -item[1])
        self._buckets = dict(busy[: self._maximum_keys // 2])


class CarefulStore:
    """A shared store, and half the rate in this process's memory while it is away; asks again after 5 seconds."""

    def __init__(self, shared: BucketStore) -> None:
        self._shared = shared
        self._own = MemoryStore()
        self._away_until = 0

    def take(self, key: str, rate: Rate, *, now: int) -> Verdict:
        """Return the verdict; never raises."""
        if now >= self._away_until or now < self._away_until - AWAY_MICROSECONDS:
            try:
                return self._shared.take(key, rate, now=now)
            except StoreUnavailable as reason:
                self._away_until = now + AWAY_MICROSECONDS
                log.warning("limits.store_unavailable", reason=type(reason.__cause__).__name__)
        return self._own.take(key, rate.halved(), now=now)

    def give_back(self, key: str, rate: Rate) -> None:
        """Put one request back; while the shared store is away a request stays counted."""
        try:
            self._shared.give_back(key, rate)
        except StoreUnavailable as reason:
            log.warning("limits.store_unavailable", reason=type(reason.__cause__).__name__)


@lru_cache(maxsize=1)
def bucket_store() -> BucketStore:
    """Return the store of this process: Redis where configured, memory for one process alone, else a table."""
    match store_name():
        case "redis":
            from authsvc.web.limit_store_redis import RedisStore  # noqa: PLC0415 - only the store in use is imported

            return CarefulStore(RedisStore(settings.REDIS_URL))
        case "memory":
            return MemoryStore()
        case _:
            from authsvc.web.limit_store_sql import sql_store  # noqa: PLC0415 - as above

            return CarefulStore(sql_store())


def store_name() -> str:
    """Return which store applies: ``redis``, ``memory`` or ``table``."""
    if settings.REDIS_URL:
        return "redis"
    return "memory" if settings.AUTHSVC_PROCESSES == 1 else "table"
