"""Stored standing: every change has its audit event, promotion and decay happen by the clock, proofs are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authsvc.audit.models import AuditEvent
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem, Unauthenticated
from authsvc.web.secret_text import SecretText
from devices.models import Device, DeviceType, FailedProof
from devices.services.authenticate import DeviceNotActive, ProvenDevice, TooManyGuesses, authenticate_device
from devices.services.clones import suspect_clone
from devices.services.enrol import Enrolment, Identity, enrol_device
from devices.services.lifecycle import (
    approve_device,
    confirm_device,
    get_device,
    reject_device,
    resume_device,
    revoke_device,
    set_trust,
    suspend_device,
)
from devices.services.policy import set_policy
from devices.services.review import review_devices
from devices.services.rotate import rotate_device_secret
from devices.services.trust import device_trust
from devices.states import State
from devices.trust_changes import Happening
from tests.scale import scaled
from tests.world import World

DAY = timedelta(days=1)
FAST = {
    "active_for": 3600,
    "successful_proofs": 3,
    "distinct_days": 1,
    "failed_proofs_allowed": 5,
    "secret_unchanged_for": 0,
    "burst_failures": 2,
    "silence": 7 * 86_400,
}


def enrol(caller: Caller, now: datetime, **fields: object) -> Enrolment:
    return enrol_device(caller, name="lamp", device_type=DeviceType.ESP32, now=now, **fields)  # type: ignore[arg-type]


def active(caller: Caller, now: datetime, **fields: object) -> Enrolment:
    enrolled = enrol(caller, now, **fields)
    approve_device(caller, device=enrolled.device, user_code=enrolled.user_code, now=now)
    return enrolled


def prove(device_id: str, secret: str, now: datetime, address: str = "192.0.2.1") -> ProvenDevice:
    return authenticate_device(device_id, secret, within=None, address=address, request_id="", now=now)


def fail(device_id: str, now: datetime, address: str = "192.0.2.9") -> None:
    with pytest.raises(Unauthenticated):
        prove(device_id, "ads_wrong", now, address)


def levels(device_id: str) -> list[tuple[int, int]]:
    """Return the level changes the audit tells of, oldest first."""
    events = AuditEvent.objects.filter(subject_id=device_id).order_by("sequence")
    return [(e.detail["old_level"], e.detail["new_level"]) for e in events if "old_level" in e.detail]


def test_authenticate_pending_device_with_right_secret_is_refused_below_verified(world: World, now: datetime) -> None:
    enrolled = enrol(world.prod.caller(), now)
    with pytest.raises(DeviceNotActive) as refusal:
        prove(enrolled.device.id, enrolled.secret.reveal(), now)
    assert refusal.value.extra == {"device_status": "pending"}
    assert Device.unscoped.get(id=enrolled.device.id).trust_level == 1


def test_authenticate_after_approval_is_verified_and_counted(world: World, now: datetime) -> None:
    enrolled = active(world.prod.caller(), now)
    proven = prove(enrolled.device.id, enrolled.secret.reveal(), now)
    assert proven.trust.level == 2
    assert (proven.device.successful_proofs, proven.device.distinct_days) == (1, 1)


def test_promotion_happens_exactly_at_the_threshold(world: World, now: datetime) -> None:
    enrolled = active(world.prod.caller(), now)
    for number in range(49):
        prove(enrolled.device.id, enrolled.secret.reveal(), now + DAY * (number % 7) + timedelta(seconds=number))
    late = now + 7 * DAY
    assert prove(enrolled.device.id, enrolled.secret.reveal(), late - timedelta(seconds=1)).trust.level == 2
    review_devices(late - timedelta(microseconds=1))
    assert Device.unscoped.get(id=enrolled.device.id).trust_level == 2
    review_devices(late)
    assert Device.unscoped.get(id=enrolled.device.id).trust_level == 3
    assert levels(enrolled.device.id) == [(1, 2), (2, 3)]


def test_burst_of_bad_proofs_demotes_a_trusted_device_at_once(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    enrolled = active(caller, now)
    set_trust(caller, device=enrolled.device, trust_level=3, reason="ours", now=now)
    for second in range(4):
        fail(enrolled.device.id, now + timedelta(seconds=second))
    assert Device.unscoped.get(id=enrolled.device.id).trust_level == 3
    fail(enrolled.device.id, now + timedelta(seconds=4))
    assert Device.unscoped.get(id=enrolled.device.id).trust_level == 2
    assert levels(enrolled.device.id)[-1] == (3, 2)


def test_silence_demotes_in_the_worker_and_on_the_next_use(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    by_worker, by_use = active(caller, now), active(caller, now)
    for enrolled in (by_worker, by_use):
        set_trust(caller, device=enrolled.device, trust_level=3, reason="ours", now=now)
    assert prove(by_use.device.id, by_use.secret.reveal(), now + 30 * DAY).trust.level == 2
    review_devices(now + 30 * DAY)
    assert Device.unscoped.get(id=by_worker.device.id).trust_level == 2


def test_review_ends_unanswered_requests_and_dated_approvals(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    waiting, dated = enrol(caller, now), enrol(caller, now)
    approve_device(caller, device=dated.device, user_code=dated.user_code, expires_at=now + DAY, now=now)
    review_devices(now + DAY)
    assert Device.unscoped.get(id=waiting.device.id).status == State.REJECTED
    assert Device.unscoped.get(id=dated.device.id).status == State.SUSPENDED
    resume_device(caller, device=get_device(caller, dated.device.id), reason="again", now=now + DAY)
    assert prove(dated.device.id, dated.secret.reveal(), now + 2 * DAY).trust.level == 2


def test_rotated_secret_overlaps_and_costs_earned_trust(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    enrolled = active(caller, now)
    set_trust(caller, device=enrolled.device, trust_level=3, reason="ours", now=now)
    proven = prove(enrolled.device.id, enrolled.secret.reveal(), now)
    rotated = rotate_device_secret(proven.caller, device_id=enrolled.device.id, overlap_seconds=60, now=now)
    assert prove(enrolled.device.id, enrolled.secret.reveal(), now + timedelta(seconds=59)).trust.level == 2
    assert prove(enrolled.device.id, rotated.secret.reveal(), now + timedelta(seconds=61)).trust.level == 2
    with pytest.raises(Unauthenticated):
        prove(enrolled.device.id, enrolled.secret.reveal(), now + timedelta(seconds=61))


def test_guessing_is_limited_per_network_and_never_locks_the_device_out(world: World, now: datetime) -> None:
    enrolled = active(world.prod.caller(), now)
    for device_id in (enrolled.device.id, "dev_nobody"):
        for _ in range(10):
            fail(device_id, now)
        with pytest.raises(TooManyGuesses):
            prove(device_id, "ads_wrong", now, "192.0.2.9")
    assert prove(enrolled.device.id, enrolled.secret.reveal(), now, "198.51.100.1").trust.level == 2
    assert FailedProof.objects.count() == 20


def test_wrong_secret_leaves_one_audit_row_and_unknown_ids_none(world: World, now: datetime) -> None:
    enrolled = active(world.prod.caller(), now)
    before = AuditEvent.objects.count()
    fail(enrolled.device.id, now)
    fail("dev_nobody", now)
    rows = AuditEvent.objects.order_by("sequence")
    assert AuditEvent.objects.count() == before + 1
    assert rows.filter(subject_id=enrolled.device.id, event_type="device.authentication_failed").count() == 1


def test_chosen_secret_is_slow_hashed_and_never_trusted(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    enrolled = active(caller, now, identity=Identity(chosen_secret=SecretText("correct horse")))
    assert not enrolled.secret
    set_trust(caller, device=enrolled.device, trust_level=3, reason="ours", now=now)
    assert prove(enrolled.device.id, "correct horse", now).trust.level == 2
    assert "correct horse" not in Device.unscoped.get(id=enrolled.device.id).chosen_secret_hash
    set_policy(caller, changes={"chosen_secret_level": 1}, now=now)
    assert prove(enrolled.device.id, "correct horse", now).trust.level == 1
    fail(enrolled.device.id, now)


def test_chosen_secret_rotates_to_a_server_made_one(world: World, now: datetime) -> None:
    enrolled = active(world.prod.caller(), now, identity=Identity(chosen_secret=SecretText("correct horse")))
    proven = prove(enrolled.device.id, "correct horse", now)
    rotated = rotate_device_secret(proven.caller, device_id=enrolled.device.id, overlap_seconds=0, now=now)
    assert prove(enrolled.device.id, rotated.secret.reveal(), now).trust.level == 2
    with pytest.raises(Unauthenticated):
        prove(enrolled.device.id, "correct horse", now)


@pytest.mark.parametrize("secret", ["1234567", "x" * 257, "ads_mine_and_mine"])
def test_chosen_secret_out_of_bounds_is_refused(world: World, now: datetime, secret: str) -> None:
    with pytest.raises(Problem) as refusal:
        enrol(world.prod.caller(), now, identity=Identity(chosen_secret=SecretText(secret)))
    assert set(refusal.value.errors) == {"secret"}


def test_privacy_flags_hold_before_anything_is_written(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    set_policy(caller, changes={"store_ip": False, "store_user_agent": False}, now=now)
    here = replace(caller, address="192.0.2.77")
    enrolled = enrol(here, now, identity=Identity(user_agent="lamp/1.0"))
    fail(enrolled.device.id, now, "192.0.2.77")
    stored = Device.unscoped.get(id=enrolled.device.id)
    assert (stored.address, stored.user_agent) == ("", "")
    assert not AuditEvent.objects.filter(subject_id=enrolled.device.id, address="192.0.2.77").exists()


STEP_NAMES = ["prove", "fail", "approve", "reject", "suspend", "resume", "revoke", "trust", "confirm", "rotate"]
STEP_NAMES += ["clone", "reuse", "review"]
STEPS = st.tuples(
    st.sampled_from(STEP_NAMES),
    st.integers(1, 3),
    st.integers(0, 4 * 86_400),
)


@given(steps=st.lists(STEPS, min_size=5, max_size=25))
@settings(max_examples=scaled(10, 25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_history_every_change_of_level_or_status_has_its_event(
    world: World, steps: list[tuple[str, int, int]]
) -> None:
    with transaction.atomic():
        caller, moment = world.prod.caller(), world.made_at
        set_policy(caller, changes={"thresholds": FAST}, now=moment)
        enrolled = enrol(caller, moment)
        told = (State.PENDING.value, 1)
        for step, level, seconds in steps:
            moment += timedelta(seconds=seconds)
            seen = AuditEvent.objects.filter(subject_id=enrolled.device.id).count()
            _happen(caller, enrolled, step, level, moment)
            stored = Device.unscoped.get(id=enrolled.device.id)
            told = _retold(enrolled.device.id, seen, told)
            assert (stored.status, stored.trust_level) == told
            trust = device_trust(stored, proof="device_secret", now=moment)
            assert trust is None or stored.status == State.ACTIVE
        transaction.set_rollback(True)


def _happen(caller: Caller, enrolled: Enrolment, step: str, level: int, moment: datetime) -> None:
    device = get_device(caller, enrolled.device.id)
    actions: dict[str, Callable[[], object]] = {
        "prove": lambda: prove(device.id, enrolled.secret.reveal(), moment),
        "fail": lambda: prove(device.id, "ads_wrong", moment),
        "approve": lambda: approve_device(
            caller, device=device, user_code=enrolled.user_code, trust_level=level, reason="seen", now=moment
        ),
        "reject": lambda: reject_device(caller, device=device, reason="no", now=moment),
        "suspend": lambda: suspend_device(caller, device=device, reason="pause", now=moment),
        "resume": lambda: resume_device(caller, device=device, reason="on", now=moment),
        "revoke": lambda: revoke_device(caller, device=device, reason="gone", now=moment),
        "trust": lambda: set_trust(caller, device=device, trust_level=level, reason="known", now=moment),
        "confirm": lambda: confirm_device(caller, device=device, reason="fine", now=moment),
        "rotate": lambda: rotate_device_secret(
            replace(caller, principal_id=device.id), device_id=device.id, overlap_seconds=0, now=moment
        ),
        "clone": lambda: suspect_clone(
            caller, device_id=device.id, sign=Happening.CLONE_SEEN, family_id="fam", now=moment
        ),
        "reuse": lambda: suspect_clone(
            caller, device_id=device.id, sign=Happening.TOKEN_REUSED, family_id="fam", now=moment
        ),
        "review": lambda: review_devices(moment),
    }
    try:
        actions[step]()
    except Problem:
        return


STATUS_OF = {
    "device.approved": State.ACTIVE,
    "device.resumed": State.ACTIVE,
    "device.rejected": State.REJECTED,
    "device.suspended": State.SUSPENDED,
    "device.revoked": State.REVOKED,
}


def _retold(device_id: str, seen: int, before: tuple[str, int]) -> tuple[str, int]:
    """Return where the device stands according to the audit alone."""
    status, level = before
    events = list(AuditEvent.objects.filter(subject_id=device_id).order_by("sequence"))
    for event in events[seen:]:
        if "old_level" in event.detail:
            assert event.detail["old_level"] == level
            level = event.detail["new_level"]
            status = STATUS_OF.get(event.event_type, State(status)).value
    return status, level
