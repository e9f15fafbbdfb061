"""Codes for people: large enough, without look-alikes, forgiving to type, strict about anything else."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codes import (
    LONGEST_INPUT,
    PAIRING_CODE_ALPHABET,
    USER_CODE_ALPHABET,
    CodeMalformed,
    format_user_code,
    new_pairing_code,
    new_user_code,
    normalise_pairing_code,
    normalise_user_code,
)


def counting() -> Callable[[int], int]:
    """Draw 0, 1, 2, … so that the code spells the start of its alphabet."""
    numbers = iter(range(1000))
    return lambda below: next(numbers) % below


def test_alphabets_have_enough_letters_and_no_look_alikes() -> None:
    assert len(set(USER_CODE_ALPHABET)) == len(USER_CODE_ALPHABET) == 20
    assert not set(USER_CODE_ALPHABET) & set("AEIOUY0123456789")
    assert len(set(PAIRING_CODE_ALPHABET)) == len(PAIRING_CODE_ALPHABET) == 32
    assert not set(PAIRING_CODE_ALPHABET) & set("0O1I")


def test_new_codes_are_drawn_from_the_whole_alphabet() -> None:
    assert new_user_code(counting()) == "BCDFGHJK"
    assert new_pairing_code(counting()) == "ABCDEFGH"
    assert new_user_code(lambda below: below - 1) == "ZZZZZZZZ"
    assert new_pairing_code(lambda below: below - 1) == "99999999"


def test_format_user_code_two_groups_of_four() -> None:
    assert format_user_code("BCDFGHJK") == "BCDF-GHJK"


@pytest.mark.parametrize(
    "typed",
    [
        "BCDFGHJK",
        "bcdf-ghjk",
        " bcdf ghjk\n",
        "B-C-D-F-G-H-J-K",
        "BCDF\u2013GHJK",
        "BCDF\u00a0GHJK",
        "bcdf_ghjk",
        "BCDF\u2212GHJK",
    ],
)
def test_normalise_user_code_forgives_case_blanks_and_dashes(typed: str) -> None:
    assert normalise_user_code(typed) == "BCDFGHJK"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "BCDFGHJ",
        "BCDFGHJKL",
        "ACDFGHJK",
        "0CDFGHJK",
        "BCDF.GHJK",
        "BCDFGHJ\x00",
        "\u017fCDFGHJK",
        "BCDFGHJ\u212a",
        "\uff22CDFGHJK",
        "BCDF-GHJK" + " " * LONGEST_INPUT,
    ],
)
def test_normalise_user_code_refuses_everything_else(typed: str) -> None:
    with pytest.raises(CodeMalformed) as caught:
        normalise_user_code(typed)
    assert caught.value.status == 400


def test_normalise_pairing_code_keeps_digits_and_refuses_look_alikes() -> None:
    assert normalise_pairing_code("abcd 2345") == "ABCD2345"
    for text in ("ABCD2340", "ABCDOIAB", "ABCD1234"):
        with pytest.raises(CodeMalformed):
            normalise_pairing_code(text)


@given(st.integers(), st.booleans())
def test_new_user_code_shown_and_typed_comes_back(_seed: int, lower: bool) -> None:
    code = new_user_code(secrets.randbelow)
    shown = format_user_code(code)
    assert normalise_user_code(shown.lower() if lower else shown) == code


@given(st.text(max_size=20))
def test_normalise_user_code_answers_a_code_or_refuses(text: str) -> None:
    try:
        code = normalise_user_code(text)
    except CodeMalformed:
        return
    assert len(code) == 8
    assert set(code) <= set(USER_CODE_ALPHABET)
