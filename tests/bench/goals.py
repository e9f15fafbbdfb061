"""The goals, each as a ratio of two targets of the same run, and how the run stands to them. PURE."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench.table import REFERENCE, Run

HEADING = f"{'goal':<36} {'c':>3} {'ratio':>7}  asked for"
BUSY = 64
P99_CONNECTIONS, P99_BOUND = 16, 1.3
OURS = ("P1 ", "P2 ", "P3 ", "P4 ", "P6 ", "batch ", "granian ")  # the filter waits for its long body


@dataclass(frozen=True)
class Goal:
    """``what`` of a target is at least (a rate) or at most (a waiting time) so many times another's."""

    target: str
    other: str
    bound: float
    what: str = "per_second"
    factor: float = 1  # decisions in one request
    connections: int = 0  # 0: at each

    @property
    def is_least(self) -> bool:
        """True when more is better."""
        return self.what == "per_second"


def goals(*, is_strict: bool) -> list[Goal]:
    """Return the goals; reading the count of changes on every request has one of its own."""
    warm, cold = "P1 decide warm", "P1 decide cold"
    if is_strict:
        return [Goal(warm, REFERENCE, 0.85)]
    return [
        *(Goal(name, REFERENCE, 1.3) for name in (warm, "P1 introspect warm", "P1 forward-auth warm")),
        Goal(warm, "DRF + simplejwt", 2.6),
        Goal(warm, "agno middleware", 2.4),
        Goal(warm, "Cerbos check with JWT", 1.7),
        Goal(cold, REFERENCE, 0.85),
        Goal(cold, "DRF + simplejwt cold", 1.7),
        Goal(cold, "agno middleware cold", 1.6),
        *(Goal(f"P1 decide {how}", warm, 0.9) for how in ("denied", "garbage", "expired")),
        Goal("P2 opaque key, no cache", REFERENCE, 0.8),
        Goal("P2 opaque key, no cache", "djangorestframework-api-key", 3),
        Goal("P2 opaque key, no cache", "OpenBao token lookup", 1.3),
        Goal("P3 resolve", REFERENCE, 0.6),
        Goal("P3 resolve", "OpenBao kv-v2 read", 1, connections=BUSY),
        Goal("P4 client_credentials ES256", REFERENCE, 0.85),
        Goal("P4 client_credentials ES256", "oidc-provider JWT RS256", 2.5),
        Goal("P4 client_credentials RS256", REFERENCE, 0.28),
        Goal("P5 filter 100k ids", "bare parse and dump 100k", 1.5, "p50"),
        Goal("P6 device authenticate ES256", REFERENCE, 0.85),
        Goal("batch decide k=100", warm, 20, factor=100),
        Goal("granian P1 decide warm", REFERENCE, 6),
        Goal("granian P1 decide cold", REFERENCE, 3.2),
        Goal("granian P2 opaque key, no cache", REFERENCE, 2),
        Goal("granian P6 device authenticate ES256", REFERENCE, 2.2),
    ]


def judged(runs: Sequence[Run], *, is_strict: bool) -> Iterator[str]:
    """Yield a line for each goal whose two targets were measured."""
    names = dict.fromkeys(run.target for run in runs)
    ours = [name for name in names if name.startswith(OURS)]
    every = [Goal(name, REFERENCE, P99_BOUND, "p99", connections=P99_CONNECTIONS) for name in ours]
    for connections in sorted({run.connections for run in runs}):
        for goal in [*goals(is_strict=is_strict), *every]:
            if goal.connections in (0, connections):
                yield from _line(goal, connections, runs)


def _line(goal: Goal, connections: int, runs: Sequence[Run]) -> Iterator[str]:
    mine, other = (_by_alternation(name, goal.what, connections, runs) for name in (goal.target, goal.other))
    ratios = [goal.factor * mine[each] / max(1.0, other[each]) for each in mine.keys() & other.keys()]
    if not ratios:
        return
    ratio = statistics.median(ratios)
    is_met = ratio >= goal.bound if goal.is_least else 0 < ratio <= goal.bound  # 0: no answer came within the run
    what = "" if goal.is_least else f"{goal.what} "
    asked = f"{'>=' if goal.is_least else '<='} {goal.bound:g} x {what}{goal.other}"
    yield f"{goal.target:<36} {connections:>3} {ratio:>7.2f}  {asked:<42} {'met' if is_met else 'missed'}"


def _by_alternation(target: str, what: str, connections: int, runs: Sequence[Run]) -> dict[int, float]:
    return {
        run.alternation: float(getattr(run.sample, what))
        for run in runs
        if (run.target, run.connections) == (target, connections)
    }
