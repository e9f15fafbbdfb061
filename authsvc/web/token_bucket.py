"""A token bucket as one number: a burst of ``limit`` requests, refilled evenly over the period. Refuses beyond. PURE.

The number is ``full_at``: the microsecond at which the bucket will be full again. One request moves it on by one
interval; a request that would move it further than a whole period from now is refused and changes nothing. A bucket
said to be full more than two periods from now was written by a clock that has since been set back; it starts afresh,
so a step of the clock never locks anybody out.
"""

from __future__ import annotations

from dataclasses import dataclass

MICROSECONDS = 1_000_000
PERIODS_BELIEVED = 2


@dataclass(frozen=True, slots=True)
class Rate:
    """``limit`` requests in ``period_seconds``; both are at least 1."""

    limit: int
    period_seconds: int = 60

    @property
    def interval(self) -> int:
        """Return the microseconds after which one more request is possible."""
        return self.period_seconds * MICROSECONDS // self.limit

    @property
    def capacity(self) -> int:
        """Return the microseconds an empty bucket takes to fill."""
        return self.interval * self.limit

    def halved(self) -> Rate:
        """Return half this rate, and never nothing."""
        return Rate(max(1, self.limit // 2), self.period_seconds)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one more request fits, and what to tell its sender; times are whole seconds, rounded up."""

    allowed: bool
    rate: Rate
    remaining: int
    reset_seconds: int
    retry_after_seconds: int = 0


def take(full_at: int, rate: Rate, *, now: int) -> tuple[int, Verdict]:
    """Take one request out of a bucket; return its new ``full_at`` and the verdict. Times are microseconds."""
    start = believed(full_at, rate, now=now)
    after = start + rate.interval
    if after > now + rate.capacity:
        return full_at, refused(start, rate, now=now)
    return after, allowed(after, rate, now=now)


def believed(full_at: int, rate: Rate, *, now: int) -> int:
    """Return where the bucket stands: never in the past, and afresh when a clock was set back."""
    return now if full_at > now + PERIODS_BELIEVED * rate.capacity else max(full_at, now)


def allowed(full_at: int, rate: Rate, *, now: int) -> Verdict:
    """Return the verdict of a request that was taken out, given the bucket after it."""
    remaining = max(0, (now + rate.capacity - full_at) // rate.interval)
    return Verdict(True, rate, remaining, _seconds(full_at - now))


def refused(full_at: int, rate: Rate, *, now: int) -> Verdict:
    """Return the verdict of a request that found the bucket empty."""
    wait = full_at + rate.interval - now - rate.capacity
    return Verdict(False, rate, 0, _seconds(full_at - now), max(1, _seconds(wait)))


def _seconds(microseconds: int) -> int:
    return max(0, -(-microseconds // MICROSECONDS))
