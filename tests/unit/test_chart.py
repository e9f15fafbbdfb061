"""Bars in their places: the highest fills the drawing, and nothing is drawn for nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from authsvc.web.chart import HEIGHT, PITCH, Bar, Chart, Line, Part

PARTS = st.lists(st.builds(Part, st.integers(0, 10**9), st.sampled_from(["good", "bad"])), max_size=3)
BARS = st.lists(st.builds(lambda parts: Bar("b", tuple(parts)), PARTS), max_size=30)


@given(BARS)
def test_every_stretch_lies_in_the_drawing_and_on_the_one_below(bars: list[Bar]) -> None:
    chart = Chart("t", bars=bars)
    assert len(chart.columns) == len(bars)
    for number, column in enumerate(chart.columns):
        assert column.x == number * PITCH < chart.width
        assert len(column.stretches) == sum(part.value > 0 for part in column.bar.parts)
        bottom = float(HEIGHT)
        for stretch in column.stretches:
            assert 0 <= stretch.y <= bottom
            assert abs(stretch.y + stretch.height - bottom) < 0.02
            bottom = stretch.y


def test_highest_bar_fills_the_drawing_and_the_rest_is_in_proportion() -> None:
    chart = Chart("t", bars=[Bar("a", (Part(50), Part(50, "bad"))), Bar("b", (Part(25),)), Bar("c", (Part(0),))])
    first, second, third = chart.columns
    assert [(stretch.y, stretch.height, stretch.kind) for stretch in first.stretches] == [
        (30.0, 30.0, "good"),
        (0.0, 30.0, "bad"),
    ]
    assert second.stretches[0].height == 15.0
    assert third.stretches == ()


def test_chart_without_a_figure_or_a_line_is_empty() -> None:
    assert Chart("t", bars=[Bar("a", (Part(0),))]).is_empty
    assert not Chart("t", bars=[Bar("a", (Part(1),))]).is_empty
    assert not Chart("t", lines=[Line("a", "b")]).is_empty
