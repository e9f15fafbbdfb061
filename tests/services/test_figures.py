"""Figures without rows of their own: decisions are counted by the hour, and the reach of a change is measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product

import pytest
from django.db import OperationalError, connection
from django.test import Client

from authsvc.audit import changes
from authsvc.audit.changes import forget_everything
from authsvc.audit.figures import count_decision, keep_figures
from authsvc.audit.models import AuditHead, DecisionTally, RightsReach
from authsvc.audit.record import record
from profiles.models import Credential, OAuthRefresh, Profile, ProfileOrder
from profiles.services.status import StatusQuery, status_document
from profiles.services.verdicts import verdicts_of
from tests.world import World


@pytest.fixture(autouse=True)
def _nothing_counted_yet(world: World) -> Iterator[None]:
    forget_everything()
    yield
    forget_everything()


def tallies(world: World) -> dict[str, tuple[int, int]]:
    rows = DecisionTally.objects.filter(environment_id=world.prod.environment().id)
    return {f"{row.hour:%H}": (row.allowed, row.denied) for row in rows}


def test_decisions_are_added_up_by_the_hour(world: World, now: datetime) -> None:
    caller, at = world.prod.caller(), now.replace(hour=5)
    for _ in range(2):
        count_decision(caller, allowed=True, now=at)
        count_decision(caller, allowed=False, now=at)
        keep_figures()
    count_decision(caller, allowed=True, now=at + timedelta(hours=1))
    count_decision(world.dev.caller(), allowed=True, now=at)
    keep_figures()
    assert tallies(world) == {"05": (2, 2), "06": (1, 0)}


def test_every_door_counts_what_it_decides(world: World) -> None:
    place = world.prod
    token = place.access_token(audience=place.gateway["audience"])
    question = {"token": token, "gateway": place.gateway["id"], "scope": "agents:agent-1:run"}
    assert place.api().post("/decide", question).json()["allowed"] is True
    assert place.api().post("/decide/batch", {"questions": [question, {**question, "token": "x"}]}).status_code == 200
    address = place.path(f"/gateways/{place.gateway['id']}/forward-auth")
    for bearer, status in ((token, 200), ("made-up", 401)):
        assert Client().get(address, headers={"Authorization": f"Bearer {bearer}"}).status_code == status
    keep_figures()
    assert list(tallies(world).values()) == [(3, 2)]


def test_without_the_database_counts_wait_and_nothing_fails(world: World, now: datetime) -> None:
    def fail(*_arguments: object) -> None:
        raise OperationalError

    count_decision(world.prod.caller(), allowed=True, now=now)
    with connection.execute_wrapper(fail):
        keep_figures()
    assert tallies(world) == {}
    keep_figures()
    assert list(tallies(world).values()) == [(1, 0)]


def noticed(monkeypatch: pytest.MonkeyPatch, tenant_id: str, count: int, at: float, idle_seconds: float = 0) -> None:
    """Let a process notice a count at this moment."""
    monkeypatch.setattr(time, "time", lambda: at)
    changes._note_in_force(tenant_id, count, idle_seconds=idle_seconds)
    keep_figures()


def test_reach_is_that_of_the_slowest_process(world: World, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = world.prod.caller()
    record(caller, "token.revoked", subject_id="x", detail={"reason": "test"}, now=now)
    head = AuditHead.objects.get(tenant_id=caller.tenant_id)
    assert head.changed_at == now
    for seconds, expected in ((0.2, 200), (0.7, 700), (0.4, 700)):  # three processes notice one change
        noticed(monkeypatch, caller.tenant_id, head.changes, now.timestamp() + seconds)
        assert RightsReach.objects.get(tenant_id=caller.tenant_id).milliseconds == expected
    later = now + timedelta(minutes=1)
    record(caller, "token.revoked", subject_id="y", detail={"reason": "test"}, now=later)
    noticed(monkeypatch, caller.tenant_id, head.changes + 1, later.timestamp() + 0.1)
    noticed(monkeypatch, world.foreign.environment().tenant_id, 10**6, later.timestamp())  # one it has moved past
    assert RightsReach.objects.get(tenant_id=caller.tenant_id).milliseconds == 100
    assert not RightsReach.objects.filter(tenant_id=world.foreign.environment().tenant_id).exists()


def test_time_nobody_asked_in_does_not_count_as_reach(
    world: World, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = world.prod.caller()
    record(caller, "token.revoked", subject_id="x", detail={"reason": "test"}, now=now)
    count = AuditHead.objects.get(tenant_id=caller.tenant_id).changes
    noticed(monkeypatch, caller.tenant_id, count, now.timestamp() + 3600, idle_seconds=3599.9)
    assert RightsReach.objects.get(tenant_id=caller.tenant_id).milliseconds == 100


ENDS = (None, -1_000, 3_600_000, 10**9, -5 * 10**15)
LOGINS = (None, (True, 0), (False, 0), (True, 1))


@pytest.mark.parametrize(("kind", "ends_in_ms", "login"), list(product(["api_key", "oauth"], ENDS, LOGINS)))
def test_verdict_of_many_is_the_check_of_each(
    world: World, now: datetime, kind: str, ends_in_ms: int | None, login: tuple[bool, int] | None
) -> None:
    ends = None if ends_in_ms is None else int(now.timestamp() * 1000) + ends_in_ms
    Credential.unscoped.filter(id=world.prod.ids["credential"]).update(
        kind=kind, expires_at_ms=ends, has_refresh=kind == "oauth"
    )
    if login is not None:
        row = Credential.unscoped.get(id=world.prod.ids["credential"])
        owner = {name: getattr(row, name) for name in ("tenant_id", "environment_id", "profile_id")}
        failed = {"failed_version": row.version + login[1], "failure_reason": "invalid_grant"}
        OAuthRefresh(**owner, **failed, is_terminal=login[0]).save()
    compare(world, now)


def test_verdict_sees_orders_own_windows_retired_profiles_and_missing_versions(world: World, now: datetime) -> None:
    profile = Profile.unscoped.filter(id=world.prod.ids["profile"])
    soon = int(now.timestamp() * 1000) + 10 * 86_400_000
    Credential.unscoped.filter(id=world.prod.ids["credential"]).update(kind="token", expires_at_ms=soon)
    compare(world, now)
    profile.update(warn_after_seconds=20 * 86_400)
    assert compare(world, now)[world.prod.environment().id] == 2
    Credential.unscoped.filter(id=world.prod.ids["credential"]).update(state="retired")
    assert compare(world, now)[world.prod.environment().id] == 1
    profile.update(state="retired")
    compare(world, now)
    place = world.prod.environment()
    ProfileOrder(tenant_id=place.tenant_id, environment=place, provider="nobody", profile_keys=["nobody:x"]).save()
    assert compare(world, now)[place.id] == 1


def compare(world: World, now: datetime) -> dict[str, int]:
    """Return the verdicts by environment, after comparing each with the status document's."""
    places = {place.environment().id: place for place in (world.prod, world.dev, world.foreign)}
    found = verdicts_of([place.environment() for place in places.values()], now=now)
    asked = {key: status_document(place.caller(), StatusQuery(), now=now)["check"] for key, place in places.items()}
    assert {key: 1 if code is None else int(code) for key, code in found.items()} == asked
    return {key: 1 if code is None else int(code) for key, code in found.items()}
