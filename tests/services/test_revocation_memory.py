"""What a process remembers about accepted proofs, and what makes it forget."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from authsvc.audit.changes import Remembered, current_changes, forget_everything
from authsvc.audit.events import EVENT_TYPES, changes_rights
from authsvc.audit.models import AuditHead
from authsvc.gate.authentication import admit
from authsvc.tenants.models import PrincipalState, TenantState
from authsvc.tenants.services import set_principal_state, set_tenant_state
from authsvc.tokens.api_keys import get_api_key, revoke_api_key
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.keys import active_key, retire_key
from authsvc.tokens.models import IssuedToken
from authsvc.tokens.revoked import MAXIMUM_KEPT
from authsvc.tokens.services import revoke_token, verify_access_token
from rbac.models import Grant
from rbac.services.grants import create_grant, get_principal, revoke_grant
from tests.world import Place, World

API = "authsvc"


@pytest.fixture
def place(world: World) -> Place:
    return world.prod


def is_accepted(raw: str, now: datetime) -> bool:
    try:
        admit(raw, audience=API, now=now)
    except TokenRefused:
        return False
    return True


@contextmanager
def database_away() -> Iterator[None]:
    def refuse(*_args: Any) -> Any:
        raise OperationalError("away")

    with connection.execute_wrapper(refuse):
        yield


def test_admit_warm_asks_for_nothing_but_the_count(place: Place, now: datetime) -> None:
    for raw in (place.access_token(), place.api_key):
        admit(raw, audience=API, now=now)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            for _ in range(50):
                admit(raw, audience=API, now=now)
        assert all('"changes"' in query["sql"] and "audithead" in query["sql"] for query in queries)
        assert len(queries) <= 10


def test_admit_cold_token_with_known_key_stays_within_five_queries(place: Place, now: datetime) -> None:
    admit(place.access_token(), audience=API, now=now)
    raw = place.access_token()
    with CaptureQueriesContext(connection) as queries:
        admit(raw, audience=API, now=now)
    assert len(queries) <= 5


def test_admit_after_revoked_jti_is_refused(place: Place, now: datetime) -> None:
    raw = place.access_token()
    caller = admit(raw, audience=API, now=now)
    revoke_token(place.caller(), jti=caller.token_id, reason="test", now=now)
    assert not is_accepted(raw, now)


@pytest.mark.parametrize("others", [0, 1, MAXIMUM_KEPT])
def test_admit_of_a_token_never_seen_here_after_its_revocation_is_refused(
    place: Place, now: datetime, others: int
) -> None:
    raw, good = place.access_token(), place.access_token()
    verified = verify_access_token(raw, now=now)
    row = IssuedToken.objects.for_tenant(verified.tenant_id).get(id=verified.claims.jti)
    for number in range(others):
        row.pk, row.revoked_at = f"jti_other_{number}", now
        row.save(force_insert=True)
    revoke_token(place.caller(), jti=verified.claims.jti, reason="test", now=now)
    forget_everything()  # as another process, which knows the tenant and its revocations alone
    assert is_accepted(good, now)
    assert not is_accepted(raw, now)
    assert is_accepted(place.access_token(), now)


def test_admit_after_disabled_principal_is_refused_and_after_enabling_accepted(place: Place, now: datetime) -> None:
    raw = place.access_token()
    assert is_accepted(raw, now)
    principal = get_principal(place.caller(), place.client_id)
    set_principal_state(place.caller(), principal=principal, state=PrincipalState.DISABLED, reason="test", now=now)
    assert not is_accepted(raw, now)
    set_principal_state(place.caller(), principal=principal, state=PrincipalState.ACTIVE, reason="test", now=now)
    assert is_accepted(raw, now)


def test_admit_after_suspended_tenant_is_refused(place: Place, now: datetime) -> None:
    raw = place.access_token()
    assert is_accepted(raw, now)
    tenant = place.environment().tenant
    set_tenant_state(place.caller(), tenant=tenant, state=TenantState.SUSPENDED, reason="test", now=now)
    assert not is_accepted(raw, now)
    assert not is_accepted(place.api_key, now)


def test_admit_after_removed_grant_lacks_its_scopes(place: Place, now: datetime) -> None:
    raw = place.access_token()
    assert "authsvc:admin" in admit(raw, audience=API, now=now).scopes
    for grant in Grant.objects.for_environment(place.caller()).filter(principal_id=place.client_id):
        revoke_grant(place.caller(), grant=grant, reason="test", now=now)
    assert admit(raw, audience=API, now=now).scopes == frozenset()


def test_admit_after_retired_key_is_refused(place: Place, now: datetime) -> None:
    raw = place.access_token()
    assert is_accepted(raw, now)
    retire_key(place.caller(), key=active_key(place.caller(), now=now), now=now)
    assert not is_accepted(raw, now)


def test_admit_after_revoked_api_key_is_refused(place: Place, now: datetime) -> None:
    assert is_accepted(place.api_key, now)
    key = get_api_key(place.caller(), place.ids["api_key"])
    revoke_api_key(place.caller(), key=key, reason="test", now=now)
    assert not is_accepted(place.api_key, now)


def test_admit_checks_expiry_on_every_hit(place: Place, now: datetime) -> None:
    raw = place.access_token()
    assert is_accepted(raw, now)
    assert not is_accepted(raw, now + timedelta(hours=1, seconds=1))


def test_admit_does_not_outlive_the_first_grant_that_ends(place: Place, now: datetime) -> None:
    reader = place.reader
    for grant in Grant.objects.for_environment(place.caller()).filter(principal_id=reader["client_id"]):
        revoke_grant(place.caller(), grant=grant, reason="test", now=now)
    create_grant(
        place.caller(),
        principal=get_principal(place.caller(), reader["client_id"]),
        scopes=["profiles:read"],
        expires_at=now + timedelta(minutes=5),
        now=now,
    )
    raw = place.access_token(**reader)
    assert admit(raw, audience=API, now=now).scopes == {"profiles:read"}
    assert admit(raw, audience=API, now=now + timedelta(minutes=5)).scopes == frozenset()


def test_admit_for_another_audience_is_refused_though_remembered(place: Place, now: datetime) -> None:
    raw = place.access_token()
    assert is_accepted(raw, now)
    with pytest.raises(TokenRefused):
        admit(raw, audience=place.gateway["audience"], now=now)


def test_admit_without_database_is_an_error_not_an_old_answer(place: Place, now: datetime) -> None:
    raw = place.access_token()
    assert is_accepted(raw, now)
    from authsvc.audit.changes import _seen

    _seen.clear()  # as after 250 ms
    with database_away(), pytest.raises(OperationalError):
        admit(raw, audience=API, now=now)


def test_api_without_database_is_503(place: Place) -> None:
    api = place.api()
    assert api.get("/me").status_code == 200
    forget_everything()
    with database_away():
        answer = api.get("/me")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_change_during_work_drops_the_result(place: Place, now: datetime) -> None:
    memory: Remembered[str, str] = Remembered(10)
    tenant_id = place.caller().tenant_id
    before = current_changes(tenant_id)
    revoke_api_key(place.caller(), key=get_api_key(place.caller(), place.ids["api_key"]), reason="meanwhile", now=now)
    memory.put("proof", tenant_id, before, "worked out before the change")
    assert memory.find("proof") is None
    assert len(memory) == 0


def test_memory_keeps_at_most_its_maximum_and_the_used_ones(place: Place) -> None:
    memory: Remembered[int, int] = Remembered(3)
    tenant_id = place.caller().tenant_id
    changes = current_changes(tenant_id)
    for number in range(3):
        memory.put(number, tenant_id, changes, number)
    assert memory.find(0) is not None
    memory.put(3, tenant_id, changes, 3)
    assert [memory.find(number) is not None for number in range(4)] == [True, False, True, True]


def test_garbage_pushes_no_good_entry_out(place: Place, now: datetime) -> None:
    raw = place.access_token()
    admit(raw, audience=API, now=now)
    for number in range(200):
        assert not is_accepted(f"{raw[:-8]}{number:08d}", now)
    with CaptureQueriesContext(connection) as queries:
        admit(raw, audience=API, now=now)
    assert all("audithead" in query["sql"] for query in queries)


def test_count_moves_only_with_changes_of_rights(place: Place, now: datetime) -> None:
    tenant_id = place.caller().tenant_id
    before = AuditHead.objects.get(tenant_id=tenant_id)
    raw = place.access_token()
    after = AuditHead.objects.get(tenant_id=tenant_id)
    assert (after.sequence > before.sequence, after.changes) == (True, before.changes)
    revoke_token(place.caller(), jti=admit(raw, audience=API, now=now).token_id, reason="test", now=now)
    assert AuditHead.objects.get(tenant_id=tenant_id).changes == before.changes + 1


@pytest.mark.parametrize(
    "event",
    sorted(
        event
        for event in EVENT_TYPES
        if event.partition(".")[2]
        in {"revoked", "revoked_all", "disabled", "enabled", "suspended", "retired", "deleted", "trust_changed"}
        and event.partition(".")[0] not in {"channel", "credential", "operator", "profile"}
    ),
)
def test_every_revocation_moves_the_count(event: str) -> None:
    assert changes_rights(event)


def test_unknown_event_moves_the_count() -> None:
    assert changes_rights("something.new")


def test_memory_survives_many_threads(place: Place) -> None:
    memory: Remembered[int, int] = Remembered(50)
    tenant_id = place.caller().tenant_id
    changes = current_changes(tenant_id)
    failures: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for number in range(2000):
                memory.put((start + number) % 120, tenant_id, changes, number)
        except BaseException as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number * 17,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(memory) == 50
