"""Signing in leaves its mark in the audit: success, a wrong password, and nothing for a name nobody has."""

from __future__ import annotations

import pytest
from django.test import Client

from authsvc.audit.models import PLATFORM, AuditEvent
from tests.world import World


def events_after(count: int) -> list[tuple[str, dict[str, object]]]:
    rows = AuditEvent.objects.filter(tenant_id=PLATFORM, event_type__startswith="operator.log").order_by("sequence")
    return [(row.event_type, row.detail) for row in rows][count:]


@pytest.mark.parametrize("name", ["platform", "acme-auditor"])
def test_sign_in_is_recorded(world: World, name: str) -> None:
    before = len(events_after(0))
    answer = Client().post("/admin/login/", world.document["operators"][name])
    assert answer.status_code == 302
    assert [event for event, _ in events_after(before)] == ["operator.logged_in"]


def test_wrong_password_is_recorded_and_a_made_up_name_is_not(world: World) -> None:
    before = len(events_after(0))
    wrong = Client().post("/admin/login/", {"username": "platform", "password": "not the password"})
    nobody = Client().post("/admin/login/", {"username": "nobody-has-this", "password": "not the password"})
    assert (wrong.status_code, nobody.status_code) == (200, 200)
    assert events_after(before) == [
        ("operator.login_failed", {"username": "platform", "address": "127.0.0.1"}),
    ]
