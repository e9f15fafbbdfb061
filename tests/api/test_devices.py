"""Devices over the API: from asking to join to the end; what an approver sees is what is approved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authsvc.tokens.models import ApiKey
from devices.models import Device
from devices.states import TRANSITIONS, Event, State
from rbac.models import Grant
from tests.world import Api, Place, World, altered

ASKED = {"name": "Lamp", "device_type": "esp32", "platform": "esp-idf", "requested_scopes": ["credentials:resolve"]}


def enrol(place: Place, **fields: Any) -> dict[str, Any]:
    """Enrol a device and return the answer's body."""
    reply = place.api().post("/devices", {**ASKED, **fields})
    assert reply.status_code == 201
    assert reply["Cache-Control"] == "no-store"
    body: dict[str, Any] = reply.json()
    return body


def act(place: Place, device: str, action: str, **body: Any) -> Any:
    """Let the administrator act on a device."""
    return place.api().post(f"/devices/{device}/{action}", body)


def authenticate(device: str, secret: str) -> Any:
    """Let a device prove itself."""
    return Api().post(f"/devices/{device}/authenticate", {"secret": secret})


def test_enrolled_device_is_pending_and_may_do_nothing(world: World) -> None:
    made = enrol(world.prod)
    assert (made["status"], made["trust_level"]) == ("pending", 1)
    reply = authenticate(made["id"], made["secret"])
    assert reply.status_code == 403
    assert reply.json()["code"] == "device_not_active"
    assert Grant.objects.for_environment(world.prod.caller()).filter(principal_id=made["id"]).count() == 0
    assert Api(made["secret"]).get("/me").status_code == 401


def test_secret_and_code_are_shown_once_and_stored_as_hashes(world: World) -> None:
    made = enrol(world.prod)
    shown = world.prod.api().get(f"/devices/{made['id']}").json()
    assert {"secret", "user_code"} & set(shown) == set()
    row = Device.objects.for_environment(world.prod.caller()).filter(id=made["id"]).values().get()
    key = ApiKey.objects.for_environment(world.prod.caller()).filter(principal_id=made["id"]).values().get()
    bare = made["user_code"].replace("-", "")
    assert not [value for value in (*row.values(), *key.values()) if str(value) in {made["secret"], bare}]


def test_approved_device_works_with_what_it_asked_for(world: World) -> None:
    made = enrol(world.prod)
    approved = act(world.prod, made["id"], "approve", user_code=made["user_code"], snapshot=made["snapshot"])
    assert approved.status_code == 200
    assert (approved.json()["status"], approved.json()["trust_level"]) == ("active", 2)
    proven = authenticate(made["id"], made["secret"])
    assert proven.status_code == 200
    assert proven["Cache-Control"] == "no-store"
    assert proven.json()["scope"] == "credentials:resolve"
    api = Api(proven.json()["access_token"])
    assert api.get("/me").json()["device_id"] == made["id"]
    assert api.post("/credentials/resolve", {"provider": "anthropic"}).status_code == 200
    assert api.get("/profiles").status_code == 403


