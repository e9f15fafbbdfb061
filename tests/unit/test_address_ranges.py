"""Address ranges of keys and codes: what counts as one, and which address lies in them."""

from __future__ import annotations

import pytest

from authsvc.web.address_ranges import checked_address_ranges, is_address_allowed
from authsvc.web.problems import ValidationFailed

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("address", "ranges", "allowed"),
    [
        ("192.0.2.7", [], True),
        ("", [], True),
        ("192.0.2.7", ["192.0.2.0/24"], True),
        ("192.0.3.7", ["192.0.2.0/24"], False),
        ("192.0.3.7", ["192.0.2.0/24", "192.0.3.7/32"], True),
        ("2001:db8::1", ["2001:db8::/32"], True),
        ("2001:db9::1", ["2001:db8::/32"], False),
        ("192.0.2.7", ["2001:db8::/32"], False),
        ("2001:db8::1", ["0.0.0.0/0"], False),
        ("", ["0.0.0.0/0", "::/0"], False),
        ("unknown", ["0.0.0.0/0", "::/0"], False),
        ("192.0.2.7, 10.0.0.1", ["192.0.2.0/24"], False),
        ("192.0.2.007", ["192.0.2.0/24"], False),
    ],
)
def test_address_is_allowed_inside_one_of_the_ranges(address: str, ranges: list[str], allowed: bool) -> None:
    assert is_address_allowed(address, ranges) is allowed


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], []),
        (["192.0.2.7"], ["192.0.2.7/32"]),
        (["192.0.2.7/24"], ["192.0.2.0/24"]),
        (["2001:0db8:0000::1/32", "::1"], ["2001:db8::/32", "::1/128"]),
    ],
)
def test_ranges_are_kept_in_their_shortest_form(given: list[str], kept: list[str]) -> None:
    assert checked_address_ranges(given) == kept


@pytest.mark.parametrize("text", ["", "everywhere", "192.0.2.0/33", "::/129", "192.0.2.0/-1", "300.1.1.1", "10/8"])
def test_text_that_is_no_range_is_named_at_its_field(text: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        checked_address_ranges(["192.0.2.0/24", text])
    assert refused.value.errors == {"address_ranges": [f"{text!r} is not an address range."]}


def test_a_very_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(ValidationFailed) as refused:
        checked_address_ranges(["x" * 100_000])
    assert len(refused.value.errors["address_ranges"][0]) < 120
