"""Retention: what is over goes after the tenant's days and no sooner, a hold keeps it, the audit still verifies."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from authsvc.audit.checkpoints import sign_checkpoint, verify_tenant
from authsvc.audit.exported import export_lines, verify_lines
from authsvc.audit.models import AuditCheckpoint, AuditEvent
from authsvc.audit.record import record
from authsvc.ops.retention import purge, purge_tenant
from authsvc.ops.steps import STEPS, Step, StepResult, Turns, run_step
from authsvc.tenants.models import Tenant
from authsvc.tenants.retention import set_retention
from authsvc.tenants.services import system_caller, tenant_caller
from authsvc.tokens.models import IssuedToken
from authsvc.web.problems import ValidationFailed
from profiles.models import Credential, Lease, Profile
from rbac.models import ChannelPairing, ChannelPolicy
from tests.world import Place, World

DAY = timedelta(days=1)


@pytest.fixture
def tenant(world: World) -> Tenant:
    return world.prod.environment().tenant


def end(place: Place, ended_at: datetime) -> dict[str, str]:
    """Make one row of each kind that ended then; return its ids."""
    caller = place.caller()
    own = {"tenant_id": caller.tenant_id, "environment_id": caller.environment_id, "expires_at": ended_at}
    names = {"client_id": "c", "audience": "a", "grant_type": "g", "principal_id": place.client_id}
    token = IssuedToken(id=f"jti_{place.environment().id}_{ended_at.timestamp()}", scopes=[], **names, **own)
    token.save(force_insert=True)
    profile = Profile.objects.for_environment(caller).get()
    credential = Credential.objects.for_environment(caller).get()
    lease = Lease(profile=profile, credential=credential, principal_id="p", **own)
    lease.save(force_insert=True)
    policy = ChannelPolicy.objects.for_environment(caller).get()
    pairing = ChannelPairing(policy=policy, sender_id="s", code_hash="h", **own)
    pairing.save(force_insert=True)
    return {"token": token.id, "lease": lease.id, "pairing": pairing.id}


def remaining(ids: dict[str, str]) -> set[str]:
    models = {"token": IssuedToken, "lease": Lease, "pairing": ChannelPairing}
    return {kind for kind, id_ in ids.items() if models[kind].unscoped.filter(id=id_).exists()}


def test_purge_deletes_what_ended_more_than_thirty_days_ago_and_nothing_else(world: World, now: datetime) -> None:
    old, young = end(world.prod, now - 30 * DAY - timedelta(seconds=1)), end(world.prod, now - 30 * DAY)
    living = end(world.prod, now + DAY)
    purge(now=now)
    assert remaining(old) == set()
    assert remaining(young) == remaining(living) == {"token", "lease", "pairing"}
    event = AuditEvent.objects.get(event_type="retention.purged")
    assert len(event.detail["rows"]) == 3


def test_each_tenant_keeps_its_own_days(world: World, tenant: Tenant, now: datetime) -> None:
    set_retention(system_caller(), tenant=tenant, usage_retention_days=5, now=now)
    mine, theirs = end(world.prod, now - 6 * DAY), end(world.foreign, now - 6 * DAY)
    purge(now=now)
    assert remaining(mine) == set()
    assert len(remaining(theirs)) == 3


def test_hold_keeps_everything(world: World, tenant: Tenant, now: datetime) -> None:
    set_retention(system_caller(), tenant=tenant, retention_hold=True, now=now)
    sign_checkpoint(tenant.id, now=now)
    rows, count = end(world.prod, now - 400 * DAY), AuditEvent.objects.filter(tenant_id=tenant.id).count()
    purge(now=now + 5000 * DAY)
    assert purge_tenant(tenant, now=now + 5000 * DAY) == {}
    assert len(remaining(rows)) == 3
    assert AuditEvent.objects.filter(tenant_id=tenant.id).count() == count


@pytest.mark.parametrize(("usage", "audit"), [(0, None), (366, None), (None, 29), (None, 3651), (30, 0)])
def test_days_outside_the_bounds_are_refused(
    tenant: Tenant, now: datetime, usage: int | None, audit: int | None
) -> None:
    with pytest.raises(ValidationFailed):
        set_retention(system_caller(), tenant=tenant, usage_retention_days=usage, audit_retention_days=audit, now=now)


def test_audit_is_purged_below_a_checkpoint_only_and_still_verifies(
    world: World, tenant: Tenant, now: datetime
) -> None:
    caller = world.prod.caller()
    checkpoint = sign_checkpoint(tenant.id, now=now)
    assert checkpoint is not None
    unsigned = record(caller, "profile.updated", detail={"changed": []}, now=now)
    later = now + 366 * DAY
    young = record(caller, "profile.updated", detail={"changed": []}, now=later)
    assert purge_tenant(tenant, now=later)["audit event"] == checkpoint.sequence
    kept = list(AuditEvent.objects.filter(tenant_id=tenant.id).order_by("sequence").values_list("sequence", flat=True))
    assert kept == [unsigned.sequence, young.sequence, young.sequence + 1]
    assert verify_tenant(tenant.id).intact
    assert verify_lines(export_lines(tenant.id)).intact
    assert purge_tenant(tenant, now=later)["audit event"] == 0


def test_audit_without_a_checkpoint_is_kept_however_old(tenant: Tenant, now: datetime) -> None:
    AuditCheckpoint.objects.filter(tenant_id=tenant.id)._raw_delete(using="default")
    count = AuditEvent.objects.filter(tenant_id=tenant.id).count()
    assert purge_tenant(tenant, now=now + 5000 * DAY)["audit event"] == 0
    assert AuditEvent.objects.filter(tenant_id=tenant.id).count() == count


def test_audit_purged_twice_verifies_from_the_later_place(world: World, tenant: Tenant, now: datetime) -> None:
    for years in (0, 1, 2):
        moment = now + years * 400 * DAY
        record(world.prod.caller(), "profile.updated", detail={"changed": []}, now=moment)
        purge_tenant(tenant, now=moment)
        sign_checkpoint(tenant.id, now=moment)
    assert AuditEvent.objects.filter(tenant_id=tenant.id, event_type="audit.purged").count() >= 1
    assert verify_tenant(tenant.id).intact


def test_rows_deleted_by_hand_are_found_even_below_a_checkpoint(tenant: Tenant, now: datetime) -> None:
    checkpoint = sign_checkpoint(tenant.id, now=now)
    assert checkpoint is not None
    record(tenant_caller(system_caller(), tenant), "tenant.updated", detail={"changed": []}, now=now)
    AuditEvent.objects.filter(tenant_id=tenant.id, sequence__lte=checkpoint.sequence)._raw_delete(using="default")
    assert not verify_tenant(tenant.id).intact


def test_row_missing_above_the_purge_is_found(world: World, tenant: Tenant, now: datetime) -> None:
    sign_checkpoint(tenant.id, now=now)
    for _ in range(3):
        record(world.prod.caller(), "profile.updated", detail={"changed": []}, now=now + 366 * DAY)
    purge_tenant(tenant, now=now + 366 * DAY)
    first = AuditEvent.objects.filter(tenant_id=tenant.id).order_by("sequence")[0]
    AuditEvent.objects.filter(id=first.id)._raw_delete(using="default")
    assert not verify_tenant(tenant.id).intact
    assert not verify_lines(export_lines(tenant.id)).intact


def test_purge_command_prints_one_document(world: World, now: datetime) -> None:
    end(world.prod, now - 31 * DAY)
    out = StringIO()
    call_command("purge", "--json", stdout=out)
    purged = json.loads(out.getvalue())["purged"]
    assert {purged["issued token"], purged["lease"], purged["channel pairing"]} == {1}


def test_worker_once_runs_every_step(world: World) -> None:
    out = StringIO()
    call_command("worker", "--once", stdout=out)
    steps = json.loads(out.getvalue())["steps"]
    assert [step["name"] for step in steps] == [step.name for step in STEPS]
    assert {step["failure"] for step in steps} == {""}
    assert AuditCheckpoint.objects.count() >= 2


def test_failing_step_is_named_and_stops_nothing(now: datetime) -> None:
    def fail(_now: datetime) -> int:
        raise ConnectionError("the secret is hunter2")

    assert run_step(Step("fails", 1, fail), now=now) == StepResult("fails", 0, "ConnectionError")


def test_turns_come_at_once_and_then_after_their_interval() -> None:
    clock = [0.0]
    slow, fast = Step("slow", 60, lambda _now: 0), Step("fast", 10, lambda _now: 0)
    turns = Turns((slow, fast), clock=lambda: clock[0])
    assert turns.due() == [slow, fast]
    assert turns.due() == []
    assert turns.seconds_to_next() == 10
    clock[0] = 10
    assert turns.due() == [fast]
    clock[0] = 61
    assert turns.due() == [slow, fast]
