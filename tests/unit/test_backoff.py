"""Backoff: upstream's failure sequences, the numbers of each preset, and the laws that hold for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.backoff import (
    ARGENTOS,
    CLAWDBOT,
    DAY_MS,
    HOUR_MS,
    MAX_QUOTA_WINDOW_MS,
    MINUTE_MS,
    OPENCLAW_2026_4,
    OPENCLAW_2026_9,
    PRESETS,
    SECOND_MS,
    BackoffPreset,
    UsageStats,
    after_failure,
    after_success,
    cleared,
    unusable_until,
    why_unavailable,
)
from profiles.failures import FailureReason
from tests.unit.resolution_stores import load_vectors

BASE = 1_800_000_000_000
SEQUENCES = load_vectors("failure_sequences_2026.9.6.json")["sequences"]
FIELDS = {
    "errorCount": "error_count",
    "lastFailureAt": "last_failure_at_ms",
    "cooldownUntil": "cooldown_until_ms",
    "cooldownReason": "cooldown_reason",
    "cooldownModel": "cooldown_model",
    "disabledUntil": "disabled_until_ms",
    "disabledReason": "disabled_reason",
}


def expected_stats(document: dict[str, Any]) -> UsageStats:
    fields = {FIELDS[name]: value for name, value in document.items() if name in FIELDS}
    moments = {name: BASE + value["offsetMs"] for name, value in fields.items() if isinstance(value, dict)}
    return UsageStats(**{**fields, **moments}, failure_counts=document["failureCounts"])


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: str(sequence["id"]))
def test_after_failure_sequence_equals_2026_9_6(sequence: dict[str, Any]) -> None:
    stats = UsageStats()
    for step in sequence["steps"]:
        reason, at_ms = FailureReason(step["reason"]), BASE + step["atOffsetMs"]
        stats = after_failure(stats, reason, at_ms, OPENCLAW_2026_9, step.get("modelId"))
        assert stats == expected_stats(step["stats"])


def windows(preset: BackoffPreset, reason: FailureReason, count: int) -> list[int]:
    """Return the windows of consecutive failures, each as soon as the one before has ended."""
    stats, at_ms, found = UsageStats(), BASE, []
    for _ in range(count):
        stats = after_failure(stats, reason, at_ms, preset)
        until_ms = unusable_until(stats, None, at_ms)
        assert until_ms is not None
        found.append(until_ms - at_ms)
        at_ms = until_ms - 1 if preset.is_reset_when_window_ends else until_ms
        if preset.is_reset_when_window_ends:
            stats = UsageStats(
                error_count=stats.error_count,
                last_failure_at_ms=stats.last_failure_at_ms,
                failure_counts=stats.failure_counts,
            )
    return found


@pytest.mark.parametrize(
    ("preset", "reason", "expected"),
    [
        (CLAWDBOT, FailureReason.TIMEOUT, [MINUTE_MS, 5 * MINUTE_MS, 25 * MINUTE_MS, HOUR_MS, HOUR_MS]),
        (CLAWDBOT, FailureReason.RATE_LIMIT, [MINUTE_MS, 5 * MINUTE_MS, 25 * MINUTE_MS, HOUR_MS]),
        (CLAWDBOT, FailureReason.AUTH_PERMANENT, [MINUTE_MS, 5 * MINUTE_MS]),
        (CLAWDBOT, FailureReason.BILLING, [5 * HOUR_MS, 10 * HOUR_MS, 20 * HOUR_MS, DAY_MS, DAY_MS]),
        (OPENCLAW_2026_4, FailureReason.RATE_LIMIT, [30 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 5 * MINUTE_MS]),
        (OPENCLAW_2026_4, FailureReason.AUTH_PERMANENT, [10 * MINUTE_MS, 20 * MINUTE_MS, 40 * MINUTE_MS]),
        (OPENCLAW_2026_9, FailureReason.TIMEOUT, [30 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS]),
        (OPENCLAW_2026_9, FailureReason.RATE_LIMIT, [30 * SECOND_MS, MINUTE_MS, 2 * MINUTE_MS, 4 * MINUTE_MS]),
        (OPENCLAW_2026_9, FailureReason.AUTH_PERMANENT, [10 * MINUTE_MS, 20 * MINUTE_MS, 40 * MINUTE_MS, HOUR_MS]),
        (OPENCLAW_2026_9, FailureReason.BILLING, [10 * MINUTE_MS, 20 * MINUTE_MS]),
        (ARGENTOS, FailureReason.RATE_LIMIT, [5 * SECOND_MS, 10 * SECOND_MS, 20 * SECOND_MS, 40 * SECOND_MS]),
        (ARGENTOS, FailureReason.TIMEOUT, [5 * SECOND_MS, 10 * SECOND_MS, 20 * SECOND_MS, 30 * SECOND_MS]),
        (ARGENTOS, FailureReason.FORMAT, [30 * SECOND_MS, 30 * SECOND_MS]),
        (ARGENTOS, FailureReason.BILLING, [5 * HOUR_MS, 10 * HOUR_MS]),
    ],
)
def test_windows_of_each_preset(preset: BackoffPreset, reason: FailureReason, expected: list[int]) -> None:
    assert windows(preset, reason, len(expected)) == expected


def test_rate_limit_window_is_capped_at_a_day() -> None:
    assert windows(OPENCLAW_2026_9, FailureReason.RATE_LIMIT, 20)[-1] == DAY_MS


def test_after_failure_counters_restart_after_the_failure_window() -> None:
    stats = after_failure(UsageStats(), FailureReason.BILLING, BASE, CLAWDBOT)
    kept = after_failure(stats, FailureReason.BILLING, BASE + DAY_MS, CLAWDBOT)
    fresh = after_failure(stats, FailureReason.BILLING, BASE + DAY_MS + 1, CLAWDBOT)
    assert (kept.error_count, fresh.error_count) == (2, 1)
    assert fresh.failure_counts == {"billing": 1}


@pytest.mark.parametrize(
    ("retry_after_ms", "reset_at_ms", "window_ms"),
    [
        (None, None, 30 * SECOND_MS),
        (1, None, 30 * SECOND_MS),
        (HOUR_MS, None, HOUR_MS),
        (-HOUR_MS, None, 30 * SECOND_MS),
        (10 * DAY_MS, None, DAY_MS),
        (None, BASE + HOUR_MS, HOUR_MS),
        (None, BASE - HOUR_MS, 30 * SECOND_MS),
        (MINUTE_MS, BASE + HOUR_MS, HOUR_MS),
    ],
)
def test_after_failure_waits_as_long_as_the_provider_asked(
    retry_after_ms: int | None, reset_at_ms: int | None, window_ms: int
) -> None:
    stats = after_failure(
        UsageStats(), FailureReason.RATE_LIMIT, BASE, OPENCLAW_2026_9, None, retry_after_ms, reset_at_ms
    )
    assert stats.cooldown_until_ms == BASE + window_ms


@pytest.mark.parametrize(
    ("reset_at_ms", "until_ms"),
    [(BASE + 6 * DAY_MS, BASE + 6 * DAY_MS), (BASE + 400 * DAY_MS, BASE + MAX_QUOTA_WINDOW_MS)],
)
def test_after_failure_quota_rests_until_its_reset(reset_at_ms: int, until_ms: int) -> None:
    stats = after_failure(UsageStats(), FailureReason.QUOTA_EXHAUSTED, BASE, OPENCLAW_2026_9, reset_at_ms=reset_at_ms)
    assert (stats.blocked_until_ms, stats.cooldown_until_ms) == (until_ms, None)
    assert why_unavailable(stats, None, BASE) == "quota_exhausted"
    assert unusable_until(stats, "any", until_ms) is None


def test_after_failure_quota_with_a_past_reset_cools() -> None:
    stats = after_failure(UsageStats(), FailureReason.QUOTA_EXHAUSTED, BASE, OPENCLAW_2026_9, reset_at_ms=BASE)
    assert (stats.blocked_until_ms, stats.cooldown_until_ms) == (None, BASE + 30 * SECOND_MS)


def test_after_failure_credential_not_allowed_disables_for_a_day() -> None:
    stats = after_failure(UsageStats(), FailureReason.CREDENTIAL_NOT_ALLOWED, BASE, CLAWDBOT)
    assert (stats.disabled_until_ms, stats.disabled_reason) == (BASE + DAY_MS, "credential_not_allowed")


@pytest.mark.parametrize(
    ("second_reason", "second_model", "scope"),
    [
        (FailureReason.TIMEOUT, "m1", "m1"),
        (FailureReason.TIMEOUT, "m2", None),
        (FailureReason.TIMEOUT, None, None),
        (FailureReason.AUTH, "m1", None),
    ],
)
def test_after_failure_widens_a_running_scope(
    second_reason: FailureReason, second_model: str | None, scope: str | None
) -> None:
    stats = after_failure(UsageStats(), FailureReason.RATE_LIMIT, BASE, OPENCLAW_2026_9, "m1")
    again = after_failure(stats, second_reason, BASE + 1, OPENCLAW_2026_9, second_model)
    assert again.cooldown_model == scope
    assert again.cooldown_until_ms == stats.cooldown_until_ms


@pytest.mark.parametrize(
    ("stats", "reason"),
    [
        (UsageStats(), None),
        (UsageStats(cooldown_until_ms=BASE), None),
        (UsageStats(cooldown_until_ms=BASE + 1, cooldown_reason="auth"), "auth"),
        (UsageStats(cooldown_until_ms=BASE + 1, failure_counts={"timeout": 1, "auth": 2}), "auth"),
        (UsageStats(cooldown_until_ms=BASE + 1), "unknown"),
        (UsageStats(cooldown_until_ms=BASE + 9, cooldown_reason="auth", blocked_until_ms=BASE + 1), "rate_limit"),
        (UsageStats(blocked_until_ms=BASE + 9, disabled_until_ms=BASE + 1, disabled_reason="billing"), "billing"),
        (UsageStats(blocked_until_ms=BASE + 9, disabled_until_ms=BASE, disabled_reason="billing"), "rate_limit"),
        (UsageStats(disabled_until_ms=BASE + 1), "unknown"),
        (UsageStats(cooldown_until_ms=BASE + 1, cooldown_reason="auth", cooldown_model="m2"), None),
    ],
)
def test_why_unavailable_priority(stats: UsageStats, reason: str | None) -> None:
    assert why_unavailable(stats, "m1", BASE) == reason


FAILURES = st.lists(
    st.tuples(
        st.sampled_from(FailureReason),
        st.integers(min_value=0, max_value=2 * DAY_MS),
        st.sampled_from([None, "m1", "m2"]),
        st.one_of(st.none(), st.integers(min_value=-5, max_value=3 * DAY_MS)),
    ),
    max_size=12,
)


@given(FAILURES, st.sampled_from(list(PRESETS.values())))
def test_a_running_window_is_never_extended_nor_shortened(
    failures: list[tuple[FailureReason, int, str | None, int | None]], preset: BackoffPreset
) -> None:
    stats, at_ms = UsageStats(), BASE
    for reason, gap_ms, model, retry_ms in failures:
        at_ms += gap_ms
        before = stats
        stats = after_failure(before, reason, at_ms, preset, model, retry_ms, at_ms + (retry_ms or 0))
        for name in ("cooldown_until_ms", "disabled_until_ms", "blocked_until_ms"):
            old, new = getattr(before, name), getattr(stats, name)
            assert new == old or old is None or old <= at_ms
        assert unusable_until(stats, model, at_ms) is not None
        assert stats.failure_counts[reason] >= 1


@given(FAILURES, st.sampled_from(list(PRESETS.values())))
def test_success_and_clear_end_every_window(
    failures: list[tuple[FailureReason, int, str | None, int | None]], preset: BackoffPreset
) -> None:
    stats = UsageStats(last_used_ms=5)
    for reason, gap_ms, model, retry_ms in failures:
        stats = after_failure(stats, reason, BASE + gap_ms, preset, model, retry_ms)
    assert cleared(stats) == UsageStats(last_used_ms=5)
    assert after_success(stats, BASE) == UsageStats(last_used_ms=BASE)
