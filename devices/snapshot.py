"""What an approver saw, as one digest; what changed since; and how risky a request looks in the inbox. PURE.

An approval carries the digest of the snapshot on the card. Any difference makes another digest, so an approval of
something else is refused as stale. A changed key is flagged so that nothing of the old trust is carried over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum
from types import MappingProxyType

SNAPSHOT_VERSION = 1

Shown = str | bool | frozenset[str]


@dataclass(frozen=True, slots=True)
class EnrolmentSnapshot:
    """Everything the approval card shows; scopes and capabilities are sets, ``key_fingerprint`` may be empty."""

    name: str
    kind: str
    gateway: str
    platform: str = ""
    firmware: str = ""
    key_fingerprint: str = ""
    requested_role: str = ""
    requested_scopes: frozenset[str] = field(default_factory=frozenset)
    capabilities: frozenset[str] = field(default_factory=frozenset)
    address: str = ""
    is_client_chosen_secret: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs; ``added`` and ``removed`` are filled for sets, ``before`` and ``after`` for the rest."""

    field: str
    before: str = ""
    after: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    never_inherits_trust: bool = False

    @property
    def widens(self) -> bool:
        """Say whether the device asks for more than before, so that it needs a decision of its own."""
        return bool(self.added) or self.field in {"requested_role", "gateway"}


def digest(snapshot: EnrolmentSnapshot) -> str:
    """Return 64 hex characters that are equal exactly for equal snapshots."""
    shown = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in _values(snapshot)}
    document = {"version": SNAPSHOT_VERSION, "shown": shown}
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def difference(old: EnrolmentSnapshot, new: EnrolmentSnapshot) -> tuple[Change, ...]:
    """Return every field that differs between an earlier enrolment and this one, in the order of the card."""
    pairs = zip(_values(old), _values(new), strict=True)
    return tuple(_changed(name, before, after) for (name, before), (_, after) in pairs if before != after)


def _changed(name: str, before: Shown, after: Shown) -> Change:
    if isinstance(before, frozenset) and isinstance(after, frozenset):
        return Change(name, added=tuple(sorted(after - before)), removed=tuple(sorted(before - after)))
    return Change(name, str(before), str(after), never_inherits_trust=name == "key_fingerprint")


def _values(snapshot: EnrolmentSnapshot) -> list[tuple[str, Shown]]:
    return [(each.name, getattr(snapshot, each.name)) for each in fields(snapshot)]


@dataclass(frozen=True, slots=True)
class EnrolmentHistory:
    """What is already known when a request arrives. ``previous`` is the last approved snapshot of the same device."""

    previous: EnrolmentSnapshot | None = None
    rejected_before: int = 0
    wrong_codes: int = 0
    pending_from_address: int = 0
    is_known_address: bool = False


class RiskLevel(IntEnum):
    """The inbox shows the highest first."""

    LOW = 0
    RAISED = 1
    HIGH = 2


class RiskReason(StrEnum):
    """Why a request deserves a closer look."""

    KEY_CHANGED = "key_changed"
    ADMINISTRATION_ASKED = "administration_asked"
    REJECTED_BEFORE = "rejected_before"
    ASKS_FOR_MORE = "asks_for_more"
    WILDCARD_ASKED = "wildcard_asked"
    WRONG_CODES = "wrong_codes"
    MANY_FROM_ADDRESS = "many_from_address"
    CLIENT_CHOSEN_SECRET = "client_chosen_secret"
    NEW_ADDRESS = "new_address"


RISK_POINTS: Mapping[RiskReason, int] = MappingProxyType(
    {
        RiskReason.KEY_CHANGED: 5,
        RiskReason.ADMINISTRATION_ASKED: 5,
        RiskReason.REJECTED_BEFORE: 5,
        RiskReason.ASKS_FOR_MORE: 2,
        RiskReason.WILDCARD_ASKED: 2,
        RiskReason.WRONG_CODES: 2,
        RiskReason.MANY_FROM_ADDRESS: 2,
        RiskReason.CLIENT_CHOSEN_SECRET: 1,
        RiskReason.NEW_ADDRESS: 1,
    }
)
RAISED_FROM = 2
HIGH_FROM = 5
MANY_PENDING = 5


@dataclass(frozen=True, slots=True)
class RiskScore:
    """The level for the badge, the points for the order, the reasons for the card (heaviest first)."""

    level: RiskLevel
    points: int
    reasons: tuple[RiskReason, ...]


def risk(snapshot: EnrolmentSnapshot, history: EnrolmentHistory) -> RiskScore:
    """Return how risky approving this request looks; it sorts and explains, and never decides."""
    changes = difference(history.previous, snapshot) if history.previous else ()
    signs = {
        RiskReason.KEY_CHANGED: any(change.never_inherits_trust for change in changes),
        RiskReason.ADMINISTRATION_ASKED: any(_administers(scope) for scope in snapshot.requested_scopes),
        RiskReason.REJECTED_BEFORE: history.rejected_before > 0,
        RiskReason.ASKS_FOR_MORE: any(change.widens for change in changes),
        RiskReason.WILDCARD_ASKED: any("*" in scope for scope in snapshot.requested_scopes),
        RiskReason.WRONG_CODES: history.wrong_codes > 0,
        RiskReason.MANY_FROM_ADDRESS: history.pending_from_address >= MANY_PENDING,
        RiskReason.CLIENT_CHOSEN_SECRET: snapshot.is_client_chosen_secret,
        RiskReason.NEW_ADDRESS: not history.is_known_address,
    }
    reasons = tuple(reason for reason, is_present in signs.items() if is_present)
    points = sum(RISK_POINTS[reason] for reason in reasons)
    return RiskScore(_level_of(points), points, reasons)


def _administers(scope: str) -> bool:
    return scope.replace(".", ":").endswith(":admin")


def _level_of(points: int) -> RiskLevel:
    if points >= HIGH_FROM:
        return RiskLevel.HIGH
    return RiskLevel.RAISED if points >= RAISED_FROM else RiskLevel.LOW
