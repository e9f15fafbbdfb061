"""Effective trust, scope ceilings, and the promotion and demotion rules at their thresholds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from devices.history import (
    DEFAULT_THRESHOLDS,
    Loss,
    Missing,
    TrustEvidence,
    TrustThresholds,
    should_demote,
    should_promote,
)
from devices.states import State
from devices.trust import (
    DEFAULT_CEILINGS,
    OWN_RESOURCES,
    RIGHTS_GIVING,
    SENTENCES,
    Ceiling,
    ProofKind,
    TrustLevel,
    ceiling,
    effective_trust,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
ANONYMOUS, BASIC, VERIFIED, TRUSTED = TrustLevel

# Highest level each proof reaches on an active device; pending stops at basic, everything else at anonymous.
BY_PROOF = {"none": 0, "api_key": 1, "chosen_secret": 2, "server_secret": 3, "signature": 3}
BY_STATUS = {"pending": 1, "active": 3, "suspended": 0, "revoked": 0, "rejected": 0}


@pytest.mark.parametrize(("status", "stored", "proof"), list(product(State, TrustLevel, ProofKind)))
def test_effective_trust_full_table(status: State, stored: TrustLevel, proof: ProofKind) -> None:
    expected = min(int(stored), BY_PROOF[proof.value], BY_STATUS[status.value])
    assert effective_trust(status, stored, proof) == expected


@pytest.mark.parametrize(("limit", "expected"), [(ANONYMOUS, 1), (BASIC, 1), (VERIFIED, 2), (TRUSTED, 2)])
def test_effective_trust_chosen_secret_limit_stays_between_basic_and_verified(limit: TrustLevel, expected: int) -> None:
    assert effective_trust(State.ACTIVE, TRUSTED, ProofKind.CHOSEN_SECRET, limit) == expected


def test_effective_trust_chosen_secret_limit_does_not_touch_other_proofs() -> None:
    assert effective_trust(State.ACTIVE, TRUSTED, ProofKind.SIGNATURE, BASIC) == TRUSTED


def test_sentences_one_plain_sentence_per_level() -> None:
    assert set(SENTENCES) == set(TrustLevel)
    assert all(sentence.count(".") == 1 and sentence.endswith(".") for sentence in SENTENCES.values())


CEILING_TABLE = [
    ("status:read", 1),
    ("profiles:read", 2),
    ("profiles:prf_1:read", 2),
    ("credentials:resolve", 2),
    ("credentials:report", 2),
    ("decisions:make", 2),
    ("agents:read", 2),
    ("agents:*:run", 2),
    ("agents:write", 3),
    ("credentials:write", 3),
    ("profiles:write", 3),
    ("audit:read", 3),
    *[(scope, 4) for scope in RIGHTS_GIVING],
    ("authsvc:admin", 4),
    ("authsvc:read", 4),
    ("agent_os:admin", 4),
    ("*", 4),
    ("*:read", 4),
    ("status:*", 4),
    ("status", 4),
    ("", 4),
    ("status::read", 4),
    (":read", 4),
    ("status:", 4),
    ("status:a:b:read", 4),
]


@pytest.mark.parametrize(("scope", "from_level"), CEILING_TABLE)
def test_ceiling_scope_opens_from_its_level_on(scope: str, from_level: int) -> None:
    assert [ceiling(level).permits(scope) for level in TrustLevel] == [level >= from_level for level in TrustLevel]


def test_ceiling_own_resources_are_never_taken_for_a_gateways() -> None:
    everything_of_gateways = Ceiling(gateway_actions=("*",))
    assert not any(everything_of_gateways.permits(f"{resource}:read") for resource in OWN_RESOURCES)


def test_ceiling_override_replaces_one_level_and_no_other() -> None:
    overrides = {BASIC: Ceiling(own=("profiles:read",), gateway_actions=("run",))}
    basic = ceiling(BASIC, overrides)
    assert basic.permits("profiles:read")
    assert basic.permits("agents:run")
    assert not basic.permits("status:read")
    assert ceiling(VERIFIED, overrides) == DEFAULT_CEILINGS[VERIFIED]


def test_ceiling_override_cannot_open_anonymous_or_administration() -> None:
    everything = Ceiling(own=("*:*",), gateway_actions=("*",))
    overrides = dict.fromkeys(TrustLevel, everything)
    assert not ceiling(ANONYMOUS, overrides).permits("status:read")
    assert not ceiling(TRUSTED, overrides).permits("authsvc:admin")
    assert not ceiling(TRUSTED, overrides).permits("agent_os:admin")
    assert ceiling(TRUSTED, overrides).permits("devices:approve")


ENOUGH = TrustEvidence(
    active_since=NOW - 7 * DAY,
    successful_proofs=50,
    distinct_days=5,
    failed_proofs_recent=0,
    failed_proofs_burst=0,
    last_seen_at=NOW - DAY + MOMENT,
    secret_changed_at=NOW - 7 * DAY,
    vouched_at=None,
    strongest_proof=ProofKind.SERVER_SECRET,
)


def test_should_promote_exactly_at_every_threshold_promotes() -> None:
    verdict = should_promote(ENOUGH, DEFAULT_THRESHOLDS, NOW)
    assert verdict.promote
    assert verdict.missing == ()


JUST_SHORT = [
    (replace(ENOUGH, active_since=NOW - 7 * DAY + MOMENT), Missing.ACTIVE_TIME),
    (replace(ENOUGH, active_since=None), Missing.ACTIVE_TIME),
    (replace(ENOUGH, successful_proofs=49), Missing.SUCCESSFUL_PROOFS),
    (replace(ENOUGH, distinct_days=4), Missing.DISTINCT_DAYS),
    (replace(ENOUGH, failed_proofs_recent=1), Missing.RECENT_FAILURES),
    (replace(ENOUGH, last_seen_at=NOW - DAY), Missing.NOT_SEEN),
    (replace(ENOUGH, last_seen_at=None), Missing.NOT_SEEN),
    (replace(ENOUGH, secret_changed_at=NOW - 7 * DAY + MOMENT), Missing.SECRET_CHANGED),
    (replace(ENOUGH, strongest_proof=ProofKind.CHOSEN_SECRET), Missing.STRONG_PROOF),
]


@pytest.mark.parametrize(("evidence", "missing"), JUST_SHORT)
def test_should_promote_one_step_short_says_what_is_missing(evidence: TrustEvidence, missing: Missing) -> None:
    verdict = should_promote(evidence, DEFAULT_THRESHOLDS, NOW)
    assert not verdict.promote
    assert verdict.missing == (missing,)


def test_should_promote_nothing_known_lists_everything_missing() -> None:
    blank = TrustEvidence(None, 0, 0, 9, 0, None, None, None, ProofKind.NONE)
    confirming = TrustThresholds(needs_confirmation=True)
    assert should_promote(blank, confirming, NOW).missing == tuple(Missing)


def test_should_promote_secret_never_changed_counts_from_activation() -> None:
    assert should_promote(replace(ENOUGH, secret_changed_at=None), DEFAULT_THRESHOLDS, NOW).promote


def test_should_promote_manual_confirmation_waits_for_it() -> None:
    thresholds = TrustThresholds(needs_confirmation=True)
    assert should_promote(ENOUGH, thresholds, NOW).missing == (Missing.CONFIRMATION,)
    assert should_promote(replace(ENOUGH, is_confirmed=True), thresholds, NOW).promote


LOSSES = [
    (ENOUGH, ()),
    (replace(ENOUGH, failed_proofs_burst=4), ()),
    (replace(ENOUGH, failed_proofs_burst=5), (Loss.FAILURE_BURST,)),
    (replace(ENOUGH, active_since=None, last_seen_at=NOW - 30 * DAY + MOMENT), ()),
    (replace(ENOUGH, active_since=None, last_seen_at=NOW - 30 * DAY), (Loss.SILENCE,)),
    (replace(ENOUGH, last_seen_at=None, active_since=NOW - 30 * DAY), (Loss.SILENCE,)),
    (replace(ENOUGH, last_seen_at=NOW - 40 * DAY, active_since=NOW - 90 * DAY, vouched_at=NOW - DAY), ()),
    (replace(ENOUGH, last_seen_at=None, active_since=None), ()),
    (
        replace(ENOUGH, failed_proofs_burst=9, active_since=None, last_seen_at=NOW - 31 * DAY),
        (Loss.FAILURE_BURST, Loss.SILENCE),
    ),
]


@pytest.mark.parametrize(("evidence", "reasons"), LOSSES)
def test_should_demote_burst_and_silence_from_their_thresholds(
    evidence: TrustEvidence, reasons: tuple[Loss, ...]
) -> None:
    verdict = should_demote(evidence, DEFAULT_THRESHOLDS, NOW)
    assert verdict.reasons == reasons
    assert verdict.demote is bool(reasons)
