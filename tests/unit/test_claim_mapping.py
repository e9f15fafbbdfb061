"""Which claims a gateway may ask for, under which names; what has no value is left out."""

from __future__ import annotations

import pytest

from authsvc.web.problems import ValidationFailed
from rbac.claim_mapping import MAXIMUM_CLAIMS, RESERVED, SOURCES, STANDARD, ClaimValue, checked_mapping, mapped_claims


@pytest.mark.parametrize("claim", sorted(RESERVED))
def test_claim_the_service_writes_is_refused(claim: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        checked_mapping({claim: "subject"})
    assert list(refusal.value.errors) == ["claims"]


@pytest.mark.parametrize("claim", sorted(STANDARD))
def test_standard_claim_comes_from_its_own_source_alone(claim: str) -> None:
    assert checked_mapping({claim: claim}) == {claim: claim}
    for other in sorted(SOURCES - {claim}):
        with pytest.raises(ValidationFailed):
            checked_mapping({claim: other})


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_other_name_takes_any_source(source: str) -> None:
    assert checked_mapping({"x_claim": source}) == {"x_claim": source}


@pytest.mark.parametrize("claim", ["", "1a", "a b", "a\n", "é", "a" * 101, "__proto__", "a\x00"])
def test_name_that_is_no_plain_word_is_refused(claim: str) -> None:
    with pytest.raises(ValidationFailed):
        checked_mapping({claim: "subject"})


def test_unknown_source_and_too_many_claims_are_refused() -> None:
    with pytest.raises(ValidationFailed):
        checked_mapping({"user_id": "password"})
    assert len(checked_mapping({f"c{n}": "subject" for n in range(MAXIMUM_CLAIMS)})) == MAXIMUM_CLAIMS
    with pytest.raises(ValidationFailed):
        checked_mapping({f"c{n}": "subject" for n in range(MAXIMUM_CLAIMS + 1)})


def test_source_without_a_value_leaves_its_claim_out() -> None:
    values: dict[str, ClaimValue] = {"subject": "svc_1", "email": "", "roles": [], "trust_level": 0}
    mapping = {"user_id": "subject", "email": "email", "roles": "roles", "level": "trust_level", "d": "device_id"}
    assert mapped_claims(mapping, values) == {"user_id": "svc_1", "level": 0}
    assert mapped_claims({}, values) == {}
