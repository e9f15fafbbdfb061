"""What happens to a device: every happening's effect, and that nothing rises without a record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.web.problems import Problem
from devices.history import (
    DEFAULT_THRESHOLDS,
    Loss,
    TrustThresholds,
)
from devices.states import IllegalTransition, State
from devices.trust import (
    ProofKind,
    TrustLevel,
    effective_trust,
)
from devices.trust_changes import (
    REMEMBERED_FAILURES,
    DeviceNotActive,
    DeviceState,
    Gain,
    Happening,
    LevelNotGrantable,
    TrustChange,
    TrustEvent,
    TrustReasonMissing,
    apply,
    evidence_of,
)
from tests.scale import scaled

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
ANONYMOUS, BASIC, VERIFIED, TRUSTED = TrustLevel

APPROVE_VERIFIED = TrustEvent(Happening.APPROVED, level=VERIFIED)
PROVE = TrustEvent(Happening.PROOF_SUCCEEDED, proof=ProofKind.SERVER_SECRET)
FAIL = TrustEvent(Happening.PROOF_FAILED)
TICK = TrustEvent(Happening.TIME_PASSED)


def approved(at: datetime = NOW) -> DeviceState:
    device, _ = apply(APPROVE_VERIFIED, DeviceState(), at)
    return device


def trusted() -> DeviceState:
    event = TrustEvent(Happening.LEVEL_SET, level=TRUSTED, reason="ours for years")
    device, _ = apply(event, approved(), NOW)
    return device


def test_apply_promotes_exactly_when_the_last_condition_is_met() -> None:
    device = approved()
    for number in range(49):
        device, changes = apply(PROVE, device, NOW + (number % 5) * DAY)
        assert changes == ()
    device, changes = apply(PROVE, device, NOW + 7 * DAY - MOMENT)
    assert device.level is VERIFIED
    assert changes == ()
    device, changes = apply(TICK, device, NOW + 7 * DAY)
    assert device.level is TRUSTED
    assert changes == (TrustChange(Gain.EARNED, NOW + 7 * DAY, State.ACTIVE, State.ACTIVE, VERIFIED, TRUSTED),)


def test_apply_fiftieth_proof_promotes_on_use() -> None:
    device = replace(
        approved(NOW - 8 * DAY),
        successful_proofs=49,
        distinct_days=5,
        last_proof_day=NOW.date(),
        last_seen_at=NOW,
        strongest_proof=ProofKind.SIGNATURE,
    )
    unchanged, none = apply(TICK, device, NOW)
    assert (unchanged.level, none) == (VERIFIED, ())
    promoted, changes = apply(PROVE, device, NOW)
    assert promoted.level is TRUSTED
    assert [change.cause for change in changes] == [Gain.EARNED]


def test_apply_one_burst_of_failures_demotes_once_and_history_starts_over() -> None:
    device = replace(trusted(), successful_proofs=500, distinct_days=90)
    for number in range(4):
        device, changes = apply(FAIL, device, NOW + number * timedelta(minutes=2))
        assert changes == ()
    device, changes = apply(FAIL, device, NOW + timedelta(minutes=10))
    assert [(change.cause, change.level_before, change.level_after) for change in changes] == [
        (Loss.FAILURE_BURST, TRUSTED, VERIFIED)
    ]
    assert (device.successful_proofs, device.distinct_days) == (0, 0)
    assert apply(FAIL, device, NOW + timedelta(minutes=10))[1] == ()


def test_apply_failures_spread_over_more_than_ten_minutes_do_not_demote() -> None:
    device = trusted()
    for number in range(20):
        device, _ = apply(FAIL, device, NOW + number * timedelta(minutes=3))
    assert device.level is TRUSTED


def test_apply_silence_demotes_exactly_after_thirty_days() -> None:
    device, _ = apply(PROVE, trusted(), NOW + DAY)
    assert apply(TICK, device, NOW + 31 * DAY - MOMENT)[1] == ()
    silent, changes = apply(TICK, device, NOW + 31 * DAY)
    assert silent.level is VERIFIED
    assert [change.cause for change in changes] == [Loss.SILENCE]


def test_apply_a_bare_api_key_neither_counts_nor_breaks_a_silence() -> None:
    device = trusted()
    fallback = TrustEvent(Happening.PROOF_SUCCEEDED, proof=ProofKind.API_KEY)
    assert apply(fallback, device, NOW + DAY) == (device, ())


def test_apply_a_chosen_secret_is_seen_but_earns_nothing() -> None:
    proof = TrustEvent(Happening.PROOF_SUCCEEDED, proof=ProofKind.CHOSEN_SECRET)
    device, _ = apply(proof, approved(), NOW + DAY)
    assert device.last_seen_at == NOW + DAY
    assert device.successful_proofs == 0


def test_apply_proof_while_pending_earns_nothing() -> None:
    assert apply(PROVE, DeviceState(), NOW) == (DeviceState(), ())


def test_apply_proofs_on_one_day_count_as_one_day() -> None:
    device, _ = apply(PROVE, approved(), NOW)
    device, _ = apply(PROVE, device, NOW + timedelta(hours=1))
    assert (device.successful_proofs, device.distinct_days) == (2, 1)
    device, _ = apply(PROVE, device, NOW + DAY)
    device, _ = apply(PROVE, device, NOW)
    assert (device.successful_proofs, device.distinct_days) == (4, 2)


EFFECTS = [
    (TrustEvent(Happening.SUSPENDED), State.SUSPENDED, VERIFIED),
    (TrustEvent(Happening.EXPIRED), State.SUSPENDED, VERIFIED),
    (TrustEvent(Happening.CLONE_SEEN), State.SUSPENDED, VERIFIED),
    (TrustEvent(Happening.TOKEN_REUSED), State.ACTIVE, VERIFIED),
    (TrustEvent(Happening.REVOKED), State.REVOKED, ANONYMOUS),
    (TrustEvent(Happening.SECRET_CHANGED), State.ACTIVE, VERIFIED),
    (TrustEvent(Happening.KEY_CHANGED), State.ACTIVE, BASIC),
    (TrustEvent(Happening.LEVEL_SET, level=BASIC, reason="quarantine"), State.ACTIVE, BASIC),
]


@pytest.mark.parametrize(("event", "status", "level"), EFFECTS)
def test_apply_to_a_trusted_device_leaves_one_record(event: TrustEvent, status: State, level: TrustLevel) -> None:
    before = replace(trusted(), successful_proofs=500, distinct_days=90, last_seen_at=NOW)
    after, changes = apply(event, before, NOW + 8 * DAY)
    assert (after.status, after.level) == (status, level)
    assert changes == (
        TrustChange(event.kind, NOW + 8 * DAY, State.ACTIVE, status, TRUSTED, level, reason=event.reason),
    )


def test_apply_resume_does_not_give_the_highest_level_back() -> None:
    before = replace(trusted(), successful_proofs=500, distinct_days=90, last_seen_at=NOW)
    suspended, _ = apply(TrustEvent(Happening.SUSPENDED), before, NOW)
    resumed, changes = apply(TrustEvent(Happening.RESUMED), suspended, NOW)
    assert (resumed.status, resumed.level, resumed.active_since) == (State.ACTIVE, VERIFIED, NOW)
    assert [change.status_after for change in changes] == [State.ACTIVE]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Happening.REJECTED, State.REJECTED),
        (Happening.EXPIRED, State.REJECTED),
        (Happening.BLOCKED, State.REVOKED),
    ],
)
def test_apply_request_refused_has_no_trust_left(kind: Happening, status: State) -> None:
    device, changes = apply(TrustEvent(kind, reason="unknown"), DeviceState(), NOW)
    assert (device.status, device.level) == (status, ANONYMOUS)
    assert changes == (TrustChange(kind, NOW, State.PENDING, status, BASIC, ANONYMOUS, "unknown"),)


@pytest.mark.parametrize("kind", [Happening.LEVEL_SET, Happening.CONFIRMED])
def test_apply_decision_about_a_pending_device_is_refused(kind: Happening) -> None:
    with pytest.raises(DeviceNotActive):
        apply(TrustEvent(kind, level=VERIFIED), DeviceState(), NOW)


@pytest.mark.parametrize("sign", [Happening.CLONE_SEEN, Happening.TOKEN_REUSED])
def test_apply_clone_of_a_suspended_device_changes_nothing(sign: Happening) -> None:
    suspended, _ = apply(TrustEvent(Happening.SUSPENDED), approved(), NOW)
    assert apply(TrustEvent(sign), suspended, NOW) == (suspended, ())


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_apply_highest_level_without_reason_is_refused(reason: str) -> None:
    with pytest.raises(TrustReasonMissing):
        apply(TrustEvent(Happening.LEVEL_SET, level=TRUSTED, reason=reason), approved(), NOW)
    with pytest.raises(TrustReasonMissing):
        apply(TrustEvent(Happening.APPROVED, level=TRUSTED, reason=reason), DeviceState(), NOW)


def test_apply_approving_as_anonymous_is_refused() -> None:
    with pytest.raises(LevelNotGrantable):
        apply(TrustEvent(Happening.APPROVED, level=ANONYMOUS), DeviceState(), NOW)


def test_apply_second_approval_is_refused() -> None:
    with pytest.raises(IllegalTransition):
        apply(APPROVE_VERIFIED, approved(), NOW)


def test_apply_vouching_forgets_failures_and_silence_before_it() -> None:
    device = replace(approved(NOW - 60 * DAY), failed_proofs_at=(NOW,) * 9)
    device, changes = apply(TrustEvent(Happening.LEVEL_SET, level=TRUSTED, reason="checked on site"), device, NOW)
    assert device.level is TRUSTED
    assert [change.reason for change in changes] == ["checked on site"]
    assert apply(TICK, device, NOW + 29 * DAY)[1] == ()


def test_apply_confirmation_completes_a_promotion() -> None:
    thresholds = TrustThresholds(needs_confirmation=True)
    ready = replace(
        approved(NOW - 8 * DAY),
        successful_proofs=50,
        distinct_days=5,
        last_seen_at=NOW,
        strongest_proof=ProofKind.SIGNATURE,
    )
    assert apply(TICK, ready, NOW, thresholds)[0].level is VERIFIED
    assert apply(TrustEvent(Happening.CONFIRMED), ready, NOW, thresholds)[0].level is TRUSTED


def test_apply_a_promotion_that_would_be_lost_at_once_is_not_made() -> None:
    lenient = TrustThresholds(failed_proofs_allowed=100)
    ready = replace(
        approved(NOW - 8 * DAY),
        successful_proofs=50,
        distinct_days=5,
        last_seen_at=NOW,
        strongest_proof=ProofKind.SIGNATURE,
        failed_proofs_at=(NOW,) * 5,
    )
    assert apply(TICK, ready, NOW, lenient) == (ready, ())


def test_apply_remembers_a_limited_number_of_failures() -> None:
    device = replace(approved(), failed_proofs_at=(NOW,) * REMEMBERED_FAILURES)
    device, _ = apply(FAIL, device, NOW + DAY)
    assert len(device.failed_proofs_at) == REMEMBERED_FAILURES
    assert device.failed_proofs_at[-1] == NOW + DAY


def test_evidence_of_counts_failures_inside_each_window() -> None:
    failures = (NOW - 8 * DAY, NOW - 7 * DAY, NOW - DAY, NOW - timedelta(minutes=10), NOW)
    evidence = evidence_of(replace(approved(), failed_proofs_at=failures), DEFAULT_THRESHOLDS, NOW)
    assert (evidence.failed_proofs_recent, evidence.failed_proofs_burst) == (4, 2)


events = st.builds(
    TrustEvent,
    kind=st.sampled_from(Happening),
    level=st.sampled_from(TrustLevel),
    proof=st.sampled_from(ProofKind),
    reason=st.sampled_from(["", "because"]),
)
# Mostly proofs and time, so that histories long enough to be promoted and demoted come up.
steps = st.lists(
    st.tuples(
        st.one_of(events, st.sampled_from([PROVE, PROVE, TICK, FAIL, APPROVE_VERIFIED])),
        st.sampled_from([timedelta(0), timedelta(minutes=1), timedelta(hours=13), DAY, 31 * DAY]),
    ),
    max_size=60,
)
quick = TrustThresholds(successful_proofs=3, distinct_days=2, active_for=DAY, secret_unchanged_for=DAY)


def standing(device: DeviceState, proof: ProofKind) -> TrustLevel:
    return effective_trust(device.status, device.level, proof)


@settings(max_examples=scaled(75, 300), deadline=None)
@given(steps)
def test_random_history_never_raises_trust_without_a_record(history: list[tuple[TrustEvent, timedelta]]) -> None:
    device, now = DeviceState(), NOW
    for event, passed in history:
        now += passed
        try:
            after, changes = apply(event, device, now, quick)
        except Problem:
            continue
        trail = [(device.status, device.level), *((change.status_after, change.level_after) for change in changes)]
        assert [(change.status_before, change.level_before) for change in changes] == trail[:-1]
        assert trail[-1] == (after.status, after.level)
        assert all(change.at == now for change in changes)
        for proof in ProofKind:
            if standing(after, proof) > standing(device, proof):
                assert changes
        if after.status in {State.REVOKED, State.REJECTED}:
            assert after.level is ANONYMOUS
        device = after


def test_random_history_reaches_promotion_with_the_quick_thresholds() -> None:
    device = approved()
    for number in range(4):
        device, _ = apply(PROVE, device, NOW + number * DAY, quick)
    assert device.level is TRUSTED
