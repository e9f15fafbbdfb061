"""A black and white drawing for a page: its edge in unit squares and one SVG path. PURE; ``picture.html`` shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """``path`` fills the dark squares of a drawing ``edge`` units wide and high; ``label`` says what it shows."""

    edge: int
    path: str
    label: str
