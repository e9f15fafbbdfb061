"""When history is enough to be trusted, and what costs that trust again: thresholds a tenant may set. PURE.

Refuses promotion while anything is missing and lists all of it; every threshold holds exactly from its value on.
No public source states numbers for an established history, so the defaults are this project's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from devices.trust import PROOF_LIMITS, ProofKind, TrustLevel


@dataclass(frozen=True, slots=True)
class TrustThresholds:
    """What a tenant asks for before a device is trusted, and what costs it that trust."""

    active_for: timedelta = timedelta(days=7)
    successful_proofs: int = 50
    distinct_days: int = 5
    failed_proofs_allowed: int = 0
    failure_window: timedelta = timedelta(days=7)
    seen_within: timedelta = timedelta(hours=24)
    secret_unchanged_for: timedelta = timedelta(days=7)
    burst_failures: int = 5
    burst_window: timedelta = timedelta(minutes=10)
    silence: timedelta = timedelta(days=30)
    needs_confirmation: bool = False


DEFAULT_THRESHOLDS = TrustThresholds()


@dataclass(frozen=True, slots=True)
class TrustEvidence:
    """What is known about a device's conduct at one moment; times are aware UTC."""

    active_since: datetime | None
    successful_proofs: int
    distinct_days: int
    failed_proofs_recent: int
    failed_proofs_burst: int
    last_seen_at: datetime | None
    secret_changed_at: datetime | None
    vouched_at: datetime | None
    strongest_proof: ProofKind
    is_confirmed: bool = False


class Missing(StrEnum):
    """What still stands between a verified device and being trusted."""

    ACTIVE_TIME = "active_time"
    SUCCESSFUL_PROOFS = "successful_proofs"
    DISTINCT_DAYS = "distinct_days"
    RECENT_FAILURES = "recent_failures"
    NOT_SEEN = "not_seen"
    SECRET_CHANGED = "secret_changed"
    STRONG_PROOF = "strong_proof"
    CONFIRMATION = "confirmation"


class Loss(StrEnum):
    """What costs a trusted device its level without anybody deciding it."""

    FAILURE_BURST = "failure_burst"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class PromotionVerdict:
    """Whether the evidence is enough, and everything that is missing when it is not."""

    promote: bool
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class DemotionVerdict:
    """Whether the evidence costs the device its trust, and why."""

    demote: bool
    reasons: tuple[Loss, ...]


def should_promote(evidence: TrustEvidence, thresholds: TrustThresholds, now: datetime) -> PromotionVerdict:
    """Decide 2 → 3: every condition holds, each exactly from its threshold on."""
    secret_at = evidence.secret_changed_at or evidence.active_since
    met = {
        Missing.ACTIVE_TIME: _has_lasted(evidence.active_since, thresholds.active_for, now),
        Missing.SUCCESSFUL_PROOFS: evidence.successful_proofs >= thresholds.successful_proofs,
        Missing.DISTINCT_DAYS: evidence.distinct_days >= thresholds.distinct_days,
        Missing.RECENT_FAILURES: evidence.failed_proofs_recent <= thresholds.failed_proofs_allowed,
        Missing.NOT_SEEN: evidence.last_seen_at is not None and now - evidence.last_seen_at < thresholds.seen_within,
        Missing.SECRET_CHANGED: _has_lasted(secret_at, thresholds.secret_unchanged_for, now),
        Missing.STRONG_PROOF: PROOF_LIMITS[evidence.strongest_proof] >= TrustLevel.TRUSTED,
        Missing.CONFIRMATION: evidence.is_confirmed or not thresholds.needs_confirmation,
    }
    missing = tuple(condition for condition, is_met in met.items() if not is_met)
    return PromotionVerdict(promote=not missing, missing=missing)


def should_demote(evidence: TrustEvidence, thresholds: TrustThresholds, now: datetime) -> DemotionVerdict:
    """Decide 3 → 2: a burst of failed proofs, or silence since it was last seen, made active or vouched for."""
    signs_of_life = (evidence.last_seen_at, evidence.active_since, evidence.vouched_at)
    quiet_since = max((moment for moment in signs_of_life if moment is not None), default=None)
    lost = {
        Loss.FAILURE_BURST: evidence.failed_proofs_burst >= thresholds.burst_failures,
        Loss.SILENCE: _has_lasted(quiet_since, thresholds.silence, now),
    }
    reasons = tuple(loss for loss, is_true in lost.items() if is_true)
    return DemotionVerdict(demote=bool(reasons), reasons=reasons)


def _has_lasted(since: datetime | None, duration: timedelta, now: datetime) -> bool:
    return since is not None and now - since >= duration
