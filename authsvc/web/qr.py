"""QR codes for addresses that people open on a phone: text to modules to a drawing (ISO/IEC 18004 §6 and §7). PURE.

Byte mode, level M, versions 1 to 10, the mask of least penalty. A row of modules is an integer whose lowest bit is
the leftmost module; dark is one. Nothing here reads anything back: the tests let another decoder do that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from authsvc.web.picture import Picture
from authsvc.web.qr_codewords import codewords_of

QUIET_ZONE = 4
ALIGNMENT = {1: (), 2: (6, 18), 3: (6, 22), 4: (6, 26), 5: (6, 30), 6: (6, 34)}
ALIGNMENT |= {7: (6, 22, 38), 8: (6, 24, 42), 9: (6, 26, 46), 10: (6, 28, 50)}
LEVEL_M = 0b00
FORMAT_GENERATOR, FORMAT_MASK = 0b10100110111, 0b101010000010010
VERSION_GENERATOR = 0b1111100100101

# §7.8.2, table 10; x is the column, y the row.
MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda x, y: (x + y) % 2 == 0,
    lambda x, y: y % 2 == 0,
    lambda x, y: x % 3 == 0,
    lambda x, y: (x + y) % 3 == 0,
    lambda x, y: (y // 2 + x // 3) % 2 == 0,
    lambda x, y: x * y % 2 + x * y % 3 == 0,
    lambda x, y: (x * y % 2 + x * y % 3) % 2 == 0,
    lambda x, y: ((x + y) % 2 + x * y % 3) % 2 == 0,
)
LONG_RUN = re.compile("0{5,}|1{5,}")
LIKE_A_FINDER = re.compile("(?=10111010000|00001011101)")


@dataclass(slots=True)
class Modules:
    """A square of modules: which are dark, and which belong to a fixed pattern and carry no data."""

    size: int
    dark: list[int] = field(default_factory=list)
    fixed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dark = self.dark or [0] * self.size
        self.fixed = self.fixed or [0] * self.size

    def fix(self, x: int, y: int, colour: int) -> None:
        """Make a module of a fixed pattern dark (1) or light (0); what lies outside the square is left out."""
        if 0 <= x < self.size and 0 <= y < self.size:
            self.fixed[y] |= 1 << x
            self.dark[y] = self.dark[y] & ~(1 << x) | colour << x


def draw(text: str, label: str) -> Picture:
    """Return the QR code of a text with its quiet zone; raises ``TextTooLong``."""
    rows = encode(text)
    squares = [
        f"M{match.start() + QUIET_ZONE} {y + QUIET_ZONE}h{len(match[0])}v1h-{len(match[0])}z"
        for y, row in enumerate(rows)
        for match in re.finditer("1+", _text(row, len(rows)))
    ]
    return Picture(len(rows) + 2 * QUIET_ZONE, "".join(squares), label)


def encode(text: str, mask: int | None = None) -> list[int]:
    """Return the rows of the symbol, without a quiet zone, under the best mask or the one asked for."""
    version, codewords = codewords_of(text)
    plain = _fixed_patterns(version)
    _place(plain, codewords)
    candidates = [_masked(plain, number) for number in (range(len(MASKS)) if mask is None else [mask])]
    return min(candidates, key=penalty)


def penalty(rows: list[int]) -> int:
    """Return how hard a symbol is to read (§7.8.3): long runs, squares, false finders, uneven colour."""
    size = len(rows)
    lines = [_text(row, size) for row in rows]
    lines += ["".join(line[x] for line in lines) for x in range(size)]
    runs = sum(len(match) - 2 for line in lines for match in LONG_RUN.findall(line))
    finders = sum(40 * len(LIKE_A_FINDER.findall(line)) for line in lines)
    inside = (1 << (size - 1)) - 1
    squares = 0
    for upper, lower in pairwise(rows):
        same_below, same_beside = ~(upper ^ lower), ~(upper ^ upper >> 1)
        squares += 3 * (same_below & same_below >> 1 & same_beside & inside).bit_count()
    dark = sum(row.bit_count() for row in rows)
    return runs + finders + squares + 10 * (abs(20 * dark - 10 * size * size) // (size * size))


def format_bits(mask: int) -> int:
    """Return the fifteen format bits of level M under a mask (§7.9)."""
    data = LEVEL_M << 3 | mask
    return (data << 10 | _remainder(data << 10, FORMAT_GENERATOR)) ^ FORMAT_MASK


def version_bits(version: int) -> int:
    """Return the eighteen version bits that versions from 7 on carry (§7.10)."""
    return version << 12 | _remainder(version << 12, VERSION_GENERATOR)


def _remainder(value: int, generator: int) -> int:
    while value.bit_length() >= generator.bit_length():
        value ^= generator << (value.bit_length() - generator.bit_length())
    return value


def _fixed_patterns(version: int) -> Modules:
    """Return finders, alignment and timing patterns, and room for the format (§6.3)."""
    modules = Modules(17 + 4 * version)
    far = modules.size - 4
    for along in range(modules.size):
        modules.fix(along, 6, 1 - along % 2)
        modules.fix(6, along, 1 - along % 2)
    for x, y in ((3, 3), (far, 3), (3, far)):
        _rings(modules, x, y, 4, light={2, 4})
    places = ALIGNMENT[version]
    corners = {(6, 6), (6, places[-1]), (places[-1], 6)} if places else set()
    for x, y in ((x, y) for y in places for x in places if (x, y) not in corners):
        _rings(modules, x, y, 2, light={1})
    _write_format(modules, 0)
    if version >= 7:
        for bit in range(18):
            colour, across, along = version_bits(version) >> bit & 1, modules.size - 11 + bit % 3, bit // 3
            modules.fix(across, along, colour)
            modules.fix(along, across, colour)
    return modules


def _rings(modules: Modules, x: int, y: int, radius: int, light: set[int]) -> None:
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            modules.fix(x + dx, y + dy, int(max(abs(dx), abs(dy)) not in light))


def _write_format(modules: Modules, mask: int) -> None:
    """Write both copies of the format bits, lowest first, and the module that is always dark."""
    size = modules.size
    down = [(8, y) for y in (0, 1, 2, 3, 4, 5, 7, 8)] + [(7, 8)] + [(x, 8) for x in range(5, -1, -1)]
    split = [(size - 1 - number, 8) for number in range(8)] + [(8, size - 7 + number) for number in range(7)]
    for places in (down, split):
        for number, (x, y) in enumerate(places):
            modules.fix(x, y, format_bits(mask) >> number & 1)
    modules.fix(8, size - 8, 1)


def _place(modules: Modules, codewords: list[int]) -> None:
    """Write the codewords into the free modules, highest bit first; what is left over stays light (§7.7.3)."""
    bits = (word >> bit & 1 for word in codewords for bit in range(7, -1, -1))
    for x, y in _free_places(modules):
        modules.dark[y] |= next(bits, 0) << x


def _free_places(modules: Modules) -> Iterator[tuple[int, int]]:
    """Yield the free modules in pairs of columns from the right, upwards and downwards in turn, past column 6."""
    rights = [*range(modules.size - 1, 6, -2), 5, 3, 1]
    for turn, right in enumerate(rights):
        rows = range(modules.size) if turn % 2 else range(modules.size - 1, -1, -1)
        yield from ((x, y) for y in rows for x in (right, right - 1) if not modules.fixed[y] >> x & 1)


def _masked(plain: Modules, number: int) -> list[int]:
    flips = [sum(MASKS[number](x, y) << x for x in range(plain.size)) for y in range(plain.size)]
    dark = [row ^ flip & ~fixed for row, flip, fixed in zip(plain.dark, flips, plain.fixed, strict=True)]
    masked = Modules(plain.size, dark, list(plain.fixed))
    _write_format(masked, number)
    return masked.dark


def _text(row: int, size: int) -> str:
    """Return a row as a text of zeros and ones, leftmost module first."""
    return f"{row:0{size}b}"[::-1]
