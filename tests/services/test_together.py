"""Group commit: units share a transaction, a bad one fails alone, and nobody is answered before the commit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from psycopg.errors import DeadlockDetected

from authsvc.audit import changes, together
from authsvc.audit.changes import current_changes
from authsvc.audit.checkpoints import verify_tenant
from authsvc.audit.host_marks import mark_of
from authsvc.audit.ledger import Ledger
from authsvc.audit.models import AuditEvent
from authsvc.audit.together import NotWritten, Overtaken, Unit, commit_units, write_together
from authsvc.gate.authentication import admit
from authsvc.tenants.models import Principal, PrincipalState, Tenant, TenantState
from authsvc.tenants.services import set_principal_state, set_tenant_state, system_caller
from authsvc.tokens.api_keys import get_api_key, revoke_api_key
from authsvc.tokens.models import IssuedToken
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict
from profiles.models import Lease, Profile
from profiles.services.resolve import ResolveQuery, resolve_credential
from tests import warm
from tests.live import LiveServer
from tests.scale import scaled
from tests.world import Api, Place, World

UNITS = 5


@pytest.fixture
def caller(world: World, now: datetime) -> Caller:
    """Return the demo's administrator as a request with its key is: accepted under a count of changes."""
    return admit(world.prod.api_key, audience="authsvc", now=now)


def noted(caller: Caller, name: str, now: datetime) -> Callable[[Ledger], str]:
    def work(ledger: Ledger) -> str:
        ledger.record(caller, "token.issued", subject_id=name, detail={"jti": name}, now=now)
        return name

    return work


def unit(caller: Caller, work: Callable[[Ledger], Any], still: Callable[[], bool] = lambda: True) -> Unit[Any]:
    return Unit(caller, work, still)


def recorded(caller: Caller) -> list[str]:
    """Return the subjects of this test's events in the order of the chain, which must be intact."""
    assert verify_tenant(caller.tenant_id).intact
    found = AuditEvent.objects.filter(tenant_id=caller.tenant_id, event_type="token.issued", subject_id__startswith="u")
    return list(found.order_by("sequence").values_list("subject_id", flat=True))


def test_units_of_a_batch_are_written_in_one_transaction_with_one_look_at_the_head(
    caller: Caller, now: datetime
) -> None:
    units = [unit(caller, noted(caller, f"u{number}", now)) for number in range(UNITS)]
    with CaptureQueriesContext(connection) as asked:
        commit_units(units)
    assert [one.value for one in units] == recorded(caller) == [f"u{number}" for number in range(UNITS)]
    statements = [query["sql"].split()[0] for query in asked if "SAVEPOINT" not in query["sql"]]
    assert statements == ["SELECT", "INSERT", "UPDATE"]


@pytest.mark.parametrize("fails_when", ["it works", "it is written"])
def test_a_bad_unit_fails_alone(caller: Caller, now: datetime, fails_when: str) -> None:
    def bad(ledger: Ledger) -> None:
        if fails_when == "it works":
            raise Conflict("no")
        for _ in range(2):
            ledger.insert(row_of(caller, now))

    units = [unit(caller, noted(caller, f"u{number}", now)) for number in range(UNITS)]
    units.insert(2, unit(caller, bad))
    commit_units(units)
    assert isinstance(units[2].failure, Conflict if fails_when == "it works" else IntegrityError)
    assert [one.failure for one in units if one is not units[2]] == [None] * UNITS
    assert recorded(caller) == [f"u{number}" for number in range(UNITS)]
    assert not IssuedToken.unscoped.filter(id="jti_twice").exists()


@pytest.mark.parametrize(("deadlocks", "failure"), [(1, type(None)), (3, type(None)), (4, NotWritten)])
def test_a_deadlock_is_tried_again_three_times_and_fails_nobody_else(
    caller: Caller, now: datetime, deadlocks: int, failure: type
) -> None:
    left = [deadlocks]

    def unlucky(ledger: Ledger) -> str:
        if left[0]:
            left[0] -= 1
            raise OperationalError("deadlock detected") from DeadlockDetected()
        return noted(caller, "u1", now)(ledger)

    units = [unit(caller, noted(caller, "u0", now)), unit(caller, unlucky)]
    commit_units(units)
    assert [type(one.failure) for one in units] == [type(None), failure]
    assert recorded(caller) == (["u0"] if failure is NotWritten else ["u0", "u1"])


