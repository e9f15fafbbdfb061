"""The table of ratios, and the JSON that keeps every run. PURE."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tests.bench.load import Sample

REFERENCE = "bare Django view"


@dataclass(frozen=True)
class Run:
    """One sample: of which target, at which concurrency, in which alternation."""

    target: str
    connections: int
    alternation: int
    sample: Sample


@dataclass(frozen=True)
class Line:
    """One line of the table: the median, and the ratio to the reference of the same alternation with its extremes."""

    target: str
    connections: int
    per_second: float
    ratio: float
    least: float
    most: float
    p50: float
    p99_ratio: float
    wrong: int


def lines_of(runs: Sequence[Run]) -> list[Line]:
    """Return the table, in the order of the runs for each concurrency."""
    names = list(dict.fromkeys((run.target, run.connections) for run in runs))
    return [_line(runs, name, connections) for name, connections in sorted(names, key=lambda one: one[1])]


def printed(lines: Sequence[Line]) -> str:
    """Return the table as text."""
    rows = [f"{'target':<36} {'c':>3} {'req/s':>8} {'x bare':>7} {'min..max':>13} {'p50 ms':>7} {'p99 x':>6} wrong"]
    for line in lines:
        extremes = f"{line.least:.2f}..{line.most:.2f}"
        rows.append(
            f"{line.target:<36} {line.connections:>3} {line.per_second:>8.0f} {line.ratio:>7.2f} {extremes:>13} "
            f"{line.p50 / 1000:>7.1f} {line.p99_ratio:>6.2f} {line.wrong}"
        )
    return "\n".join(rows)


def document(runs: Sequence[Run], facts: Mapping[str, object]) -> dict[str, object]:
    """Return everything as one JSON document."""
    table = [asdict(line) for line in lines_of(runs)]
    return {"facts": dict(facts), "table": table, "runs": [asdict(run) for run in runs]}


def _line(runs: Sequence[Run], name: str, connections: int) -> Line:
    mine = [run for run in runs if (run.target, run.connections) == (name, connections)]
    bare = {run.alternation: run.sample for run in runs if (run.target, run.connections) == (REFERENCE, connections)}
    ratios = [run.sample.per_second / bare[run.alternation].per_second for run in mine]
    return Line(
        name,
        connections,
        statistics.median(run.sample.per_second for run in mine),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(run.sample.p50 for run in mine),
        statistics.median(run.sample.p99 / max(1, bare[run.alternation].p99) for run in mine),
        sum(run.sample.wrong for run in mine),
    )
