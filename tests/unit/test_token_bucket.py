"""The bucket arithmetic, against a plain counter of tokens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.web.token_bucket import MICROSECONDS, Rate, Verdict, take
from tests.scale import scaled

pytestmark = pytest.mark.pure
START = 1_800_000_000 * MICROSECONDS


def drain(rate: Rate, count: int, *, now: int, full_at: int = 0) -> tuple[int, list[Verdict]]:
    verdicts = []
    for _ in range(count):
        full_at, verdict = take(full_at, rate, now=now)
        verdicts.append(verdict)
    return full_at, verdicts


@pytest.mark.parametrize("limit", [1, 5, 7, 20, 100, 1000])
def test_burst_of_limit_passes_and_the_next_is_refused(limit: int) -> None:
    _, verdicts = drain(Rate(limit), limit + 1, now=START)
    assert [verdict.allowed for verdict in verdicts] == [True] * limit + [False]
    assert [verdict.remaining for verdict in verdicts] == [*range(limit - 1, -1, -1), 0]


@pytest.mark.parametrize("limit", [1, 5, 7, 100])
def test_one_more_passes_after_one_interval_and_no_sooner(limit: int) -> None:
    rate = Rate(limit)
    full_at, _ = drain(rate, limit, now=START)
    assert not take(full_at, rate, now=START + rate.interval - 1)[1].allowed
    after, verdict = take(full_at, rate, now=START + rate.interval)
    assert verdict.allowed
    assert not take(after, rate, now=START + rate.interval)[1].allowed


def test_retry_after_of_a_refusal_is_when_the_next_passes() -> None:
    rate = Rate(5)
    full_at, verdicts = drain(rate, 6, now=START)
    assert verdicts[-1].retry_after_seconds == 12
    assert verdicts[-1].reset_seconds == 60
    assert take(full_at, rate, now=START + 12 * MICROSECONDS)[1].allowed


def test_refused_request_costs_nothing() -> None:
    rate = Rate(5)
    full_at, _ = drain(rate, 5, now=START)
    assert drain(rate, 50, now=START, full_at=full_at)[0] == full_at


def test_clock_set_back_by_an_hour_starts_the_bucket_afresh() -> None:
    rate = Rate(5)
    full_at, _ = drain(rate, 5, now=START)
    assert take(full_at, rate, now=START - 3600 * MICROSECONDS)[1].allowed


def test_clock_set_back_a_little_stays_refused() -> None:
    rate = Rate(5)
    full_at, _ = drain(rate, 5, now=START)
    assert not take(full_at, rate, now=START - MICROSECONDS)[1].allowed


@settings(max_examples=scaled(75, 200), deadline=None)
@given(st.integers(1, 1000), st.lists(st.integers(0, 30 * MICROSECONDS), max_size=60))
def test_any_sequence_allows_what_a_counter_of_tokens_allows(limit: int, waits: list[int]) -> None:
    rate, now, full_at = Rate(limit), START, 0
    tokens = rate.capacity  # in microseconds' worth, so that nothing is rounded
    for wait in waits:
        now += wait
        tokens = min(rate.capacity, tokens + wait)
        full_at, verdict = take(full_at, rate, now=now)
        assert verdict.allowed is (tokens >= rate.interval)
        tokens -= rate.interval if verdict.allowed else 0
        assert verdict.remaining == (tokens // rate.interval if verdict.allowed else 0)


def test_halved_rate_is_never_nothing() -> None:
    assert [Rate(limit).halved().limit for limit in (1, 2, 5, 100)] == [1, 1, 2, 50]