def row_of(caller: Caller, now: datetime) -> IssuedToken:
    place = {"tenant_id": caller.tenant_id, "environment_id": caller.environment_id}
    times = {"created_at": now, "expires_at": now + timedelta(minutes=1)}
    return IssuedToken(id="jti_twice", principal_id=caller.principal_id, audience="authsvc", **place, **times)


def test_a_unit_that_changes_rights_shares_no_transaction(caller: Caller, now: datetime) -> None:
    def revoke(ledger: Ledger) -> None:
        ledger.record(caller, "token.revoked", subject_id="x", now=now)

    asked: list[str] = []

    def still() -> bool:
        asked.append("again")
        return True

    units = [unit(caller, revoke), unit(caller, noted(caller, "u1", now), still)]
    commit_units(units)
    assert [one.failure for one in units] == [None, None]
    assert asked == ["again"], "the second rests on rights from before the first"
    assert recorded(caller) == ["u1"]


def suspend(world: World, now: datetime) -> None:
    tenant = Tenant.objects.get(slug="acme")
    set_tenant_state(system_caller(), tenant=tenant, state=TenantState.SUSPENDED, reason="test", now=now)


def disable(world: World, now: datetime) -> None:
    caller = admit(world.prod.api_key, audience="authsvc", now=now)
    principal = Principal.objects.for_environment(caller).get(id=caller.principal_id)
    inside = world.prod.caller()
    set_principal_state(inside, principal=principal, state=PrincipalState.DISABLED, reason="test", now=now)


def revoke_key(world: World, now: datetime) -> None:
    caller = admit(world.prod.api_key, audience="authsvc", now=now)
    inside = world.prod.caller()
    revoke_api_key(inside, key=get_api_key(inside, caller.token_id), reason="test", now=now)


@pytest.mark.parametrize("take_away", [suspend, disable, revoke_key])
def test_what_was_taken_away_while_a_unit_waited_stops_it(
    world: World, caller: Caller, now: datetime, take_away: Callable[[World, datetime], None]
) -> None:
    take_away(world, now)
    waited = unit(caller, noted(caller, "u1", now))
    other = unit(world.prod.caller(), noted(caller, "u2", now))
    commit_units([waited, other])
    assert isinstance(waited.failure, Overtaken)
    assert (waited.failure.status, waited.failure.headers["Retry-After"]) == (503, "1")
    assert recorded(caller) == ["u2"]
    with pytest.raises(Overtaken):
        write_together(caller, noted(caller, "u3", now))
    assert recorded(caller) == ["u2"]


def test_a_change_that_takes_nothing_from_a_unit_does_not_stop_it(world: World, caller: Caller, now: datetime) -> None:
    other = Principal.objects.for_environment(caller).exclude(id=caller.principal_id)[0]
    inside = world.prod.caller()
    set_principal_state(inside, principal=other, state=PrincipalState.DISABLED, reason="test", now=now)
    assert write_together(caller, noted(caller, "u1", now)) == "u1"
    with pytest.raises(Overtaken):
        write_together(caller, noted(caller, "u2", now), still=lambda: False)
    assert recorded(caller) == ["u1"]


def test_inside_a_transaction_of_the_callers_own_it_is_written_there(caller: Caller, now: datetime) -> None:
    with pytest.raises(Conflict), transaction.atomic():
        write_together(caller, noted(caller, "u1", now))
        assert recorded(caller) == ["u1"]
        raise Conflict("no")
    assert recorded(caller) == []


def test_leases_of_one_batch_count_each(world: World, caller: Caller, now: datetime) -> None:
    before = {row.id: row.lease_count for row in Profile.objects.for_environment(caller)}

    def release(_ledger: Ledger) -> str:
        return resolve_credential(caller, ResolveQuery("anthropic"), now=now).lease.profile_id

    units = [unit(caller, release) for _ in range(UNITS)]
    commit_units(units)
    profile = Profile.objects.for_environment(caller).get(id=units[0].value)
    assert profile.lease_count == before[profile.id] + UNITS
    assert Lease.objects.for_environment(caller).filter(profile=profile, created_at=now).count() == UNITS