@pytest.mark.parametrize("spelling", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_code_is_read_forgivingly(world: World, spelling: Any) -> None:
    made = enrol(world.prod)
    assert act(world.prod, made["id"], "approve", user_code=spelling(made["user_code"])).status_code == 200


@pytest.mark.parametrize("code", ["BCDF-GHJK", "AAAA-AAAA", "", "x" * 64, "BCDF"])
def test_wrong_code_approves_nothing(world: World, code: str) -> None:
    made = enrol(world.prod)
    assert act(world.prod, made["id"], "approve", user_code=code).status_code == 400
    assert world.prod.api().get(f"/devices/{made['id']}").json()["status"] == "pending"


def test_five_wrong_codes_end_the_request_even_for_the_right_one(world: World) -> None:
    made = enrol(world.prod)
    for _ in range(5):
        assert act(world.prod, made["id"], "approve", user_code="BCDF-GHJK").json()["code"] == "code_mismatch"
    reply = act(world.prod, made["id"], "approve", user_code=made["user_code"])
    assert (reply.status_code, reply.json()["code"]) == (409, "request_expired")


def test_code_of_another_device_approves_nothing(world: World) -> None:
    made, other = enrol(world.prod), enrol(world.prod)
    assert act(world.prod, made["id"], "approve", user_code=other["user_code"]).status_code == 400


def test_request_older_than_ten_minutes_is_not_approved(world: World) -> None:
    made = enrol(world.prod)
    rows = Device.objects.for_environment(world.prod.caller()).filter(id=made["id"])
    assert rows.get().request_expires_at == rows.get().created_at + timedelta(minutes=10)
    rows.update(request_expires_at=datetime.now(UTC))
    reply = act(world.prod, made["id"], "approve", user_code=made["user_code"])
    assert (reply.status_code, reply.json()["code"]) == (409, "request_expired")


@pytest.mark.parametrize("column", ["requested_scopes", "platform", "firmware_version", "address"])
def test_request_that_changed_since_it_was_seen_is_not_approved(world: World, column: str) -> None:
    made = enrol(world.prod)
    value: Any = ["authsvc:admin"] if column == "requested_scopes" else "10.0.0.1"
    Device.objects.for_environment(world.prod.caller()).filter(id=made["id"]).update(**{column: value})
    reply = act(world.prod, made["id"], "approve", user_code=made["user_code"], snapshot=made["snapshot"])
    assert (reply.status_code, reply.json()["code"]) == (409, "request_stale")


def test_pending_request_cannot_be_changed(world: World) -> None:
    made = enrol(world.prod)
    reply = world.prod.api().send("PATCH", f"/devices/{made['id']}", {"name": "Safe"})
    assert (reply.status_code, reply.json()["code"]) == (409, "waiting_for_approval")


ACTIONS = {"approve": Event.APPROVE, "reject": Event.REJECT, "suspend": Event.SUSPEND, "resume": Event.RESUME}
ACTIONS |= {"revoke": Event.REVOKE}  # of a pending device it is a block, so that pair is possible
IMPOSSIBLE = [
    (state, action)
    for state in State
    for action, event in ACTIONS.items()
    if (state, event) not in TRANSITIONS and (state, action) != (State.PENDING, "revoke")
]


@pytest.mark.parametrize(("status", "action"), IMPOSSIBLE)
def test_impossible_move_is_409_says_why_and_changes_nothing(world: World, status: State, action: str) -> None:
    made = enrol(world.prod)
    Device.objects.for_environment(world.prod.caller()).filter(id=made["id"]).update(status=status)
    body = {"user_code": made["user_code"]} if action == "approve" else {}
    reply = act(world.prod, made["id"], action, **body)
    assert (reply.status_code, reply.json()["code"]) == (409, "illegal_transition")
    assert reply.json()["detail"].startswith(f"A {status} device cannot be ")
    assert world.prod.api().get(f"/devices/{made['id']}").json()["status"] == status


def test_wrong_secrets_are_the_same_401(world: World) -> None:
    place = world.prod
    good = place.device["secret"]
    wrong = [altered(good), "", "x", place.api_key, place.client_secret, world.foreign.device["secret"]]
    replies = [authenticate(place.device["id"], secret) for secret in wrong if secret]
    replies.append(authenticate("dev_" + "0" * 22, good))
    assert {reply.status_code for reply in replies} == {401}
    assert len({reply.content for reply in replies}) == 1


def test_device_past_its_end_is_refused(world: World) -> None:
    place = world.prod
    token = authenticate(place.device["id"], place.device["secret"]).json()["access_token"]
    rows = Device.objects.for_environment(place.caller()).filter(id=place.device["id"])
    rows.update(expires_at=datetime.now(UTC))
    assert authenticate(place.device["id"], place.device["secret"]).status_code == 403
    assert Api(token).get("/me").status_code == 401


def test_history_tells_what_happened_newest_first(world: World) -> None:
    made = enrol(world.prod)
    act(world.prod, made["id"], "approve", user_code=made["user_code"])
    act(world.prod, made["id"], "suspend", reason="lost")
    history = world.prod.api().get(f"/devices/{made['id']}/history").json()["results"]
    told = [event["event_type"] for event in history if event["event_type"].startswith("device.")]
    assert told == ["device.suspended", "device.approved", "device.enrolled"]
    assert history[0]["detail"] == {"reason": "lost", "old_level": 2, "new_level": 2}
    assert made["secret"] not in str(history)


def test_secret_is_rotated_for_the_device_alone(world: World) -> None:
    place = world.prod
    assert act(place, place.device["id"], "rotate-secret").status_code == 404
    token = authenticate(place.device["id"], place.device["secret"]).json()["access_token"]
    reply = Api(token).post(f"/devices/{place.device['id']}/rotate-secret", {"overlap_seconds": 0})
    assert reply.status_code == 200
    assert reply["Cache-Control"] == "no-store"
    assert authenticate(place.device["id"], place.device["secret"]).status_code == 401
    assert authenticate(place.device["id"], reply.json()["secret"]).status_code == 200
    other = Api(token).post(f"/devices/{place.pending_device['id']}/rotate-secret", {})
    assert other.status_code == 404
