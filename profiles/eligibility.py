"""Whether one candidate could serve a provider at all, and the stable code that says why not. PURE.

Codes and their precedence are those of openclaw 2026.9.6; the classic strategy knows fewer of them. What the caller
may use (trust, channel, gateway, demands) is ``refused_access``: a different question with codes of our own.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from profiles.candidates import Candidate, Requirement, ResolutionRequest
from profiles.expiry import INVALID, is_past
from profiles.providers import Kind
from profiles.references import Strategy, normalise_provider


class Reason(StrEnum):
    """Why a profile was taken or skipped; stable for ever."""

    OK = "ok"
    PROFILE_MISSING = "profile_missing"
    PROVIDER_MISMATCH = "provider_mismatch"
    MODE_MISMATCH = "mode_mismatch"
    MISSING_CREDENTIAL = "missing_credential"
    INVALID_EXPIRES = "invalid_expires"
    EXPIRED = "expired"
    MALFORMED_API_KEY = "malformed_api_key"
    UNRESOLVED_REF = "unresolved_ref"
    SETUP_INACTIVE = "setup_inactive"
    EXCLUDED_BY_AUTH_ORDER = "excluded_by_auth_order"
    NO_MODEL = "no_model"
    INELIGIBLE_PROFILE = "ineligible_profile"
    # Ours: what the caller may use, and windows that are running.
    TRUST_TOO_LOW = "trust_too_low"
    CHANNEL_NOT_ALLOWED = "channel_not_allowed"
    GATEWAY_NOT_ALLOWED = "gateway_not_allowed"
    REQUIREMENT_UNMET = "requirement_unmet"
    IN_COOLDOWN = "in_cooldown"


ACCESS_REASONS: Final = frozenset({Reason.TRUST_TOO_LOW, Reason.CHANNEL_NOT_ALLOWED, Reason.GATEWAY_NOT_ALLOWED})


def eligibility(request: ResolutionRequest, candidate: Candidate | None, profile_id: str) -> Reason:
    """Return ``ok`` or the first reason for which this profile cannot serve ``request.provider``."""
    if candidate is None:
        return Reason.PROFILE_MISSING
    if not _is_same_provider(request, candidate.provider):
        return Reason.PROVIDER_MISMATCH
    return _configuration_reason(request, candidate, profile_id) or credential_reason(
        candidate, request.strategy, request.now_ms
    )


def credential_reason(candidate: Candidate, strategy: Strategy, now_ms: int) -> Reason:
    """Return ``ok`` or what is wrong with the stored credential itself, whatever it is wanted for."""
    if candidate.is_setup_inactive and strategy is Strategy.CURRENT:
        return Reason.SETUP_INACTIVE
    if not candidate.has_secret and not _can_refresh(candidate):
        return Reason.UNRESOLVED_REF if candidate.has_unresolved_reference else Reason.MISSING_CREDENTIAL
    if candidate.kind is Kind.TOKEN:
        return _token_reason(candidate, strategy, now_ms)
    if candidate.kind is Kind.API_KEY and candidate.is_malformed and strategy is Strategy.CURRENT:
        return Reason.MALFORMED_API_KEY
    return Reason.OK


def refused_access(request: ResolutionRequest, candidate: Candidate) -> Reason | None:
    """Return why this caller may not use a good profile, or None; an unnamed channel is not an allowed one."""
    if request.trust_level < candidate.minimum_trust:
        return Reason.TRUST_TOO_LOW
    if candidate.allowed_channels is not None and request.channel not in candidate.allowed_channels:
        return Reason.CHANNEL_NOT_ALLOWED
    if candidate.allowed_gateways is not None and request.gateway not in candidate.allowed_gateways:
        return Reason.GATEWAY_NOT_ALLOWED
    if not all(_satisfies(candidate, requirement) for requirement in request.require):
        return Reason.REQUIREMENT_UNMET
    return None


def probe_reason(reason: Reason) -> Reason:
    """Return the code that upstream's probe reports: it knows fewer words than the order does."""
    return reason if reason in _PROBE_WORDS else Reason.INELIGIBLE_PROFILE


def _configuration_reason(request: ResolutionRequest, candidate: Candidate, profile_id: str) -> Reason | None:
    configured = next((entry for entry in request.configured if entry.profile_id == profile_id), None)
    if configured is None:
        return None
    if not _is_same_provider(request, configured.provider):
        return Reason.PROVIDER_MISMATCH
    if configured.mode == candidate.kind or (configured.mode == Kind.OAUTH and candidate.kind is Kind.TOKEN):
        return None
    return Reason.MODE_MISMATCH


def _token_reason(candidate: Candidate, strategy: Strategy, now_ms: int) -> Reason:
    if candidate.expiry is INVALID and strategy is Strategy.CURRENT:
        return Reason.INVALID_EXPIRES
    return Reason.EXPIRED if is_past(candidate.expiry, now_ms) else Reason.OK


def _can_refresh(candidate: Candidate) -> bool:
    return candidate.kind is Kind.OAUTH and candidate.has_refresh


def _is_same_provider(request: ResolutionRequest, provider: str) -> bool:
    return normalise_provider(provider, request.strategy) == normalise_provider(request.provider, request.strategy)


def _satisfies(candidate: Candidate, requirement: Requirement) -> bool:
    if requirement is Requirement.PROMPT_CACHING:
        return candidate.prompt_caching
    return candidate.billing.value == requirement.value


_PROBE_WORDS: Final = frozenset(
    {
        Reason.OK,
        Reason.EXCLUDED_BY_AUTH_ORDER,
        Reason.MISSING_CREDENTIAL,
        Reason.EXPIRED,
        Reason.INVALID_EXPIRES,
        Reason.UNRESOLVED_REF,
        Reason.NO_MODEL,
    }
)
