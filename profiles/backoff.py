"""How long a credential rests after a failure: reason and history in, new usage statistics out. PURE.

Presets are data, one per upstream generation. A window that is still running is never extended, so a burst of
failures cannot push recovery further out; a success or an operator's clear ends every window at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from profiles.failures import FailureReason

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
MAX_RETRY_AFTER_MS: Final = DAY_MS  # a provider may ask for more; it does not get to lock a profile for longer
MAX_QUOTA_WINDOW_MS: Final = 31 * DAY_MS  # the longest quota period any provider sells


@dataclass(frozen=True, slots=True)
class UsageStats:
    """What is remembered about one profile's use; times in milliseconds since the epoch, reasons as reported."""

    last_used_ms: int | None = None
    error_count: int = 0
    last_failure_at_ms: int | None = None
    failure_counts: Mapping[str, int] = field(default_factory=dict)
    cooldown_until_ms: int | None = None
    cooldown_reason: str | None = None
    cooldown_model: str | None = None
    disabled_until_ms: int | None = None
    disabled_reason: str | None = None
    blocked_until_ms: int | None = None
    blocked_reason: str | None = None


@dataclass(frozen=True, slots=True)
class BackoffPreset:
    """The numbers of one upstream generation; each tuple holds the windows for the first, second, … failure."""

    name: str
    transient_steps_ms: tuple[int, ...]
    disabling_steps_ms: Mapping[FailureReason, tuple[int, ...]]
    reason_steps_ms: Mapping[FailureReason, tuple[int, ...]] = field(default_factory=dict)
    model_scoped_reasons: frozenset[FailureReason] = frozenset()
    surviving_reasons: frozenset[FailureReason] = frozenset()
    is_reset_when_window_ends: bool = False
    failure_window_ms: int = DAY_MS


def after_failure(
    stats: UsageStats,
    reason: FailureReason,
    at_ms: int,
    preset: BackoffPreset,
    model: str | None = None,
    retry_after_ms: int | None = None,
    reset_at_ms: int | None = None,
) -> UsageStats:
    """Return the statistics after one failure: counted, and with the window that the preset gives it.

    ``retry_after_ms`` is a duration, ``reset_at_ms`` a moment; both lengthen a new window, never a running one.
    """
    counted = _counted(stats, reason, at_ms, preset)
    if reason in preset.disabling_steps_ms:
        return _disabled(counted, reason, at_ms, preset)
    if reason is FailureReason.QUOTA_EXHAUSTED and reset_at_ms is not None and reset_at_ms > at_ms:
        return _blocked(counted, reason, at_ms, reset_at_ms)
    asked_ms = max(retry_after_ms or 0, (reset_at_ms or at_ms) - at_ms)
    return _cooled(counted, reason, at_ms, preset, model, min(asked_ms, MAX_RETRY_AFTER_MS))


def after_success(stats: UsageStats, at_ms: int) -> UsageStats:
    """Return the statistics after a success: used now, every window and counter gone."""
    return replace(cleared(stats), last_used_ms=at_ms)


def cleared(stats: UsageStats) -> UsageStats:
    """Return the statistics after an operator's clear: only the last use is kept."""
    return UsageStats(last_used_ms=stats.last_used_ms)


def unusable_until(stats: UsageStats, model: str | None, now_ms: int) -> int | None:
    """Return when the last running window ends, or None when the profile is usable for ``model`` now."""
    windows = [stats.disabled_until_ms, stats.blocked_until_ms]
    if _covers(stats, model):
        windows.append(stats.cooldown_until_ms)
    return max((until for until in windows if until is not None and until > now_ms), default=None)


def why_unavailable(stats: UsageStats, model: str | None, now_ms: int) -> str | None:
    """Return the reason to show: disabled before blocked before cooldown before the counters; None when usable."""
    if unusable_until(stats, model, now_ms) is None:
        return None
    if _is_running(stats.disabled_until_ms, now_ms):
        return stats.disabled_reason or FailureReason.UNKNOWN
    if _is_running(stats.blocked_until_ms, now_ms):
        is_quota = stats.blocked_reason == FailureReason.QUOTA_EXHAUSTED
        return FailureReason.QUOTA_EXHAUSTED if is_quota else FailureReason.RATE_LIMIT
    return stats.cooldown_reason or _most_counted(stats.failure_counts)


def _counted(stats: UsageStats, reason: FailureReason, at_ms: int, preset: BackoffPreset) -> UsageStats:
    is_fresh = _is_history_over(stats, at_ms, preset)
    kept = {name: n for name, n in stats.failure_counts.items() if not is_fresh or name in preset.surviving_reasons}
    return replace(
        stats,
        error_count=1 if is_fresh else stats.error_count + 1,
        failure_counts={**kept, reason.value: kept.get(reason, 0) + 1},
        last_failure_at_ms=at_ms,
    )


def _is_history_over(stats: UsageStats, at_ms: int, preset: BackoffPreset) -> bool:
    if stats.last_failure_at_ms is not None and at_ms - stats.last_failure_at_ms > preset.failure_window_ms:
        return True
    windows = (stats.cooldown_until_ms, stats.disabled_until_ms, stats.blocked_until_ms)
    known = [until for until in windows if until is not None]
    return preset.is_reset_when_window_ends and bool(known) and at_ms >= max(known)


def _disabled(stats: UsageStats, reason: FailureReason, at_ms: int, preset: BackoffPreset) -> UsageStats:
    window_ms = _step(preset.disabling_steps_ms[reason], stats.failure_counts[reason])
    until_ms = _kept_or(stats.disabled_until_ms, at_ms, at_ms + window_ms)
    return replace(stats, disabled_until_ms=until_ms, disabled_reason=reason.value)


