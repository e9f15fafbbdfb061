"""Sealing: published vectors through our layer, every flipped byte refused, no nonce twice, one spelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.vault.envelope import (
    NONCE_BYTES,
    TAG_BYTES,
    Place,
    SealBroken,
    associated_data,
    decode,
    encode,
    open_sealed,
    read_text,
    seal,
    write_text,
)
from tests.scale import scaled

VECTORS = Path(__file__).parents[1] / "vectors" / "wycheproof" / "aes_gcm_test.json"
KEY = bytes(range(32))
DATA = b"where it lives"
PARTS = st.tuples(*[st.text(max_size=8)] * 6)


def gcm_vectors() -> list[Any]:
    groups = json.loads(VECTORS.read_text())["testGroups"]
    ours = [group for group in groups if (group["ivSize"], group["tagSize"]) == (96, 128)]
    return [pytest.param(test, id=f"{group['keySize']}-{test['tcId']}") for group in ours for test in group["tests"]]


@pytest.mark.parametrize("test", gcm_vectors())
def test_open_sealed_answers_the_published_vectors(test: dict[str, str]) -> None:
    key, blob = bytes.fromhex(test["key"]), bytes.fromhex(test["iv"] + test["ct"] + test["tag"])
    if test["result"] == "valid" and len(key) == 32:
        assert open_sealed(key, blob, bytes.fromhex(test["aad"])) == bytes.fromhex(test["msg"])
    else:
        with pytest.raises(SealBroken):
            open_sealed(key, blob, bytes.fromhex(test["aad"]))


def test_the_published_vectors_hold_enough_of_our_size() -> None:
    ours = [param.values[0] for param in gcm_vectors()]
    assert sum(len(test["key"]) == 64 and test["result"] == "valid" for test in ours) >= 30
    assert sum(test["result"] == "invalid" for test in ours) >= 30


@pytest.mark.parametrize("plaintext", [b"", b"x", b"sk-ant-" + b"A" * 101])
def test_open_sealed_with_each_byte_flipped_is_refused(plaintext: bytes) -> None:
    blob = seal(KEY, plaintext, DATA)
    assert open_sealed(KEY, blob, DATA) == plaintext
    for index in range(len(blob)):
        for mask in (1, 0x80, 0xFF):
            flipped = blob[:index] + bytes([blob[index] ^ mask]) + blob[index + 1 :]
            with pytest.raises(SealBroken):
                open_sealed(KEY, flipped, DATA)


def test_open_sealed_cut_anywhere_or_lengthened_is_refused() -> None:
    blob = seal(KEY, b"secret", DATA)
    for length in range(len(blob)):
        with pytest.raises(SealBroken):
            open_sealed(KEY, blob[:length], DATA)
    with pytest.raises(SealBroken):
        open_sealed(KEY, blob + b"\x00", DATA)


def test_open_sealed_with_other_data_or_key_is_refused() -> None:
    blob = seal(KEY, b"secret", DATA)
    for key, data in ((KEY, b""), (KEY, DATA + b" "), (KEY[::-1], DATA), (KEY[:16], DATA), (b"", DATA)):
        with pytest.raises(SealBroken):
            open_sealed(key, blob, data)


@given(st.binary(max_size=200), st.binary(max_size=50), st.binary(min_size=32, max_size=32))
@settings(max_examples=100, deadline=None)
def test_open_sealed_returns_what_was_sealed(plaintext: bytes, data: bytes, key: bytes) -> None:
    blob = seal(key, plaintext, data)
    assert len(blob) == NONCE_BYTES + len(plaintext) + TAG_BYTES
    assert open_sealed(key, blob, data) == plaintext


def test_seal_one_hundred_thousand_times_repeats_no_nonce() -> None:
    nonces = {seal(KEY, b"", DATA)[:NONCE_BYTES] for _ in range(100_000)}
    assert len(nonces) == 100_000
    assert {len(nonce) for nonce in nonces} == {12}


def test_associated_data_tells_neighbouring_parts_apart() -> None:
    assert associated_data(Place("ab", "c", "t", "r", "f"), "k") != associated_data(
        Place("a", "bc", "t", "r", "f"), "k"
    )
    assert associated_data(Place("", "x", "t", "r", "f"), "k") != associated_data(Place("x", "", "t", "r", "f"), "k")
    assert associated_data(Place("a", "b", "t", "r", "fk"), "") != associated_data(Place("a", "b", "t", "r", "f"), "k")


@given(PARTS, PARTS)
@settings(max_examples=scaled(75, 200), deadline=None)
def test_associated_data_is_equal_only_for_equal_parts(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    same = associated_data(Place(*left[:5]), left[5]) == associated_data(Place(*right[:5]), right[5])
    assert same is (left == right)


@pytest.mark.parametrize("index", range(5))
def test_open_sealed_at_another_place_is_refused(index: int) -> None:
    parts = ["ten_1", "env_1", "credential", "crd_1", "v1"]
    blob = seal(KEY, b"secret", associated_data(Place(*parts), "dky_1"))
    parts[index] += "x"
    with pytest.raises(SealBroken):
        open_sealed(KEY, blob, associated_data(Place(*parts), "dky_1"))


@given(st.binary(max_size=100))
@settings(max_examples=scaled(75, 200), deadline=None)
def test_text_of_a_blob_reads_back(blob: bytes) -> None:
    assert decode(encode(blob)) == blob
    assert read_text(write_text("dky_1", blob)) == ("dky_1", blob)


def test_decode_accepts_one_spelling_alone() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert sorted(text for text in (f"A{last}" for last in alphabet) if _is_read(text)) == ["AA", "AQ", "Ag", "Aw"]
    assert len([text for text in (f"AA{last}" for last in alphabet) if _is_read(text)]) == 16


def _is_read(text: str) -> bool:
    try:
        decode(text)
    except SealBroken:
        return False
    return True


@pytest.mark.parametrize(
    "text", ["AA==", "AA=", "A", "AAAAA", "A A", "AA\n", "\nAA", "A+==", "+/", "AAA/", "ÄÄ", "AA\x00", "=", "AA.AA"]
)
def test_decode_refuses_any_other_text(text: str) -> None:
    with pytest.raises(SealBroken):
        decode(text)


@pytest.mark.parametrize("text", ["", "v1", "v1.", "v1..AAAA", "v2.k.AAAA", "V1.k.AAAA", "v1.k.AA==", "AAAA", ".k.AA"])
def test_read_text_refuses_any_other_form(text: str) -> None:
    with pytest.raises(SealBroken):
        read_text(text)


def test_seal_broken_says_nothing_of_the_value() -> None:
    problem = SealBroken()
    assert (problem.status, problem.slug) == (409, "seal_broken")
