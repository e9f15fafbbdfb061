"""The inbox of devices: risk and its reasons, old against new, the timeline, and rejecting many at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.test import Client

from authsvc.audit.models import AuditEvent
from devices.models import Device
from devices.services.clones import suspect_clone
from devices.services.enrol import enrol_device
from devices.services.inbox import assess
from devices.services.lifecycle import reject_device
from devices.trust_changes import Happening
from tests.qr_reader import read_page
from tests.world import Api, Place, World

LIST = "/admin/devices/device/"
KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8032 §7.1, test 1


def waiting(place: Place, now: datetime, **fields: object) -> Device:
    """Enrol a device that waits for approval."""
    asked = {"name": "Door", "device_type": "esp32", "capabilities": [], "requested_scopes": ["status:read"], **fields}
    asked |= {"platform": "esp-idf", "firmware_version": "1.0.0"}
    return enrol_device(place.caller(), **asked, now=now).device  # type: ignore[arg-type]


def test_card_names_risk_reasons_and_what_changed(world: World, acme: Client, now: datetime) -> None:
    active = Device.unscoped.select_related("principal").get(id=world.prod.device["id"])
    again = waiting(world.prod, now, name=active.principal.name, requested_scopes=["authsvc:admin"])
    page = acme.get(f"{LIST}{again.id}/do/approve/").content.decode()
    assert "risk-high" in page
    assert "It asks for administration." in page
    assert "<ins>authsvc:admin</ins>" in page
    assert "<del>status:read</del>" in page


def test_card_shows_what_differs_from_the_device_it_replaces(world: World, acme: Client) -> None:
    body = {"name": "Another name", "device_type": "esp32", "requested_scopes": ["profiles:read"]}
    made = world.prod.api().post("/devices", {**body, "replaces": world.prod.device["id"]}).json()
    page = acme.get(f"{LIST}{made['id']}/do/approve/").content.decode()
    assert f"{LIST}{world.prod.device['id']}/change/" in page
    assert "<ins>profiles:read</ins>" in page
    looked = acme.post("/device", {"user_code": made["user_code"]}).content.decode()
    assert "<ins>profiles:read</ins>" in looked
    assert "<strong>Another name</strong>" in looked


def test_inbox_shows_the_riskiest_first(world: World, acme: Client, now: datetime) -> None:
    for name, scopes in {"Calm": ["status:read"], "Greedy": ["authsvc:admin"], "Quiet": []}.items():
        waiting(world.prod, now, name=name, requested_scopes=scopes)
    page = acme.get(f"{LIST}?status=pending").content.decode()
    assert page.index("Greedy") < min(page.index("Quiet"), page.index("Calm"))
    by_name = acme.get(f"{LIST}?status=pending&o=1").content.decode()
    assert by_name.index("Calm") < by_name.index("Greedy") < by_name.index("Quiet")


def test_rejected_before_is_said_on_the_next_request(world: World, now: datetime) -> None:
    first = waiting(world.prod, now)
    reject_device(world.prod.caller(), device=first, reason="unknown", now=now)
    second = waiting(world.prod, now)
    assert "It asked before and was rejected." in assess([second])[second.id].reasons


def test_same_name_in_another_environment_is_not_known_here(world: World, now: datetime) -> None:
    reject_device(world.dev.caller(), device=waiting(world.dev, now), reason="unknown", now=now)
    here = waiting(world.prod, now)
    assert "It asked before and was rejected." not in assess([here])[here.id].reasons


def test_approve_page_starts_at_the_lowest_trust(world: World, acme: Client) -> None:
    page = acme.get(f"{LIST}{world.prod.pending_device['id']}/do/approve/").content.decode()
    assert 'name="trust_level" value="1" required id="id_trust_level_0" checked' in page


def test_card_names_the_key_and_leads_to_the_page_for_phones(world: World, acme: Client, settings: Any) -> None:
    body = {"name": "Node", "device_type": "custom", "public_key": KEY, "role": "node"}
    made = world.prod.api().post("/devices", body).json()
    page = acme.get(f"{LIST}{made['id']}/do/approve/").content.decode()
    assert made["key_fingerprint"] in page
    assert read_page(page) == (f"{settings.AUTHSVC_BASE_URL}/device", "Approve on a phone")
    assert made["verification_uri_complete"] == f"{settings.AUTHSVC_BASE_URL}/device?user_code={made['user_code']}"


def test_device_page_tells_its_story(world: World, acme: Client) -> None:
    page = acme.get(f"{LIST}{world.prod.device['id']}/change/").content.decode()
    assert page.index("device.approved") < page.index("device.enrolled")


def test_device_page_says_what_was_denied_and_why_beside_its_story(world: World, acme: Client) -> None:
    device, api = world.prod.device, world.prod.api()
    page = acme.get(f"{LIST}{device['id']}/change/").content.decode()
    assert "Nothing was denied to it." in page
    token = Api().post(f"/devices/{device['id']}/authenticate", {"secret": device["secret"]}).json()["access_token"]
    denied = api.post("/decide", {"token": token, "scope": "keys:write"}).json()["decision_id"]
    assert Api(token).get("/roles").status_code == 403
    page = acme.get(f"{LIST}{device['id']}/change/").content.decode()
    assert f"keys:write: insufficient_scope · {denied}" in page
    assert "GET RoleList: insufficient_scope, it lacks roles:read" in page
    assert "<strong>decision.denied</strong>" not in page
    for text in (device["id"], denied):
        assert ">decision.denied<" in acme.get(f"/admin/authsvc/auditevent/?q={text}").content.decode()


def test_fleet_is_filtered_by_trust_kind_and_silence(world: World, acme: Client, now: datetime) -> None:
    device, pending = quote(world.prod.device["id"]), quote(world.prod.pending_device["id"])
    Device.unscoped.filter(id=world.prod.device["id"]).update(
        trust_level=3, device_type="cli", last_seen_at=now - timedelta(days=8)
    )
    for query, is_listed in (
        ("trust_level__exact=3", True),
        ("trust_level__exact=1", False),
        ("device_type__exact=cli", True),
        ("unseen=7", True),
        ("unseen=30", False),
    ):
        page = acme.get(f"{LIST}?{query}").content.decode()
        assert (device in page) == is_listed, query
    assert pending not in acme.get(f"{LIST}?unseen=7").content.decode()


def test_first_page_leads_to_devices_that_look_copied(world: World, acme: Client, now: datetime) -> None:
    device = world.prod.device["id"]
    suspect_clone(world.prod.caller(), device_id=device, sign=Happening.CLONE_SEEN, family_id="fam", now=now)
    page, url = acme.get("/admin/").content.decode(), f"{LIST}?status=copied"
    assert "1</strong> devices are suspended: they look copied" in page
    assert url in page
    listed = acme.get(url).content.decode()
    assert quote(device) in listed
    assert quote(world.prod.pending_device["id"]) not in listed


def test_bulk_reject_needs_the_typed_number(world: World, acme: Client, now: datetime) -> None:
    chosen = [waiting(world.prod, now, name=f"Door {number}").id for number in range(3)]
    body = {"action": "reject_devices", ACTION_CHECKBOX_NAME: chosen}
    assert "Reject 3 requests" in acme.post(LIST, body).content.decode()
    acme.post(LIST, {**body, "reason": "spam", "count": "2"})
    assert Device.unscoped.filter(id__in=chosen, status="pending").count() == 3
    acme.post(LIST, {**body, "reason": "spam", "count": "3"})
    assert Device.unscoped.filter(id__in=chosen, status="rejected").count() == 3
    assert AuditEvent.objects.filter(event_type="device.rejected", subject_id__in=chosen).count() == 3


def test_bulk_reject_leaves_devices_in_service_alone(world: World, acme: Client) -> None:
    body = {"action": "reject_devices", ACTION_CHECKBOX_NAME: [world.prod.device["id"]], "reason": "x", "count": "1"}
    acme.post(LIST, body)
    assert Device.unscoped.get(id=world.prod.device["id"]).status == "active"
