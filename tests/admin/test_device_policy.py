"""The rules of an environment for its devices, set and changed in the admin through the service of the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from authsvc.audit.models import AuditEvent
from devices.models import DevicePolicy
from tests.world import World

PAGES = "/admin/devices/devicepolicy/"
RULES = {"chosen_secret_level": 1, "thresholds": '{"successful_proofs": 20}', "ceilings": "{}"}


def add(world: World, client: Client, **fields: Any) -> Any:
    return client.post(f"{PAGES}add/", {"environment": world.prod.environment().id, **RULES, **fields})


def test_rules_are_set_changed_and_audited(world: World, acme: Client) -> None:
    assert add(world, acme).status_code == 302
    row = DevicePolicy.unscoped.get(environment=world.prod.environment())
    assert (row.store_ip, row.store_user_agent, row.chosen_secret_level) == (False, False, 1)
    assert row.thresholds == {"successful_proofs": 20}
    assert b"It has rules already" in add(world, acme).content
    form = acme.get(f"{PAGES}{row.pk}/do/change/").content.decode()
    assert "successful_proofs" in form
    assert acme.post(f"{PAGES}{row.pk}/do/change/", {**RULES, "store_ip": "on"}).status_code == 302
    row.refresh_from_db()
    assert (row.store_ip, row.store_user_agent) == (True, False)
    assert AuditEvent.objects.filter(event_type="device_policy.updated", subject_id=row.pk).count() == 2


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"thresholds": "[]"}, None),
        ({"thresholds": "[1]"}, "Give an object."),
        ({"thresholds": '{"burst_failures": 0}'}, "At least 1."),
        ({"ceilings": '{"9": {}}'}, "Give own, refused and gateway_actions"),
        ({"thresholds": "{"}, "Enter a valid JSON."),
    ],
)
def test_impossible_rules_are_an_error_of_the_form(
    world: World, acme: Client, fields: Any, complaint: str | None
) -> None:
    answer = add(world, acme, **fields)
    assert DevicePolicy.unscoped.exists() == (complaint is None)
    assert complaint is None or complaint in answer.content.decode()


def test_those_without_the_right_set_nothing(world: World, auditor: Client, globex: Client) -> None:
    assert add(world, auditor).status_code in {403, 404}
    add(world, globex)
    assert not DevicePolicy.unscoped.exists()
