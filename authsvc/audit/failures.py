"""Proofs that fail again and again: twenty of one principal, or from one network, within a minute are an event.

Counted where the rate limits are, so that workers count together, in windows of a minute that begin every half minute;
an attack that goes on is told again with the next window. Counting never fails a request, and a tenant is told of what
was tried against itself alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

import structlog
from django.db import DatabaseError, transaction

from authsvc.audit.changes import register_memory
from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.client_address import network_of
from authsvc.web.limit_store import bucket_store
from authsvc.web.token_bucket import MICROSECONDS, Rate

log = structlog.get_logger("authsvc.audit")
THRESHOLD = 20
WINDOW_SECONDS = 60
# A bucket of this rate gives back nothing within a window: what it has left counts the failures of one.
COUNTER = Rate(THRESHOLD, THRESHOLD * WINDOW_SECONDS)
MAXIMUM_TOLD = 10_000


class Told:
    """Windows of this process whose threshold was reached: a flood is not counted any further there."""

    def __init__(self) -> None:
        self._windows: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        register_memory(self)

    def __contains__(self, window: str) -> bool:
        return window in self._windows

    def add(self, window: str) -> None:
        """Remember a window; the oldest makes room."""
        with self._lock:
            self._windows[window] = None
            while len(self._windows) > MAXIMUM_TOLD:
                self._windows.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._windows.clear()


_TOLD = Told()


def note_failed_proof(caller: Caller, *, principal_id: str, address: str, proof: str, now: datetime) -> None:
    """Count one failed proof, for the principal it named (if there is one) and for the network it came from.

    ``caller`` says in whose chain the event stands: that of the tenant meant, else the platform's. One without its
    address keeps the network out of the event as well.
    """
    for counted, subject in (("principal", principal_id), ("address", network_of(address) if address else "")):
        if subject and _reaches_threshold(f"{caller.tenant_id}:{subject}", now):
            shown = subject if counted == "principal" or caller.address else ""
            _tell(caller, counted, shown, proof, now)


def _reaches_threshold(key: str, now: datetime) -> bool:
    """True for the one failure, of all processes', that fills a window."""
    half = int(now.timestamp()) // (WINDOW_SECONDS // 2)
    filled = [_fills(f"failed:{key}:{start}", now) for start in (half - 1, half)]  # counted in both
    return any(filled)


def _fills(window: str, now: datetime) -> bool:
    if window in _TOLD:
        return False
    verdict = bucket_store().take(window[:100], COUNTER, now=int(now.timestamp() * MICROSECONDS))
    if verdict.remaining:
        return False
    _TOLD.add(window)
    return verdict.allowed


def _tell(caller: Caller, counted: str, subject: str, proof: str, now: datetime) -> None:
    detail = {"counted": counted, "count": THRESHOLD, "seconds": WINDOW_SECONDS, "proof": proof}
    try:
        with transaction.atomic():
            record(caller, "authentication.threshold_reached", subject_id=subject, detail=detail, now=now)
    except DatabaseError as error:
        log.warning("authentication.threshold_not_recorded", reason=type(error).__name__)
