"""The upstream order of profiles for one provider, reproduced for both generations. PURE.

``classic`` is openclaw 2026.1.24 and 2026.4.14, ``current`` is 2026.9.6. Profiles that cannot serve are left out;
profiles that are cooling stay in, last, soonest recovery first. Refuses to widen: stored profiles that an explicit
order does not name are never tried, and an empty order selects nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from profiles.backoff import unusable_until
from profiles.candidates import Candidate, ResolutionRequest
from profiles.eligibility import Reason, eligibility
from profiles.expiry import is_past
from profiles.providers import Kind
from profiles.references import Strategy, normalise_provider

NEVER_COOLING: Final = frozenset({"openrouter", "kilocode"})  # hard-coded upstream: they route around their own limits
_KIND_RANK: Final[Mapping[Kind, int]] = {Kind.OAUTH: 0, Kind.TOKEN: 1, Kind.API_KEY: 2}


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """The usable profiles in upstream order, and whether a list that somebody wrote decided it."""

    profile_ids: tuple[str, ...]
    is_explicit: bool


def resolve_order(request: ResolutionRequest, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Return the profile ids to try, in order: the answer that the upstream function of that generation gives."""
    return preferred_first(plan_order(request, candidates).profile_ids, request.preferred_profile)


def plan_order(request: ResolutionRequest, candidates: Sequence[Candidate]) -> OrderPlan:
    """Return the order before any preference for one profile is applied."""
    by_id = {candidate.profile_id: candidate for candidate in candidates}
    named = _named(request, candidates)
    usable = _usable(request, by_id, named)
    is_explicit = bool(request.explicit_order)
    if not usable and _is_repairable(request, by_id, named):
        usable, is_explicit = _usable(request, by_id, _stored(request, candidates)), False
    profiles = [by_id[profile_id] for profile_id in usable]
    if not is_explicit:
        profiles.sort(key=lambda candidate: _automatic_key(request, candidate))
    return OrderPlan(tuple(candidate.profile_id for candidate in _cooling_last(request, profiles)), is_explicit)


def preferred_first(profile_ids: tuple[str, ...], preferred: str | None) -> tuple[str, ...]:
    """Return the ids with the preferred one first, if it is among them."""
    if preferred is None or preferred not in profile_ids:
        return profile_ids
    return (preferred, *(profile_id for profile_id in profile_ids if profile_id != preferred))


def cooling_until(request: ResolutionRequest, candidate: Candidate) -> int | None:
    """Return when the candidate is usable again, or None when it is now; only ``current`` scopes windows to models."""
    is_current = request.strategy is Strategy.CURRENT
    if is_current and normalise_provider(candidate.provider, request.strategy) in NEVER_COOLING:
        return None
    return unusable_until(candidate.usage, request.model if is_current else None, request.now_ms)


def prune_order(order: Sequence[str], known_ids: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the order without repeats and unknown ids, and the dangling ids that were dropped."""
    unique = tuple(dict.fromkeys(order))
    kept = tuple(profile_id for profile_id in unique if profile_id in known_ids)
    return kept, tuple(profile_id for profile_id in unique if profile_id not in known_ids)


def _named(request: ResolutionRequest, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    if request.explicit_order is not None:
        return request.explicit_order
    return _configured(request) or _stored(request, candidates)


def _configured(request: ResolutionRequest) -> tuple[str, ...]:
    wanted = normalise_provider(request.provider, request.strategy)
    return tuple(
        entry.profile_id
        for entry in request.configured
        if normalise_provider(entry.provider, request.strategy) == wanted
    )


def _stored(request: ResolutionRequest, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    wanted = normalise_provider(request.provider, request.strategy)
    return tuple(
        candidate.profile_id
        for candidate in candidates
        if normalise_provider(candidate.provider, request.strategy) == wanted
    )


def _usable(request: ResolutionRequest, by_id: Mapping[str, Candidate], named: tuple[str, ...]) -> list[str]:
    return [
        profile_id
        for profile_id in dict.fromkeys(named)
        if eligibility(request, by_id.get(profile_id), profile_id) is Reason.OK
    ]


def _is_repairable(request: ResolutionRequest, by_id: Mapping[str, Candidate], named: tuple[str, ...]) -> bool:
    """Only ``current`` repairs, and only a list whose every id is gone: a list of misfits is somebody's decision."""
    if request.strategy is not Strategy.CURRENT or not named or any(profile_id in by_id for profile_id in named):
        return False
    return (request.explicit_order is not None and request.is_stored_order) or bool(_configured(request))


def _automatic_key(request: ResolutionRequest, candidate: Candidate) -> tuple[int, int, int]:
    needs_refresh = candidate.kind is Kind.OAUTH and not _has_fresh_access(request, candidate)
    return _KIND_RANK[candidate.kind], int(needs_refresh), candidate.usage.last_used_ms or 0


def _has_fresh_access(request: ResolutionRequest, candidate: Candidate) -> bool:
    """The classic generation does not look; the current one wants an access token with a readable expiry ahead."""
    if request.strategy is Strategy.CLASSIC:
        return True
    return candidate.has_secret and isinstance(candidate.expiry, int) and not is_past(candidate.expiry, request.now_ms)


def _cooling_last(request: ResolutionRequest, profiles: list[Candidate]) -> list[Candidate]:
    return sorted(profiles, key=lambda candidate: cooling_until(request, candidate) or 0)
