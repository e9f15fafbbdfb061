"""Health: states at their edges, the provider rollup, and the exit codes two upstream lines gave for whole stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from profiles.expiry import INVALID
from profiles.health import (
    DAY_MS,
    CheckCode,
    HealthState,
    ProfileHealth,
    StoredCredential,
    assess,
    check,
    notice_days,
    provider_state,
    remedy,
)
from profiles.providers import Kind
from profiles.references import Strategy

NOW = 1_800_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
KEY = StoredCredential("anthropic:key", "anthropic", Kind.API_KEY, True)
TOKEN = StoredCredential("anthropic:manual", "anthropic", Kind.TOKEN, True)
LOGIN = StoredCredential("anthropic:me", "anthropic", Kind.OAUTH, True, True, NOW + 8 * HOUR_MS)
IN_USE = frozenset({"anthropic"})


@pytest.mark.parametrize(
    ("credential", "change", "classic", "current"),
    [
        (KEY, {}, "static", "static"),
        (KEY, {"has_secret": False}, "missing", "missing"),
        (KEY, {"has_secret": False, "has_unresolved_reference": True}, "static", "missing"),
        (TOKEN, {}, "static", "static"),
        (TOKEN, {"expiry": INVALID}, "static", "missing"),
        (TOKEN, {"has_secret": False}, "missing", "missing"),
        (TOKEN, {"expiry": NOW}, "expired", "expired"),
        (TOKEN, {"expiry": NOW + 1}, "expiring", "expiring"),
        (TOKEN, {"expiry": NOW + DAY_MS - MINUTE_MS}, "expiring", "expiring"),
        (TOKEN, {"expiry": NOW + DAY_MS}, "expiring", "expiring"),
        (TOKEN, {"expiry": NOW + DAY_MS + MINUTE_MS}, "ok", "ok"),
        (LOGIN, {}, "ok", "expiring"),
        (LOGIN, {"expiry": NOW - 1}, "ok", "expired"),
        (LOGIN, {"has_secret": False, "expiry": NOW - 1}, "ok", "expired"),
        (LOGIN, {"has_refresh": False}, "expiring", "expiring"),
        (LOGIN, {"has_refresh": False, "expiry": None}, "missing", "missing"),
        (LOGIN, {"expiry": INVALID}, "ok", "missing"),
        (LOGIN, {"has_secret": False, "has_refresh": False}, "missing", "missing"),
        (LOGIN, {"has_refresh_failed": True}, "refresh_failed", "refresh_failed"),
    ],
)
def test_assess_state_truth_table(
    credential: StoredCredential, change: dict[str, Any], classic: str, current: str
) -> None:
    stored = replace(credential, **change)
    assert assess(stored, NOW, compat=Strategy.CLASSIC).state == classic
    assert assess(stored, NOW, compat=Strategy.CURRENT).state == current


def test_assess_warn_window_can_be_set_per_call() -> None:
    stored = replace(TOKEN, expiry=NOW + 3 * HOUR_MS)
    assert assess(stored, NOW, 2 * HOUR_MS).state is HealthState.OK
    assert assess(stored, NOW, 3 * HOUR_MS).state is HealthState.EXPIRING


def test_assess_reports_refreshable_and_remaining_apart() -> None:
    health = assess(replace(LOGIN, expiry=NOW - 5), NOW)
    assert (health.state, health.refreshable, health.remaining_ms) == (HealthState.OK, True, -5)
    assert not assess(replace(LOGIN, has_refresh_failed=True), NOW).refreshable
    assert assess(TOKEN, NOW).remaining_ms is None


# The table of exit codes that the real command lines gave (2026.4.14, 2026.9.6); ``effective`` is what they chose.
STORES: dict[str, tuple[list[StoredCredential], str | None, int, int]] = {
    "01 key": ([KEY], KEY.profile_id, 0, 0),
    "02 token of a year": ([replace(TOKEN, expiry=NOW + 365 * DAY_MS)], TOKEN.profile_id, 0, 0),
    "03 token expired": ([replace(TOKEN, expiry=NOW - 1)], None, 1, 1),
    "04 token 12 h": ([replace(TOKEN, expiry=NOW + 12 * HOUR_MS)], TOKEN.profile_id, 2, 2),
    "05 login 8 h": ([LOGIN], LOGIN.profile_id, 0, 2),
    "06 login expired": ([replace(LOGIN, expiry=NOW - 1)], LOGIN.profile_id, 0, 1),
    "10 malformed beside good": ([KEY, replace(TOKEN, has_secret=False)], KEY.profile_id, 1, 0),
    "11 reference unset": ([replace(KEY, has_secret=False, has_unresolved_reference=True)], KEY.profile_id, 0, 1),
    "14 empty": ([], None, 1, 1),
}


@pytest.mark.parametrize("name", STORES)
def test_check_whole_store_equals_upstream(name: str) -> None:
    credentials, effective, classic, current = STORES[name]
    chosen = {"anthropic": effective} if effective else None
    for compat, expected in ((Strategy.CLASSIC, classic), (Strategy.CURRENT, current)):
        profiles = [assess(credential, NOW, compat=compat) for credential in credentials]
        assert check(profiles, IN_USE, compat, chosen) == expected


def health_of(state: HealthState, provider: str = "anthropic") -> ProfileHealth:
    return ProfileHealth(f"{provider}:{state}", provider, Kind.TOKEN, state, False, None, None)


def test_check_failing_goes_before_expiring() -> None:
    both = [health_of(HealthState.EXPIRING), health_of(HealthState.REFRESH_FAILED)]
    assert check(both, IN_USE) is CheckCode.FAILING
    assert check(both[:1], IN_USE) is CheckCode.EXPIRING


def test_check_provider_in_use_without_profile_is_failing() -> None:
    assert check([health_of(HealthState.OK)], frozenset({"anthropic", "openai"})) is CheckCode.FAILING
    assert check([], frozenset()) is CheckCode.OK


def test_check_current_ignores_what_is_not_in_use() -> None:
    profiles = [health_of(HealthState.OK), health_of(HealthState.EXPIRED, "openai")]
    chosen = {each.provider: each.profile_id for each in profiles}
    assert check(profiles, IN_USE, Strategy.CURRENT, chosen) is CheckCode.OK
    assert check(profiles, IN_USE, Strategy.CLASSIC, chosen) is CheckCode.FAILING


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([], "missing"),
        (["static"], "static"),
        (["static", "ok"], "ok"),
        (["ok", "expiring"], "expiring"),
        (["expiring", "missing"], "missing"),
        (["missing", "refresh_failed"], "refresh_failed"),
        (["refresh_failed", "expired", "ok"], "expired"),
    ],
)
def test_provider_state_is_the_worst(states: list[str], worst: str) -> None:
    assert provider_state([health_of(HealthState(state)) for state in states]) == worst


@pytest.mark.parametrize(
    ("remaining_ms", "days"),
    [
        (31 * DAY_MS, None),
        (30 * DAY_MS, 30),
        (7 * DAY_MS + 1, 30),
        (7 * DAY_MS, 7),
        (DAY_MS, 1),
        (1, 1),
        (0, None),
        (-1, None),
    ],
)
def test_notice_days_truth_table(remaining_ms: int, days: int | None) -> None:
    assert notice_days(assess(replace(TOKEN, expiry=NOW + remaining_ms), NOW)) == days


def test_notice_days_spares_refreshable_and_endless_credentials() -> None:
    assert notice_days(assess(LOGIN, NOW)) is None
    assert notice_days(assess(KEY, NOW)) is None


def test_remedy_depends_on_state_kind_and_origin() -> None:
    assert remedy(assess(KEY, NOW)) == ""
    assert "paste it" in remedy(assess(replace(TOKEN, expiry=NOW), NOW))
    assert "Sign in" in remedy(assess(replace(LOGIN, has_refresh_failed=True), NOW))
    mirrored = replace(TOKEN, profile_id="anthropic:claude-cli", expiry=NOW)
    assert "setup-token" in remedy(assess(mirrored, NOW))
