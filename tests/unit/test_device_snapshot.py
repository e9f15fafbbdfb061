"""The approval snapshot: its digest binds everything shown, differences are complete, risk sorts and explains."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.snapshot import (
    RISK_POINTS,
    Change,
    EnrolmentHistory,
    EnrolmentSnapshot,
    RiskLevel,
    RiskReason,
    difference,
    digest,
    risk,
)

SHOWN = EnrolmentSnapshot(
    name="kitchen",
    kind="esp32",
    gateway="home",
    platform="esp-idf",
    firmware="1.2",
    key_fingerprint="ab" * 32,
    requested_role="operator",
    requested_scopes=frozenset({"status:read", "agents:run"}),
    capabilities=frozenset({"audio"}),
    address="192.0.2.7",
)
OTHER = EnrolmentSnapshot(
    name="cellar",
    kind="cli",
    gateway="work",
    platform="linux",
    firmware="1.3",
    key_fingerprint="cd" * 32,
    requested_role="node",
    requested_scopes=frozenset({"status:read"}),
    capabilities=frozenset({"audio", "display"}),
    address="192.0.2.8",
    is_client_chosen_secret=True,
)
NAMES = [each.name for each in fields(EnrolmentSnapshot)]
KNOWN = EnrolmentHistory(is_known_address=True)
KNOWN_DIGEST = "d60148efbae1d2a7b10b9bba83ceea9752a6e954ca25fa1e83551013be72b794"


def test_digest_is_stable_across_releases() -> None:
    assert digest(EnrolmentSnapshot(name="n", kind="k", gateway="g")) == KNOWN_DIGEST


def test_digest_does_not_depend_on_the_order_of_sets() -> None:
    letters = [f"scope{number}:read" for number in range(50)]
    forward = replace(SHOWN, requested_scopes=frozenset(letters))
    backward = replace(SHOWN, requested_scopes=frozenset(reversed(letters)))
    assert digest(forward) == digest(backward)


@pytest.mark.parametrize("name", NAMES)
def test_digest_changes_with_every_field(name: str) -> None:
    assert digest(replace(SHOWN, **{name: getattr(OTHER, name)})) != digest(SHOWN)


@pytest.mark.parametrize("name", NAMES)
def test_difference_names_the_one_field_that_changed(name: str) -> None:
    (change,) = difference(SHOWN, replace(SHOWN, **{name: getattr(OTHER, name)}))
    assert change.field == name
    assert change.never_inherits_trust is (name == "key_fingerprint")
    assert change.widens is (name in {"requested_role", "gateway", "capabilities"})


def test_difference_of_equal_snapshots_is_empty() -> None:
    assert difference(SHOWN, replace(SHOWN)) == ()


def test_difference_of_scopes_shows_added_and_removed() -> None:
    wider = replace(SHOWN, requested_scopes=frozenset({"agents:run", "agents:write", "a:b"}))
    (change,) = difference(SHOWN, wider)
    assert change == Change("requested_scopes", added=("a:b", "agents:write"), removed=("status:read",))
    assert change.widens


def test_difference_of_fewer_scopes_does_not_widen() -> None:
    (change,) = difference(SHOWN, replace(SHOWN, requested_scopes=frozenset()))
    assert not change.widens


def test_difference_of_text_shows_old_and_new() -> None:
    (change,) = difference(SHOWN, replace(SHOWN, name="attic"))
    assert (change.before, change.after) == ("kitchen", "attic")


def test_difference_lists_changes_in_the_order_of_the_card() -> None:
    assert [change.field for change in difference(SHOWN, OTHER)] == NAMES


ONE_SIGN = [
    (replace(SHOWN, key_fingerprint="cd" * 32), replace(KNOWN, previous=SHOWN), RiskReason.KEY_CHANGED, RiskLevel.HIGH),
    (
        replace(SHOWN, requested_scopes=frozenset({"operator.admin"})),
        KNOWN,
        RiskReason.ADMINISTRATION_ASKED,
        RiskLevel.HIGH,
    ),
    (
        replace(SHOWN, requested_scopes=frozenset({"authsvc:admin"})),
        KNOWN,
        RiskReason.ADMINISTRATION_ASKED,
        RiskLevel.HIGH,
    ),
    (SHOWN, replace(KNOWN, rejected_before=1), RiskReason.REJECTED_BEFORE, RiskLevel.HIGH),
    (
        replace(SHOWN, requested_role="node"),
        replace(KNOWN, previous=SHOWN),
        RiskReason.ASKS_FOR_MORE,
        RiskLevel.RAISED,
    ),
    (
        replace(SHOWN, requested_scopes=frozenset({"agents:*:run"})),
        KNOWN,
        RiskReason.WILDCARD_ASKED,
        RiskLevel.RAISED,
    ),
    (SHOWN, replace(KNOWN, wrong_codes=1), RiskReason.WRONG_CODES, RiskLevel.RAISED),
    (SHOWN, replace(KNOWN, pending_from_address=5), RiskReason.MANY_FROM_ADDRESS, RiskLevel.RAISED),
    (replace(SHOWN, is_client_chosen_secret=True), KNOWN, RiskReason.CLIENT_CHOSEN_SECRET, RiskLevel.LOW),
    (SHOWN, EnrolmentHistory(), RiskReason.NEW_ADDRESS, RiskLevel.LOW),
]


@pytest.mark.parametrize(("snapshot", "history", "reason", "level"), ONE_SIGN)
def test_risk_one_sign_gives_its_reason_and_level(
    snapshot: EnrolmentSnapshot, history: EnrolmentHistory, reason: RiskReason, level: RiskLevel
) -> None:
    score = risk(snapshot, history)
    assert score.reasons == (reason,)
    assert (score.points, score.level) == (RISK_POINTS[reason], level)


def test_risk_signs_are_all_covered() -> None:
    assert {reason for _, _, reason, _ in ONE_SIGN} == set(RiskReason)


@pytest.mark.parametrize("history", [KNOWN, replace(KNOWN, previous=SHOWN, pending_from_address=4)])
def test_risk_routine_request_is_low(history: EnrolmentHistory) -> None:
    score = risk(SHOWN, history)
    assert (score.level, score.points, score.reasons) == (RiskLevel.LOW, 0, ())


def test_risk_signs_add_up_heaviest_first() -> None:
    score = risk(OTHER, EnrolmentHistory(previous=SHOWN, rejected_before=2, wrong_codes=3, pending_from_address=9))
    weights = [RISK_POINTS[reason] for reason in score.reasons]
    assert weights == sorted(weights, reverse=True)
    assert score.points == sum(weights) == 18
    assert score.level is RiskLevel.HIGH


texts = st.text(max_size=5)
snapshots = st.builds(
    EnrolmentSnapshot,
    name=texts,
    kind=texts,
    gateway=texts,
    address=texts,
    requested_scopes=st.frozensets(texts, max_size=3),
    capabilities=st.frozensets(texts, max_size=2),
)


@given(snapshots, snapshots)
def test_digest_is_equal_exactly_when_nothing_differs(old: EnrolmentSnapshot, new: EnrolmentSnapshot) -> None:
    assert (digest(old) == digest(new)) is (old == new) is (difference(old, new) == ())
