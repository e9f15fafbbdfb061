"""The hash chain: each event's hash covers every column and the hash before it; each tenant has one chain. PURE.

``verify_chain`` works on plain rows, from the database or from an exported file, and names the first place that
does not fit: a changed byte, a missing row, a swapped row, a cut tail (against the recorded head).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

GENESIS = "0" * 64
VERSION = 1


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event as it is hashed and exported; ``occurred_at`` is ISO 8601 in UTC with microseconds."""

    id: str
    tenant_id: str
    sequence: int
    event_type: str
    environment_id: str
    actor_kind: str
    actor_id: str
    subject_id: str
    request_id: str
    address: str
    occurred_at: str
    detail: Mapping[str, object]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last event of a chain as recorded beside it."""

    tenant_id: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """``intact`` or the first place that is not: its sequence, the event's id if known, and what is wrong."""

    intact: bool
    checked: int
    sequence: int = 0
    event_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unplaced:
    """The canonical JSON of an event around its place, so that little is left to do while a chain stands still."""

    before: str
    between: str
    after: str

    def hash_at(self, sequence: int, previous_hash: str) -> str:
        """Return what ``hash_event`` does for the event at this place."""
        place = f'"previous_hash":"{previous_hash}"{self.between}"sequence":{sequence}'
        return hashlib.sha256(f"{self.before}{place}{self.after}".encode()).hexdigest()


_NOWHERE = {"sequence": 0, "previous_hash": ""}
_HASHED = tuple(column.name for column in fields(EventRow) if column.name != "hash")
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def hash_event(row: EventRow) -> str:
    """Return the SHA-256 hex of the canonical JSON of every column but ``hash``."""
    columns = {name: getattr(row, name) for name in _HASHED}
    return hashlib.sha256(_canonical([VERSION, columns]).encode()).hexdigest()


def take_out_of_chain(row: EventRow) -> Unplaced:
    """Return an event without its place; what ``sequence``, ``previous_hash`` and ``hash`` say is not looked at."""
    columns = {name: getattr(row, name) for name in _HASHED} | _NOWHERE
    # No text holds an unescaped quote, and behind these two members there are only texts.
    before, _, behind = _canonical([VERSION, columns]).rpartition('"previous_hash":""')
    between, _, after = behind.rpartition('"sequence":0')
    return Unplaced(before, between, after)


def verify_chain(rows: Iterable[EventRow], head: ChainHead | None, start: ChainHead | None = None) -> ChainVerdict:
    """Check rows in order of sequence, from ``start`` (else the beginning) up to ``head`` when it is known.

    ``start`` is the last event removed by retention, taken from a signed checkpoint.
    """
    previous, sequence, checked = (start.hash, start.sequence, 0) if start else (GENESIS, 0, 0)
    for row in rows:
        reason = _wrong(row, sequence + 1, previous)
        if reason:
            return ChainVerdict(False, checked, sequence + 1, row.id, reason)
        previous, sequence, checked = row.hash, row.sequence, checked + 1
    if head is not None and (head.sequence, head.hash) != (sequence, previous):
        return ChainVerdict(False, checked, sequence + 1, "", "the chain does not end where its head says")
    return ChainVerdict(True, checked, sequence)


def _wrong(row: EventRow, expected_sequence: int, previous_hash: str) -> str:
    if row.sequence != expected_sequence:
        return f"sequence {row.sequence} stands where {expected_sequence} belongs"
    if row.previous_hash != previous_hash:
        return "it does not follow from the event before it"
    if hash_event(row) != row.hash:
        return "its content does not match its hash"
    return ""
