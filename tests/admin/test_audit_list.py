"""The list of the audit: what it asks the database does not grow with its rows, and its filters are what they say."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from authsvc.audit.record import record
from tests.world import World

PAGE = "/admin/authsvc/auditevent/"


def statements(client: Client) -> int:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get(PAGE).status_code == 200
    return len(asked)


def test_list_asks_as_much_for_forty_rows_as_for_few(world: World, platform: Client, now: datetime) -> None:
    few = statements(platform)
    for number in range(40):
        record(world.foreign.caller(), "role.updated", subject_id=f"rol_{number}", detail={}, now=now)
    assert statements(platform) == few


def test_each_row_names_its_tenant(world: World, platform: Client, now: datetime) -> None:
    record(world.foreign.caller(), "role.updated", subject_id="rol_x", detail={}, now=now)
    body = platform.get(PAGE, {"q": "rol_x"}).content.decode()
    assert '<td class="field-tenant">globex</td>' in body


def test_filter_by_actor_offers_every_kind_and_shows_that_kind_alone(world: World, acme: Client, now: datetime) -> None:
    record(world.prod.caller(), "role.updated", subject_id="rol_mine", detail={}, now=now)
    kind = world.prod.caller().kind.value
    body = acme.get(PAGE, {"actor": kind}).content.decode()
    assert "?actor=device" in body
    assert "rol_mine" in body
    other = "device" if kind != "device" else "operator"
    assert "rol_mine" not in acme.get(PAGE, {"actor": other}).content.decode()
