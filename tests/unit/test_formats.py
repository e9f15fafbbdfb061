"""The text of opaque tokens: published shape, checksum, and refusal before any query."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.tokens.formats import (
    PATTERN,
    TokenType,
    checksum,
    generate,
    is_opaque_shaped,
    is_same_hash,
    keyed_hash,
    parse,
)
from authsvc.web.secret_text import SecretText
from tests.scale import scaled

ENVIRONMENTS = ["prod", "dev", "a", "eu-west-1", "a" * 63]


@pytest.mark.parametrize("token_type", TokenType)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_generate_makes_a_token_that_parses_and_matches_the_pattern(token_type: TokenType, environment: str) -> None:
    token = generate(token_type, environment)
    text = token.text.reveal()
    assert re.fullmatch(PATTERN, text)
    parsed = parse(text)
    assert parsed is not None
    assert (parsed.type, parsed.environment, parsed.id) == (token_type, environment, token.id)
    assert parsed.text.reveal() == text
    assert token.last_four == text[-4:]
    assert is_opaque_shaped(text)
    assert text[8:] not in repr(token)


def test_generate_with_an_id_keeps_it_and_changes_the_secret() -> None:
    first = generate(TokenType.API_KEY, "prod")
    second = generate(TokenType.API_KEY, "prod", first.id)
    assert first.id == second.id
    assert first.text.reveal() != second.text.reveal()


def test_parse_with_any_one_character_changed_is_refused() -> None:
    text = generate(TokenType.API_KEY, "prod").text.reveal()
    for index in range(len(text)):
        for other in "aZ09_-. \n":
            if other != text[index]:
                assert parse(text[:index] + other + text[index + 1 :]) is None


@given(st.data())
@settings(max_examples=scaled(75, 200), deadline=None)
def test_parse_with_a_character_dropped_doubled_or_swapped_is_refused(data: st.DataObject) -> None:
    text = generate(TokenType.DEVICE_SECRET, "dev").text.reveal()
    index = data.draw(st.integers(0, len(text) - 2))
    assert parse(text[:index] + text[index + 1 :]) is None
    assert parse(text[:index] + text[index] + text[index:]) is None
    if text[index] != text[index + 1]:
        assert parse(text[:index] + text[index + 1] + text[index] + text[index + 2 :]) is None


@pytest.mark.parametrize("text", ["", "ask_", "ask_prod_x_y", "ASK_PROD", "ask_prod_" * 50, "\x00", "ask_prod_\u0661"])
def test_parse_of_anything_else_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("addition", ["\n", " ", "\x00", "A", "."])
def test_parse_with_something_around_is_none(addition: str) -> None:
    text = generate(TokenType.API_KEY, "prod").text.reveal()
    assert parse(text + addition) is None
    assert parse(addition + text) is None


@given(st.text(max_size=300))
@settings(max_examples=scaled(75, 200), deadline=None)
def test_parse_of_any_text_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "shaped"), [("ask_x", True), ("agw_", True), ("art_", True), ("ask", False), ("eyJ", False), ("", False)]
)
def test_is_opaque_shaped_looks_at_the_beginning(text: str, shaped: bool) -> None:
    assert is_opaque_shaped(text) is shaped


def test_checksum_is_crc32_in_six_characters_of_base62() -> None:
    assert checksum("") == "000000"
    assert checksum("123456789") == "3jZRME"  # CRC-32 is 0xCBF43926 = 3421780262


def test_keyed_hash_depends_on_pepper_and_text() -> None:
    text = SecretText("ask_prod_x")
    assert keyed_hash(b"a", text) == keyed_hash(b"a", SecretText("ask_prod_x"))
    assert keyed_hash(b"a", text) != keyed_hash(b"b", text)
    assert keyed_hash(b"a", text) != keyed_hash(b"a", SecretText("ask_prod_y"))


@pytest.mark.parametrize(
    ("left", "right", "same"), [("ab", "ab", True), ("ab", "ac", False), ("", "", False), ("ab", "", False)]
)
def test_is_same_hash_never_matches_an_empty_stored_hash(left: str, right: str, same: bool) -> None:
    assert is_same_hash(left, right) is same
