"""A passkey's challenge counts for its purpose, its operator and five minutes, and for nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.operators.challenges import LENGTH, LIFE_SECONDS, challenge_ends, make_challenge

pytestmark = pytest.mark.pure
KEY, NONCE, NOW = b"k" * 32, bytes(range(16)), 1_800_000_000


def made() -> bytes:
    """Return one challenge."""
    return make_challenge(KEY, purpose="prove", subject="opr_1", nonce=NONCE, now=NOW)


def ends(challenge: bytes, key: bytes = KEY, purpose: str = "prove", subject: str = "opr_1", now: int = NOW) -> object:
    """Ask when a challenge ends."""
    return challenge_ends(key, challenge, purpose=purpose, subject=subject, now=now)


def test_challenge_counts_for_five_minutes() -> None:
    assert ends(made()) == NOW + LIFE_SECONDS
    assert ends(made(), now=NOW + LIFE_SECONDS - 1) == NOW + LIFE_SECONDS
    assert ends(made(), now=NOW + LIFE_SECONDS) is None


@pytest.mark.parametrize(
    "changed", [{"key": b"x" * 32}, {"purpose": "add"}, {"subject": "opr_2"}, {"purpose": "prov", "subject": "eopr_1"}]
)
def test_challenge_of_another_purpose_operator_or_key_is_none(changed: dict[str, object]) -> None:
    assert ends(made(), **changed) is None  # type: ignore[arg-type]


def test_every_flipped_bit_is_noticed() -> None:
    whole = made()
    for position in range(LENGTH * 8):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << (position % 8)
        assert ends(bytes(flipped)) is None


@settings(max_examples=50)
@given(st.binary(max_size=80))
def test_foreign_bytes_are_none(foreign: bytes) -> None:
    assert ends(foreign) is None


def test_nonce_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        make_challenge(KEY, purpose="prove", subject="", nonce=b"short", now=NOW)
