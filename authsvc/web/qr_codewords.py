"""From text to the codewords of a QR symbol: byte mode, level M, versions 1 to 10 (ISO/IEC 18004 §7.4 to §7.6). PURE.

Refuses text that the largest of these versions cannot hold. Level M repairs about 15 % of the symbol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest


class TextTooLong(ValueError):
    """The text needs a larger symbol than version 10."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How one version splits its codewords: data codewords per block, and check codewords for each block."""

    data: tuple[int, ...]
    check: int


# ISO/IEC 18004 table 9, level M, by version.
BLOCKS = {
    1: Blocks((16,), 10),
    2: Blocks((28,), 16),
    3: Blocks((44,), 26),
    4: Blocks((32,) * 2, 18),
    5: Blocks((43,) * 2, 24),
    6: Blocks((27,) * 4, 16),
    7: Blocks((31,) * 4, 18),
    8: Blocks((38, 38, 39, 39), 22),
    9: Blocks((36, 36, 36, 37, 37), 22),
    10: Blocks((43, 43, 43, 43, 44), 26),
}
BYTE_MODE = 0b0100
PADDING = (0xEC, 0x11)
FIELD_POLYNOMIAL = 0x11D  # x^8 + x^4 + x^3 + x^2 + 1


def codewords_of(text: str) -> tuple[int, list[int]]:
    """Return the smallest version that holds the text in UTF-8, and its codewords as they are placed."""
    content = text.encode()
    version = next((number for number in BLOCKS if len(content) <= _room(number)), None)
    if version is None:
        raise TextTooLong(f"{len(content)} bytes do not fit; the most is {_room(max(BLOCKS))}")
    return version, interleave(data_codewords(content, version), BLOCKS[version])


def fits(text: str) -> bool:
    """Say whether the text fits into version 10."""
    return len(text.encode()) <= _room(max(BLOCKS))


def data_codewords(content: bytes, version: int) -> list[int]:
    """Return mode, length, content, terminator and padding as whole codewords (§7.4)."""
    count = sum(BLOCKS[version].data)
    bits = f"{BYTE_MODE:04b}{len(content):0{_length_bits(version)}b}" + "".join(f"{byte:08b}" for byte in content)
    bits += "0" * min(4, count * 8 - len(bits))
    bits += "0" * (-len(bits) % 8)
    words = [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]
    return words + [PADDING[position % 2] for position in range(count - len(words))]


def interleave(data: Sequence[int], blocks: Blocks) -> list[int]:
    """Return data codewords of all blocks in turn, then their check codewords in turn (§7.6)."""
    parts, start = [], 0
    for length in blocks.data:
        parts.append(list(data[start : start + length]))
        start += length
    checks = [check_codewords(part, blocks.check) for part in parts]
    return [word for group in (parts, checks) for turn in zip_longest(*group) for word in turn if word is not None]


def check_codewords(data: Sequence[int], count: int) -> list[int]:
    """Return the Reed-Solomon remainder of the data by the generator of ``count`` roots (§7.5)."""
    generator = _generator(count)
    remainder = [0] * count
    for word in data:
        factor = word ^ remainder[0]
        remainder = [*remainder[1:], 0]
        remainder = [old ^ _product(part, factor) for old, part in zip(remainder, generator, strict=True)]
    return remainder


@lru_cache
def _generator(count: int) -> tuple[int, ...]:
    """Return the coefficients of (x - 1)(x - 2)(x - 4)… below the highest, which is one."""
    polynomial, root = [1], 1
    for _ in range(count):
        shifted, scaled = [*polynomial, 0], [0, *(_product(part, root) for part in polynomial)]
        polynomial = [high ^ low for high, low in zip(shifted, scaled, strict=True)]
        root = _product(root, 2)
    return tuple(polynomial[1:])


def _product(left: int, right: int) -> int:
    """Multiply in the field of 256 elements."""
    result = 0
    while right:
        if right & 1:
            result ^= left
        left = left << 1 ^ (FIELD_POLYNOMIAL if left & 0x80 else 0)
        right >>= 1
    return result


def _room(version: int) -> int:
    """Return how many bytes of content a version holds."""
    return (sum(BLOCKS[version].data) * 8 - 4 - _length_bits(version)) // 8


def _length_bits(version: int) -> int:
    return 8 if version < 10 else 16
