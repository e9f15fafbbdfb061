"""A drawing of a few figures for a page: bars with what they stand for, their places worked out here. PURE.

``chart.html`` draws it as SVG without a style attribute or a script, each bar a link to its rows; the same figures
stand beside it as text for those who do not see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT, PITCH, GAP = 60, 12, 3


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a bar: how much, and which of the chart's kinds (``good``, ``bad``) it is."""

    value: int
    kind: str = "good"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it stands for, its stretches from the bottom up, and where its rows are."""

    label: str
    parts: tuple[Part, ...]
    url: str = ""

    @property
    def total(self) -> int:
        """Return how much the whole bar stands for."""
        return sum(part.value for part in self.parts)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: what it is about, what it says, how good that is, and where its rows are."""

    label: str
    text: str
    kind: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A rectangle of the drawing."""

    x: int
    y: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Column:
    """A bar in its place: its rectangles, and the text that says it."""

    bar: Bar
    x: int
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A titled box with bars, lines of text, or both; ``url`` leads to all its rows."""

    title: str
    summary: str = ""
    bars: Sequence[Bar] = ()
    lines: Sequence[Line] = ()
    when_empty: str = "Nothing yet."
    url: str = ""

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to draw and nothing to say."""
        return not self.lines and not any(bar.total for bar in self.bars)

    @property
    def width(self) -> int:
        """Return the drawing's width in its own units."""
        return PITCH * max(1, len(self.bars))

    @property
    def height(self) -> int:
        """Return the drawing's height in its own units."""
        return HEIGHT

    @property
    def bar_width(self) -> int:
        """Return the width of a bar."""
        return PITCH - GAP

    @property
    def columns(self) -> list[Column]:
        """Return the bars in their places; the highest fills the drawing, and what is there at all can be seen."""
        highest = max((bar.total for bar in self.bars), default=0)
        return [Column(bar, PITCH * number, _stretches(bar, PITCH * number, highest)) for number, bar in
                enumerate(self.bars)]  # fmt: skip


def _stretches(bar: Bar, x: int, highest: int) -> tuple[Stretch, ...]:
    placed: list[Stretch] = []
    bottom = float(HEIGHT)
    for part in bar.parts:
        if part.value > 0:
            height = max(1.5, round(part.value / highest * HEIGHT, 2))
            top = max(0.0, round(bottom - height, 2))
            placed.append(Stretch(x, top, round(bottom - top, 2), part.kind))
            bottom = top
    return tuple(placed)