def _blocked(stats: UsageStats, reason: FailureReason, at_ms: int, reset_at_ms: int) -> UsageStats:
    until_ms = _kept_or(stats.blocked_until_ms, at_ms, min(reset_at_ms, at_ms + MAX_QUOTA_WINDOW_MS))
    return replace(stats, blocked_until_ms=until_ms, blocked_reason=reason.value)


def _cooled(
    stats: UsageStats, reason: FailureReason, at_ms: int, preset: BackoffPreset, model: str | None, asked_ms: int
) -> UsageStats:
    window_ms = max(_cooldown_ms(stats, reason, preset), asked_ms)
    return replace(
        stats,
        cooldown_until_ms=_kept_or(stats.cooldown_until_ms, at_ms, at_ms + window_ms),
        cooldown_reason=reason.value,
        cooldown_model=_scope(stats, reason, at_ms, preset, model),
    )


def _cooldown_ms(stats: UsageStats, reason: FailureReason, preset: BackoffPreset) -> int:
    if reason in preset.reason_steps_ms:
        return _step(preset.reason_steps_ms[reason], stats.failure_counts[reason])
    return _step(preset.transient_steps_ms, stats.error_count)


def _scope(
    stats: UsageStats, reason: FailureReason, at_ms: int, preset: BackoffPreset, model: str | None
) -> str | None:
    """A running cooldown keeps its model only while the same model fails; anything else widens it to all models."""
    if reason not in preset.model_scoped_reasons:
        return None
    if _is_running(stats.cooldown_until_ms, at_ms) and stats.cooldown_model != model:
        return None
    return model


def _covers(stats: UsageStats, model: str | None) -> bool:
    return stats.cooldown_model is None or model is None or stats.cooldown_model == model


def _kept_or(existing_ms: int | None, at_ms: int, fresh_ms: int) -> int:
    return existing_ms if existing_ms is not None and existing_ms > at_ms else fresh_ms


def _is_running(until_ms: int | None, now_ms: int) -> bool:
    return until_ms is not None and until_ms > now_ms


def _step(steps_ms: tuple[int, ...], count: int) -> int:
    return steps_ms[min(max(count, 1), len(steps_ms)) - 1]


def _most_counted(counts: Mapping[str, int]) -> str:
    return max(counts, key=lambda name: counts[name], default=FailureReason.UNKNOWN.value)


def _growing(base_ms: int, factor: int, cap_ms: int) -> tuple[int, ...]:
    steps = [base_ms]
    while steps[-1] < cap_ms:
        steps.append(min(steps[-1] * factor, cap_ms))
    return tuple(steps)


_NOT_ALLOWED: Final = {FailureReason.CREDENTIAL_NOT_ALLOWED: (DAY_MS,)}  # retried once a day: provider rules do change
_LONG_BILLING: Final = {FailureReason.BILLING: _growing(5 * HOUR_MS, 2, DAY_MS)}
_SHORT_STEPS: Final = (30 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS)
_DOUBLING_TO_A_DAY: Final = _growing(30 * SECOND_MS, 2, DAY_MS)

CLAWDBOT: Final = BackoffPreset(
    name="clawdbot",
    transient_steps_ms=_growing(MINUTE_MS, 5, HOUR_MS),
    disabling_steps_ms={**_LONG_BILLING, **_NOT_ALLOWED},
)
OPENCLAW_2026_4: Final = BackoffPreset(
    name="openclaw_2026_4",
    transient_steps_ms=_SHORT_STEPS,
    disabling_steps_ms={
        **_LONG_BILLING,
        **_NOT_ALLOWED,
        FailureReason.AUTH_PERMANENT: _growing(10 * MINUTE_MS, 2, DAY_MS),
    },
)
OPENCLAW_2026_9: Final = BackoffPreset(
    name="openclaw_2026_9",
    transient_steps_ms=_SHORT_STEPS,
    reason_steps_ms={
        FailureReason.RATE_LIMIT: _DOUBLING_TO_A_DAY,
        FailureReason.QUOTA_EXHAUSTED: _DOUBLING_TO_A_DAY,
    },
    disabling_steps_ms={
        **_NOT_ALLOWED,
        FailureReason.BILLING: _growing(10 * MINUTE_MS, 2, DAY_MS),
        FailureReason.AUTH_PERMANENT: _growing(10 * MINUTE_MS, 2, HOUR_MS),
    },
    model_scoped_reasons=frozenset({FailureReason.RATE_LIMIT, FailureReason.TIMEOUT, FailureReason.MODEL_NOT_FOUND}),
    surviving_reasons=frozenset({FailureReason.RATE_LIMIT}),
    is_reset_when_window_ends=True,
)
ARGENTOS: Final = BackoffPreset(
    name="argentos",
    transient_steps_ms=_growing(5 * SECOND_MS, 2, 40 * SECOND_MS),
    reason_steps_ms={
        FailureReason.TIMEOUT: _growing(5 * SECOND_MS, 2, 30 * SECOND_MS),
        FailureReason.FORMAT: (30 * SECOND_MS,),
    },
    disabling_steps_ms={**_LONG_BILLING, **_NOT_ALLOWED},
    is_reset_when_window_ends=True,
)
PRESETS: Final[Mapping[str, BackoffPreset]] = {
    preset.name: preset for preset in (CLAWDBOT, OPENCLAW_2026_4, OPENCLAW_2026_9, ARGENTOS)
}
