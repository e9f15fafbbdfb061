"""Which profile serves a request: one choice, the order behind it, and a reason for every profile skipped. PURE.

Precedence: an explicit order bounds what may be used; inside it a session pin decides; without one the tenant's
preferred kind goes before the upstream order. Refuses to switch silently: a profile that a person pinned and that
cannot serve now is an explicit failure, never another profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from profiles.backoff import why_unavailable
from profiles.candidates import Candidate, Pin, PinSource, ResolutionRequest
from profiles.eligibility import ACCESS_REASONS, Reason, eligibility, refused_access
from profiles.strategy import OrderPlan, cooling_until, plan_order, preferred_first


class FailureCode(StrEnum):
    """Why nothing was chosen; only ``no_credentials`` lets a client fall back to its environment."""

    NO_CREDENTIALS = "no_credentials"
    ALL_IN_COOLDOWN = "all_in_cooldown"
    FORBIDDEN = "forbidden"
    PIN_UNAVAILABLE = "pin_unavailable"


@dataclass(frozen=True, slots=True)
class ResolutionFailure:
    """A refusal with, where waiting helps, the milliseconds to wait and, for a pin, the profile and its reason."""

    code: FailureCode
    retry_after_ms: int | None = None
    profile_id: str | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """What became of one profile; ``cause`` is the failure reason behind a running window."""

    profile_id: str
    reason: Reason
    until_ms: int | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """The chosen profile or the failure; ``order`` holds every profile that may be used, cooling ones included."""

    chosen: str | None
    order: tuple[str, ...]
    trace: tuple[TraceEntry, ...]
    failure: ResolutionFailure | None


def choose(request: ResolutionRequest, candidates: Sequence[Candidate]) -> Resolution:
    """Choose among the candidates of one environment; a cooling profile loses to any other and is never served."""
    by_id = {candidate.profile_id: candidate for candidate in candidates}
    plan = plan_order(request, candidates)
    allowed = tuple(profile_id for profile_id in plan.profile_ids if refused_access(request, by_id[profile_id]) is None)
    order = _preferences(request, by_id, plan, allowed)
    trace = _trace(request, by_id, plan, order)
    failure = _pin_failure(request, trace) or _failure(request, trace)
    chosen = None if failure else next(entry.profile_id for entry in trace if entry.reason is Reason.OK)
    return Resolution(chosen, order, trace, failure)


def _preferences(
    request: ResolutionRequest, by_id: Mapping[str, Candidate], plan: OrderPlan, allowed: tuple[str, ...]
) -> tuple[str, ...]:
    order = allowed if plan.is_explicit else _preferred_kind_first(request, by_id, allowed)
    order = preferred_first(order, request.preferred_profile)
    return preferred_first(order, _effective_pin(request, by_id))


def _preferred_kind_first(
    request: ResolutionRequest, by_id: Mapping[str, Candidate], order: tuple[str, ...]
) -> tuple[str, ...]:
    if request.preferred_kind is None:
        return order

    def rank(profile_id: str) -> int:
        candidate = by_id[profile_id]
        if cooling_until(request, candidate) is not None:
            return 2
        return int(candidate.kind is not request.preferred_kind)

    return tuple(sorted(order, key=rank))


def _effective_pin(request: ResolutionRequest, by_id: Mapping[str, Candidate]) -> str | None:
    """A person's pin always leads; the service's own pin leads only while its profile is healthy."""
    if request.pin is None:
        return None
    pinned = by_id.get(request.pin.profile_id)
    is_cooling = pinned is not None and cooling_until(request, pinned) is not None
    return None if request.pin.source is PinSource.AUTO and is_cooling else request.pin.profile_id


def _trace(
    request: ResolutionRequest, by_id: Mapping[str, Candidate], plan: OrderPlan, order: tuple[str, ...]
) -> tuple[TraceEntry, ...]:
    mentioned = (*order, *(request.explicit_order or ()), *by_id)
    return tuple(_entry(request, by_id.get(each), each, plan) for each in dict.fromkeys(mentioned))


def _entry(request: ResolutionRequest, candidate: Candidate | None, profile_id: str, plan: OrderPlan) -> TraceEntry:
    reason = eligibility(request, candidate, profile_id)
    if candidate is None or reason is not Reason.OK:
        return TraceEntry(profile_id, reason)
    if profile_id not in plan.profile_ids:
        return TraceEntry(profile_id, Reason.EXCLUDED_BY_AUTH_ORDER)
    refused = refused_access(request, candidate)
    if refused is not None:
        return TraceEntry(profile_id, refused)
    until_ms = cooling_until(request, candidate)
    if until_ms is None:
        return TraceEntry(profile_id, Reason.OK)
    return TraceEntry(
        profile_id, Reason.IN_COOLDOWN, until_ms, why_unavailable(candidate.usage, request.model, request.now_ms)
    )


def _pin_failure(request: ResolutionRequest, trace: tuple[TraceEntry, ...]) -> ResolutionFailure | None:
    if request.pin is None or request.pin.source is PinSource.AUTO:
        return None
    entry = _entry_of(request.pin, trace)
    if entry.reason is Reason.OK:
        return None
    code = FailureCode.FORBIDDEN if entry.reason in ACCESS_REASONS else FailureCode.PIN_UNAVAILABLE
    retry_after_ms = None if entry.until_ms is None else entry.until_ms - request.now_ms
    return ResolutionFailure(code, retry_after_ms, entry.profile_id, entry.reason)


def _entry_of(pin: Pin, trace: tuple[TraceEntry, ...]) -> TraceEntry:
    missing = TraceEntry(pin.profile_id, Reason.PROFILE_MISSING)
    return next((entry for entry in trace if entry.profile_id == pin.profile_id), missing)


def _failure(request: ResolutionRequest, trace: tuple[TraceEntry, ...]) -> ResolutionFailure | None:
    reasons = {entry.reason for entry in trace}
    if Reason.OK in reasons:
        return None
    windows = [entry.until_ms for entry in trace if entry.until_ms is not None]
    if windows:
        return ResolutionFailure(FailureCode.ALL_IN_COOLDOWN, min(windows) - request.now_ms)
    if reasons & ACCESS_REASONS:
        return ResolutionFailure(FailureCode.FORBIDDEN)
    return ResolutionFailure(FailureCode.NO_CREDENTIALS)