def test_a_failure_of_the_leader_reaches_everybody_and_the_line_goes_on(caller: Caller, now: datetime) -> None:
    def stop(_ledger: Ledger) -> None:
        raise KeyboardInterrupt

    line = together.Line(caller.tenant_id)
    units = [unit(caller, stop), unit(caller, noted(caller, "u1", now))]
    line.waiting = list(units)
    together._LINES._lines[caller.tenant_id] = line
    with pytest.raises(KeyboardInterrupt):
        line.lead()
    assert [type(one.failure) for one in units] == [together.NotWritten] * 2
    assert all(not one.turn.locked() for one in units)
    assert caller.tenant_id not in together._LINES._lines


@contextmanager
def unnoticed(tenant_id: str) -> Iterator[None]:
    """What is changed inside is what another process changed a moment ago: this one has not asked again yet."""
    before = current_changes(tenant_id)
    yield
    changes._changing.clear()
    changes._seen[tenant_id] = (time.monotonic() + 60, before, mark_of(tenant_id))


@pytest.mark.parametrize("way", ["resolve", "client_credentials", "device"])
def test_a_request_that_was_overtaken_reads_why_it_is_refused(world: World, now: datetime, way: str) -> None:
    place, inside = world.prod, world.prod.caller()
    device = f"/devices/{place.device['id']}/authenticate"
    asks: dict[str, tuple[str, Callable[[], Any]]] = {
        "resolve": (get_key_holder(place), lambda: place.api().post("/credentials/resolve", {"provider": "anthropic"})),
        "client_credentials": (place.client_id, place.token_request),
        "device": (place.device["id"], lambda: Api().post(device, {"secret": place.device["secret"]})),
    }
    holder, ask = asks[way]
    assert ask().status_code == 200
    principal = Principal.objects.for_environment(inside).get(id=holder)
    with unnoticed(inside.tenant_id):
        set_principal_state(inside, principal=principal, state=PrincipalState.DISABLED, reason="test", now=now)
    kept = (Lease.unscoped.count(), IssuedToken.unscoped.count())
    refused = ask()
    assert refused.status_code == 401, refused.content
    assert (Lease.unscoped.count(), IssuedToken.unscoped.count()) == kept


def get_key_holder(place: Place) -> str:
    return admit(place.api_key, audience="authsvc", now=datetime.now(UTC)).principal_id


PROBE = ["-m", "tests.services.together_probe"]


def test_who_waits_behind_a_slow_commit_shares_the_next_one(live: LiveServer) -> None:
    probe = warm.run([*PROBE, "line"], live.environment)
    assert probe.returncode == 0, probe.stderr[-2000:]
    found = json.loads(probe.stdout)
    assert found["leaders"] == 1, "one of those who waited wrote for all of them"
    assert found["seen by another connection"] == found["answered"]
    assert found["failed"] == ["Conflict"]
    assert found["intact"]


def test_a_killed_process_loses_nothing_it_answered(live: LiveServer) -> None:
    command = [sys.executable, *PROBE, "for ever"]
    probe = subprocess.Popen(command, env=live.environment, stdout=subprocess.PIPE, text=True)
    assert probe.stdout is not None
    answered: list[str] = []
    enough = threading.Event()

    def read() -> None:
        for line in probe.stdout or ():
            answered.append(line.strip())
            if len(answered) >= scaled(40, 2000):
                enough.set()

    reader = threading.Thread(target=read)
    reader.start()
    enough.wait(60)
    probe.send_signal(signal.SIGKILL)
    probe.wait(20)
    reader.join(20)
    assert enough.is_set()
    whole = [line for line in answered if line.endswith(".")]
    found = warm.run([*PROBE, "missing", *whole], live.environment)
    assert found.returncode == 0, found.stderr[-2000:]
    assert json.loads(found.stdout) == {"missing": [], "intact": True}
