"""QR codes: the numbers ISO/IEC 18004 prints, and every version and mask read back by somebody else's decoder."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.web.qr import MASKS, draw, encode, format_bits, penalty, version_bits
from authsvc.web.qr_codewords import (
    BLOCKS,
    TextTooLong,
    check_codewords,
    codewords_of,
    data_codewords,
    fits,
    interleave,
)
from devices.codes import approval_address
from tests.qr_reader import read, rows_of

pytestmark = pytest.mark.pure
LARGEST = {1: 14, 2: 26, 3: 42, 4: 62, 5: 84, 6: 106, 7: 122, 8: 152, 9: 180, 10: 213}  # table 7, bytes at level M


@pytest.mark.parametrize(
    ("version", "mask"),
    sorted({(version, version % 8) for version in BLOCKS} | {(2, mask) for mask in range(len(MASKS))} | {(7, 2)}),
)
def test_encode_every_version_and_mask_is_read_without_an_error(version: int, mask: int) -> None:
    text = ("https://auth.example/" + "aZ9-" * 60)[: LARGEST[version]]
    seen = read(encode(text, mask))
    assert (seen.text, seen.ec_level) == (text, "M")
    about = cast(dict[str, object], seen.extra)
    assert (about["Version"], about["DataMask"]) == (str(version), mask)
    assert about["UEC"] == 1.0  # nothing had to be repaired


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=50))
@settings(max_examples=15, deadline=None)
def test_encode_any_text_is_read_back(text: str) -> None:
    assert read(encode(text)).bytes == text.encode()


@pytest.mark.parametrize(("version", "length"), LARGEST.items())
def test_codewords_of_takes_the_smallest_version_that_holds_the_text(version: int, length: int) -> None:
    assert codewords_of("x" * length)[0] == version
    if version < 10:
        assert codewords_of("x" * (length + 1))[0] == version + 1


def test_codewords_of_too_much_text_is_refused() -> None:
    assert fits("x" * 213)
    assert not fits("x" * 214)
    with pytest.raises(TextTooLong, match="214 bytes do not fit; the most is 213"):
        codewords_of("x" * 214)


def test_check_codewords_of_the_example_of_the_standard() -> None:
    data = [0x10, 0x20, 0x0C, 0x56, 0x61, 0x80, *[0xEC, 0x11] * 5]  # annex I: 01234567 as 1-M
    assert check_codewords(data, 10) == [0xA5, 0x24, 0xD4, 0xC1, 0xED, 0x36, 0xC7, 0x87, 0x2C, 0x55]


def test_data_codewords_hold_mode_length_content_and_padding() -> None:
    assert data_codewords(b"Hi", 1) == [0x40, 0x24, 0x86, 0x90, *[0xEC, 0x11] * 6]
    assert data_codewords(b"", 1)[:2] == [0x40, 0x00]


def test_interleave_takes_each_block_in_turn_and_checks_last() -> None:
    blocks = BLOCKS[8]
    data = list(range(154))
    words = interleave(data, blocks)
    assert words[:5] == [0, 38, 76, 115, 1]
    assert words[152:154] == [114, 153]  # the longer blocks have one more
    assert len(words) == 154 + 4 * 22


@pytest.mark.parametrize(
    ("mask", "bits"),
    [
        (0, 0b101010000010010),
        (1, 0b101000100100101),
        (2, 0b101111001111100),
        (3, 0b101101101001011),
        (4, 0b100010111111001),
        (5, 0b100000011001110),
        (6, 0b100111110010111),
        (7, 0b100101010100000),
    ],
)
def test_format_bits_are_those_of_the_table(mask: int, bits: int) -> None:
    assert format_bits(mask) == bits


@pytest.mark.parametrize(
    ("version", "bits"),
    [(7, 0b000111110010010100), (8, 0b001000010110111100), (9, 0b001001101010011001), (10, 0b001010010011010011)],
)
def test_version_bits_are_those_of_the_table(version: int, bits: int) -> None:
    assert version_bits(version) == bits


def test_penalty_counts_runs_squares_false_finders_and_colour() -> None:
    assert penalty([0b11, 0b11]) == 3 + 100  # one square; all dark
    stripes = [0b010101, 0b101010] * 3
    assert penalty(stripes) == 0
    assert penalty([0b111111, *stripes[1:]]) > penalty(stripes)


def test_encode_chooses_the_mask_of_least_penalty() -> None:
    text = approval_address("https://auth.example.com", "BCDF-GHJK")
    assert encode(text) == min((encode(text, mask) for mask in range(8)), key=penalty)


def test_draw_fills_exactly_the_dark_modules_inside_a_quiet_zone() -> None:
    text = approval_address("https://auth.example.com", "BCDF-GHJK")
    picture = draw(text, "Open on a phone")
    rows = rows_of(picture.path, picture.edge)
    assert rows[:4] == rows[-4:] == [0] * 4
    assert [row >> 4 for row in rows[4:-4]] == encode(text)
    assert all(row & 0b1111 == 0 for row in rows)
    assert picture.label == "Open on a phone"
