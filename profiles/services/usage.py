"""Usage shared by all gateways of a tenant: what one reports, every other sees at its next resolution.

Refuses to blame a credential for a malformed request, and never extends a window that is running.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import F

from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, ValidationFailed
from profiles.backoff import UsageStats, after_failure, after_success, cleared, unusable_until, why_unavailable
from profiles.failures import HINTS, FailureReason, blames_credential, classify
from profiles.interchange.store import ParsedUsage
from profiles.interchange.usage import usage_from_json, usage_to_json
from profiles.models import Lease, Profile
from profiles.services.settings import preset_of, profile_settings


class Outcome(StrEnum):
    """How the use of a credential ended."""

    SUCCESS = "success"
    FAILURE = "failure"


class UsageState(StrEnum):
    """How a profile stands after what was reported of it."""

    OK = "ok"
    COOLDOWN = "cooldown"
    QUOTA_EXHAUSTED = "quota_exhausted"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Report:
    """What a gateway saw; ``message`` is read for its reason and never kept. ``retry_after_ms`` is a duration."""

    outcome: Outcome
    reason: FailureReason | None = None
    message: str = ""
    http_status: int | None = None
    model: str | None = None
    retry_after_ms: int | None = None
    reset_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class UsageVerdict:
    """Where a profile stands now, and what the operator can do about it."""

    state: UsageState
    until_ms: int | None
    cause: str | None
    hint: str


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The profile after a report, the reason it was classified as, and where the profile stands."""

    profile: Profile
    outcome: Outcome
    reason: FailureReason | None
    hint: str
    verdict: UsageVerdict


def report_usage(
    caller: Caller, report: Report, *, lease_id: str | None = None, profile_id: str | None = None, now: datetime
) -> ReportResult:
    """Count one use of a profile; the row is locked, so simultaneous reports are taken one after the other."""
    now_ms = milliseconds(now)
    reason = None if report.outcome is Outcome.SUCCESS else reason_of(report)
    with transaction.atomic():
        profile = _locked_profile(caller, lease_id, profile_id)
        before = usage_from_json(profile.usage)
        after = _after(caller, before, report, reason, now_ms)
        profile.usage = usage_to_json(ParsedUsage(after, profile.usage))
        counter = "success_count" if reason is None else "failure_count"
        setattr(profile, counter, F(counter) + 1)
        profile.save(update_fields=["usage", counter])
        verdict = usage_verdict(after, now_ms, report.model)
        detail = {
            "profile_id": profile.id,
            "lease_id": lease_id or "",
            "outcome": str(report.outcome),
            "reason": str(reason or ""),
            "model": report.model or "",
            "until": verdict.until_ms,
        }
        record(caller, "usage.reported", subject_id=profile.id, detail=detail, now=now)
        _warn_when_crossed(caller, profile, before, after, now)
    profile.refresh_from_db(fields=[counter])
    return ReportResult(profile, report.outcome, reason, "" if reason is None else HINTS.get(reason, ""), verdict)


def clear_cooldown(caller: Caller, *, profile_id: str, now: datetime) -> Profile:
    """End every window of a profile and forget its failures; only its last use is kept."""
    with transaction.atomic():
        profile = _locked_profile(caller, None, profile_id)
        stats = cleared(usage_from_json(profile.usage))
        profile.usage = usage_to_json(ParsedUsage(stats, profile.usage))
        profile.save(update_fields=["usage"])
        record(caller, "usage.cooldown_cleared", subject_id=profile.id, detail={"profile_id": profile.id}, now=now)
    return profile


def usage_verdict(stats: UsageStats, now_ms: int, model: str | None = None) -> UsageVerdict:
    """Return where a profile stands; a cooldown of another model does not count when one is named."""
    until_ms = unusable_until(stats, model, now_ms)
    if until_ms is None:
        return UsageVerdict(UsageState.OK, None, None, "")
    cause = why_unavailable(stats, model, now_ms)
    hint = HINTS.get(FailureReason(cause), "") if cause in set(FailureReason) else ""
    return UsageVerdict(_state(stats, now_ms), until_ms, cause, hint)


def reason_of(report: Report) -> FailureReason:
    """Return why it failed: what the message plainly says about the credential goes before the reporter's guess."""
    classified = classify(report.message, report.http_status).reason
    if report.reason is None or classified is FailureReason.CREDENTIAL_NOT_ALLOWED:
        return classified
    if report.reason is FailureReason.RATE_LIMIT and classified is FailureReason.QUOTA_EXHAUSTED:
        return classified  # a weekly quota looks like a rate limit to a gateway, and ends much later
    return report.reason


def milliseconds(moment: datetime) -> int:
    """Return a moment in milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


def _after(caller: Caller, before: UsageStats, report: Report, reason: FailureReason | None, now_ms: int) -> UsageStats:
    if reason is None:
        return after_success(before, now_ms)
    if not blames_credential(reason):
        return before
    preset = preset_of(profile_settings(caller))
    return after_failure(before, reason, now_ms, preset, report.model, report.retry_after_ms, report.reset_at_ms)


def _warn_when_crossed(caller: Caller, profile: Profile, before: UsageStats, after: UsageStats, now: datetime) -> None:
    threshold = profile_settings(caller).failure_threshold
    if threshold and before.error_count < threshold <= after.error_count:
        detail = {"profile_id": profile.id, "counter": "failures", "count": after.error_count}
        record(caller, "usage.threshold_reached", subject_id=profile.id, detail=detail, now=now)


def _locked_profile(caller: Caller, lease_id: str | None, profile_id: str | None) -> Profile:
    if (lease_id is None) == (profile_id is None):
        raise ValidationFailed(errors={"lease_id": ["Give either lease_id or profile_id."]})
    if lease_id is not None:
        leases = Lease.objects.for_environment(caller).filter(id=lease_id)
        profile_id = leases.values_list("profile_id", flat=True).first()
    profile = Profile.objects.for_environment(caller).select_for_update().filter(id=profile_id).first()
    if profile is None:
        raise NotFound
    return profile


def _state(stats: UsageStats, now_ms: int) -> UsageState:
    if stats.disabled_until_ms is not None and stats.disabled_until_ms > now_ms:
        return UsageState.DISABLED
    if stats.blocked_until_ms is not None and stats.blocked_until_ms > now_ms:
        return UsageState.QUOTA_EXHAUSTED
    return UsageState.COOLDOWN
