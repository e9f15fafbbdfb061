"""Whether stored credentials keep working: a state per profile, one per provider, and the exit code of a check. PURE.

``classic`` judges every profile and trusts a refresh token, as openclaw 2026.4 does; ``current`` judges only the
profile that would be chosen and looks at the access token, as 2026.9 does. ``refreshable`` is reported apart, so
nobody has to guess which of the two was meant. A cooldown is not ill health and never changes a state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from profiles.expiry import INVALID, Expiry
from profiles.providers import Kind
from profiles.references import Strategy, is_deprecated_profile_id

WARN_AFTER_MS: Final = 86_400_000
DAY_MS: Final = 86_400_000
NOTICE_DAYS: Final = (1, 7, 30)


class HealthState(StrEnum):
    """How a profile or provider stands."""

    OK = "ok"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    MISSING = "missing"
    STATIC = "static"
    REFRESH_FAILED = "refresh_failed"


class CheckCode(IntEnum):
    """Exit code of a check; whoever asks uses 3 when it cannot tell."""

    OK = 0
    FAILING = 1
    EXPIRING = 2


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """What health needs to know of a credential; flags only, no secret."""

    profile_id: str
    provider: str
    kind: Kind
    has_secret: bool
    has_refresh: bool = False
    expiry: Expiry = None
    has_refresh_failed: bool = False
    has_unresolved_reference: bool = False


@dataclass(frozen=True, slots=True)
class ProfileHealth:
    """The verdict on one profile; ``remaining_ms`` is negative once expired and None without a readable expiry."""

    profile_id: str
    provider: str
    kind: Kind
    state: HealthState
    refreshable: bool
    expires_at_ms: int | None
    remaining_ms: int | None


def assess(
    credential: StoredCredential, now_ms: int, warn_after_ms: int = WARN_AFTER_MS, compat: Strategy = Strategy.CLASSIC
) -> ProfileHealth:
    """Return the health of one credential at ``now_ms``."""
    expires_at_ms = credential.expiry if isinstance(credential.expiry, int) else None
    remaining_ms = None if expires_at_ms is None else expires_at_ms - now_ms
    return ProfileHealth(
        profile_id=credential.profile_id,
        provider=credential.provider,
        kind=credential.kind,
        state=_state(credential, remaining_ms, warn_after_ms, compat),
        refreshable=_is_refreshable(credential),
        expires_at_ms=expires_at_ms,
        remaining_ms=remaining_ms,
    )


def provider_state(profiles: Sequence[ProfileHealth]) -> HealthState:
    """Return the worst state of a provider's profiles, ``static`` for keys alone, ``missing`` for none."""
    states = {profile.state for profile in profiles}
    return next((state for state in _WORST_FIRST if state in states), HealthState.MISSING)


def check(
    profiles: Sequence[ProfileHealth],
    providers_in_use: frozenset[str],
    compat: Strategy = Strategy.CLASSIC,
    effective: Mapping[str, str] | None = None,
) -> CheckCode:
    """Return the exit code; failing goes before expiring.

    ``effective`` maps a provider to the profile that resolution puts first; ``current`` looks at nothing else.
    """
    judged = profiles if compat is Strategy.CLASSIC else _effective(profiles, providers_in_use, effective or {})
    if providers_in_use - {profile.provider for profile in judged} or any(p.state in _FAILING for p in judged):
        return CheckCode.FAILING
    return CheckCode.EXPIRING if any(p.state is HealthState.EXPIRING for p in judged) else CheckCode.OK


def notice_days(health: ProfileHealth) -> int | None:
    """Return which notice a long-lived credential is due: within 1, 7 or 30 days, or None."""
    if health.remaining_ms is None or health.refreshable:
        return None
    remaining_ms = health.remaining_ms
    return next((days for days in NOTICE_DAYS if 0 < remaining_ms <= days * DAY_MS), None)


def remedy(health: ProfileHealth) -> str:
    """Return what the operator can do, by where the profile came from; empty when there is nothing to do."""
    if health.state in (HealthState.OK, HealthState.STATIC):
        return ""
    if is_deprecated_profile_id(health.profile_id):
        return (
            "Imported from another program's login: run its setup-token command and paste the result as a new profile."
        )
    return _REMEDIES[health.kind]


def _state(credential: StoredCredential, remaining_ms: int | None, warn_after_ms: int, compat: Strategy) -> HealthState:
    if credential.has_refresh_failed:
        return HealthState.REFRESH_FAILED
    if not _is_present(credential, compat):
        return HealthState.MISSING
    if credential.kind is Kind.API_KEY:
        return HealthState.STATIC
    if compat is Strategy.CLASSIC and _is_refreshable(credential):
        return HealthState.OK
    if remaining_ms is None:
        return _without_expiry(credential, compat)
    return _by_expiry(remaining_ms, warn_after_ms)


def _is_present(credential: StoredCredential, compat: Strategy) -> bool:
    """Only the current generation follows references while checking; the classic one takes their word."""
    if credential.has_unresolved_reference:
        return compat is Strategy.CLASSIC
    return credential.has_secret or _is_refreshable(credential)


def _without_expiry(credential: StoredCredential, compat: Strategy) -> HealthState:
    """A token without expiry never expires; a login must have one, and a useless one is no credential when current."""
    if credential.kind is Kind.OAUTH or (credential.expiry is INVALID and compat is Strategy.CURRENT):
        return HealthState.MISSING
    return HealthState.STATIC


def _by_expiry(remaining_ms: int, warn_after_ms: int) -> HealthState:
    if remaining_ms <= 0:
        return HealthState.EXPIRED
    return HealthState.EXPIRING if remaining_ms <= warn_after_ms else HealthState.OK


def _is_refreshable(credential: StoredCredential) -> bool:
    return credential.kind is Kind.OAUTH and credential.has_refresh and not credential.has_refresh_failed


def _effective(
    profiles: Sequence[ProfileHealth], providers_in_use: frozenset[str], effective: Mapping[str, str]
) -> tuple[ProfileHealth, ...]:
    chosen = {effective[provider] for provider in providers_in_use if provider in effective}
    return tuple(profile for profile in profiles if profile.profile_id in chosen)


_FAILING: Final = frozenset({HealthState.EXPIRED, HealthState.MISSING, HealthState.REFRESH_FAILED})
_WORST_FIRST: Final = (
    HealthState.EXPIRED,
    HealthState.REFRESH_FAILED,
    HealthState.MISSING,
    HealthState.EXPIRING,
    HealthState.OK,
    HealthState.STATIC,
)
_REMEDIES: Final[Mapping[Kind, str]] = {
    Kind.API_KEY: "Store the API key of this profile.",
    Kind.TOKEN: "Make a new token with the provider and paste it; the profile keeps its id.",
    Kind.OAUTH: "Sign in with the provider again and import the new login.",
}
