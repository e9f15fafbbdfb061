"""Enrolment codes, rules of an environment, filters of lists and history, deletion; each wall of the environment."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Principal
from devices.models import Device, EnrolmentCode
from devices.services.clones import suspect_clone
from devices.services.lifecycle import resume_device, suspend_device
from devices.services.trust import device_trust
from devices.trust import Ceiling, ProofKind, TrustLevel, ceiling
from devices.trust_changes import Happening
from tests.world import Api, Place, World


def make_code(place: Place, **fields: Any) -> Any:
    return place.api().post("/devices/enrolment-codes", {"name": "shop floor", **fields})


def join(code: str, **fields: Any) -> Any:
    return Api().post("/devices/enrol", {"name": "lamp", "device_type": "esp32", "enrolment_code": code, **fields})


def test_code_enrols_an_active_device_at_the_lowest_trust(world: World) -> None:
    made = make_code(world.prod, scopes=["status:read"]).json()
    answer = join(made["code"])
    assert answer.status_code == 201
    device = answer.json()
    assert (device["status"], device["trust_level"]) == ("active", 1)
    proven = Api().post(f"/devices/{device['id']}/authenticate", {"secret": device["secret"]}).json()
    assert proven["scope"] == "status:read"
    assert join(made["code"]).status_code == 401
    used = AuditEvent.objects.filter(event_type="enrolment_code.used", subject_id=made["id"])
    assert [event.detail["device_id"] for event in used] == [device["id"]]


def test_code_is_shown_once_and_stored_as_a_hash(world: World) -> None:
    made = make_code(world.prod).json()
    assert "code" not in world.prod.api().get(f"/devices/enrolment-codes/{made['id']}").json()
    assert made["code"] not in str(EnrolmentCode.unscoped.filter(id=made["id"]).values())


def test_expired_revoked_made_up_and_misplaced_codes_are_the_same_401(world: World) -> None:
    expired, revoked, elsewhere = (make_code(world.prod).json() for _ in range(3))
    row = EnrolmentCode.unscoped.filter(id=expired["id"])
    row.update(expires_at=row.get().created_at - timedelta(seconds=1))
    assert world.prod.api().send("DELETE", f"/devices/enrolment-codes/{revoked['id']}").status_code == 204
    EnrolmentCode.unscoped.filter(id=elsewhere["id"]).update(address_ranges=["192.0.2.0/24"])
    answers = [join(code) for code in (expired["code"], revoked["code"], elsewhere["code"], "aec_made-up")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}


def test_code_never_gives_more_than_it_was_made_with(world: World) -> None:
    made = make_code(world.prod, scopes=["status:read"], maximum_uses=5).json()
    answer = join(made["code"], requested_scopes=["status:read", "authsvc:admin"])
    assert (answer.status_code, answer.json()["code"]) == (403, "enrolment_code_exceeded")
    assert EnrolmentCode.unscoped.get(id=made["id"]).uses == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"maximum_uses": 0},
        {"expires_in": 59},
        {"expires_in": 8 * 86_400},
        {"trust_level": 3},
        {"address_ranges": ["everywhere"]},
        {"scopes": ["no:such:thing:here"]},
        {"uses": 3},
    ],
)
def test_bad_enrolment_code_is_a_field_error(world: World, fields: dict[str, Any]) -> None:
    answer = make_code(world.prod, **fields)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_codes_of_another_environment_or_tenant_are_not_there(world: World) -> None:
    made = make_code(world.prod).json()
    missing = world.dev.api().get("/devices/enrolment-codes/enr_nobody")
    for place in (world.dev, world.foreign):
        answer = place.api().get(f"/devices/enrolment-codes/{made['id']}")
        assert (answer.status_code, answer.content) == (404, missing.content)
        assert place.api().send("DELETE", f"/devices/enrolment-codes/{made['id']}").status_code == 404


@pytest.mark.parametrize("path", ["/devices/enrolment-codes", "/devices/policy", "/devices"])
def test_without_proof_nothing_is_shown(world: World, path: str) -> None:
    assert Api().get(path).status_code == 401


def test_reader_without_the_scope_cannot_make_codes_or_rules(world: World) -> None:
    reader = world.prod.reader
    bearer = world.prod.access_token(client_id=reader["client_id"], client_secret=reader["client_secret"])
    assert Api(bearer).post("/devices/enrolment-codes", {"name": "x"}).status_code == 403
    assert Api(bearer).send("PATCH", "/devices/policy", {"store_ip": False}).status_code == 403


def test_rules_hold_in_their_environment_alone_and_are_audited(world: World) -> None:
    changed = world.prod.api().send("PATCH", "/devices/policy", {"store_ip": False, "thresholds": {"silence": 60}})
    assert changed.status_code == 200
    assert changed.json()["thresholds"] == {"silence": 60}
    assert world.dev.api().get("/devices/policy").json()["store_ip"] is True
    assert AuditEvent.objects.filter(event_type="device_policy.updated").count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": {"no_such": 1}},
        {"thresholds": {"silence": -1}},
        {"thresholds": {"silence": True}},
        {"thresholds": {"burst_failures": 0}},
        {"thresholds": {"needs_confirmation": 1}},
        {"ceilings": {"0": {"own": ["*:*"]}}},
        {"ceilings": {"2": {"owned": []}}},
        {"ceilings": {"2": {"own": [1]}}},
        {"chosen_secret_level": 3},
    ],
)
def test_impossible_rule_is_a_field_error(world: World, change: dict[str, Any]) -> None:
    answer = world.prod.api().send("PATCH", "/devices/policy", change)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_ceiling_of_the_environment_narrows_and_never_reaches_administration(world: World) -> None:
    rules = {"ceilings": {"2": {"own": ["status:read", "*:*"], "refused": ["credentials:*"], "gateway_actions": []}}}
    world.prod.api().send("PATCH", "/devices/policy", rules)
    device = Device.unscoped.get(id=world.prod.device["id"])
    trust = device_trust(device, proof="device_secret", now=world.made_at)
    assert trust is not None
    wanted = ["status:read", "credentials:resolve", "authsvc:admin", "agents:run"]
    assert trust.permitted(wanted) == {"status:read"}


PROOFS = {
    "none": (ProofKind.NONE, 0),
    "api_key": (ProofKind.API_KEY, 1),
    "chosen_secret": (ProofKind.CHOSEN_SECRET, 2),
    "device_secret": (ProofKind.SERVER_SECRET, 3),
    "signature": (ProofKind.SIGNATURE, 3),
    "device_code": (ProofKind.SERVER_SECRET, 3),
}


@pytest.mark.parametrize("place", ["acme/prod", "acme/dev"])
@pytest.mark.parametrize("stored", [1, 2, 3])
@pytest.mark.parametrize("proof", PROOFS)
def test_effective_trust_is_the_lower_of_level_and_proof(world: World, place: str, stored: int, proof: str) -> None:
    device = Device.unscoped.get(id=world.place(place).device["id"])
    device.trust_level = stored
    trust = device_trust(device, proof=proof, now=world.made_at)
    expected = min(stored, PROOFS[proof][1])
    assert trust is not None
    assert trust.level == expected
    assert trust.ceiling == ceiling(TrustLevel(expected))


def test_anonymous_ceiling_stays_empty_whatever_is_stored() -> None:
    assert ceiling(TrustLevel.ANONYMOUS, {TrustLevel.ANONYMOUS: Ceiling(own=("*:*",))}) == Ceiling()


def test_lists_and_history_are_filtered(world: World) -> None:
    api = world.prod.api()
    waiting = api.get("/devices?status=pending&device_type=esp32").json()["results"]
    assert [row["id"] for row in waiting] == [world.prod.pending_device["id"]]
    path = f"/devices/{world.prod.device['id']}/history"
    approved = api.get(f"{path}?event_type=device.approved").json()["results"]
    assert [row["event_type"] for row in approved] == ["device.approved"]
    assert api.get(f"{path}?since=2999-01-01T00:00:00Z").json()["results"] == []
    assert api.get(f"{path}?since=yesterday").status_code == 400
    assert api.get("/devices?status=nowhere").status_code == 400


def test_delete_removes_personal_data_and_keeps_the_audit(world: World) -> None:
    device_id = world.prod.device["id"]
    assert world.prod.api().send("DELETE", f"/devices/{device_id}").status_code == 204
    assert not Device.unscoped.filter(id=device_id).exists()
    assert not Principal.unscoped.filter(id=device_id).exists()
    assert AuditEvent.objects.filter(subject_id=device_id, event_type="device.deleted").count() == 1
    assert AuditEvent.objects.filter(subject_id=device_id, event_type="device.approved").count() == 1


def test_approval_across_tenants_is_not_found_and_leaves_one_row(world: World) -> None:
    waiting = world.prod.pending_device
    answer = world.foreign.api().post(f"/devices/{waiting['id']}/approve", {"user_code": waiting["user_code"]})
    assert answer.status_code == 404
    rows = AuditEvent.objects.filter(event_type="device.approval_refused", subject_id=waiting["id"])
    assert [(row.tenant_id, row.detail) for row in rows] == [
        (world.foreign.environment().tenant_id, {"code": "not_found"})
    ]


def ask(place: Place, name: str, **fields: Any) -> str:
    made: str = place.api().post("/devices", {"name": name, "device_type": "custom", **fields}).json()["id"]
    return made


def test_inbox_shows_the_riskiest_first_with_its_reasons(world: World) -> None:
    calm, known = ask(world.prod, "calm"), world.prod.device["id"]
    greedy = ask(world.prod, "greedy", requested_scopes=["authsvc:admin"], replaces=known)
    shown = world.prod.api().get("/devices/inbox").json()["results"]
    assert {row["device"]["id"] for row in shown} == {calm, greedy, world.prod.pending_device["id"]}
    first = shown[0]["risk"]
    assert (shown[0]["device"]["id"], first["level"], first["known_as"]) == (greedy, "high", known)
    assert {"code": "administration_asked", "detail": "It asks for administration."} in first["reasons"]
    assert "requested_scopes" in [change["field"] for change in first["changes"]]
    points = [row["risk"]["points"] for row in shown]
    assert points == sorted(points, reverse=True)
    told = _command("inbox", "--tenant", "acme", "--env", "prod", "--json")
    assert [row["id"] for row in told] == [row["device"]["id"] for row in shown]
    assert told[0]["risk"] == first
    lines = io.StringIO()
    call_command("devices", "inbox", "--tenant", "acme", "--env", "prod", stdout=lines)
    assert "high risk; " in lines.getvalue().splitlines()[0]
    assert "It asks for administration." in lines.getvalue().splitlines()[0]


def test_several_requests_are_rejected_and_each_other_says_why_not(world: World) -> None:
    doors = [ask(world.prod, f"door {number}") for number in range(3)]
    foreign, serving = world.foreign.pending_device["id"], world.prod.device["id"]
    body = {"ids": [*doors, foreign, serving, doors[0]], "reason": "spam"}
    answer = world.prod.api().post("/devices/reject", body).json()
    assert answer["rejected"] == 3
    assert [(row["id"], row["status"], row["code"]) for row in answer["results"]] == [
        *((door, "rejected", None) for door in doors),
        (foreign, None, "not_found"),
        (serving, None, "illegal_transition"),
    ]
    assert AuditEvent.objects.filter(event_type="device.rejected", subject_id__in=doors).count() == 3
    assert Device.unscoped.get(id=foreign).status == "pending"
    assert Device.unscoped.get(id=doors[0]).decision_reason == "spam"


def test_command_rejects_suspends_resumes_and_sets_trust(world: World) -> None:
    place, device = ["--tenant", "acme", "--env", "prod", "--json"], world.prod.device["id"]
    doors = [ask(world.prod, f"door {number}") for number in range(2)]
    assert [row["status"] for row in _command("reject", *doors, "--reason", "spam", *place)] == ["rejected"] * 2
    with pytest.raises(CommandError):
        _command("reject", doors[0], *place)
    assert _command("suspend", device, "--reason", "away", *place)[0]["status"] == "suspended"
    assert _command("resume", device, "--reason", "back", *place)[0]["status"] == "active"
    assert _command("trust", device, "--level", "3", "--reason", "ours", *place)[0]["trust_level"] == 3
    with pytest.raises(CommandError):
        _command("trust", device, "--level", "2", *place)


def test_suspended_by_a_sign_of_a_copy_is_told_from_suspended_by_a_person(world: World, now: datetime) -> None:
    caller, device = world.prod.caller(), Device.unscoped.get(id=world.prod.device["id"])
    api, wanted = world.prod.api(), "/devices?looks_copied=true"
    assert api.get(wanted).json()["results"] == []
    suspend_device(caller, device=device, reason="away", now=now)
    assert api.get(wanted).json()["results"] == []
    resume_device(caller, device=device, reason="back", now=now)
    suspect_clone(caller, device_id=device.id, sign=Happening.CLONE_SEEN, family_id="fam", now=now)
    assert [row["id"] for row in api.get(wanted).json()["results"]] == [device.id]
    assert device.id not in [row["id"] for row in api.get("/devices?looks_copied=false").json()["results"]]
    assert world.foreign.api().get(wanted).json()["results"] == []
    assert api.get("/devices?looks_copied=perhaps").status_code == 400


def test_denied_decision_stands_in_the_history_of_the_device_it_was_about(world: World) -> None:
    device, api = world.prod.device, world.prod.api()
    token = Api().post(f"/devices/{device['id']}/authenticate", {"secret": device["secret"]}).json()["access_token"]
    denied = api.post("/decide", {"token": token, "scope": "keys:write"}).json()
    named = api.post("/decide", {"token": world.prod.api_key, "scope": "a:b", "device": world.foreign.device["id"]})
    history = api.get(f"/devices/{device['id']}/history?event_type=decision.denied").json()["results"]
    assert [row["detail"]["decision_id"] for row in history] == [denied["decision_id"]]
    assert (history[0]["detail"]["action"], history[0]["detail"]["code"]) == ("keys:write", "insufficient_scope")
    found = api.get(f"/audit?decision_id={named.json()['decision_id']}").json()["results"]
    assert [row["detail"]["code"] for row in found] == ["device_not_active"]
    elsewhere = world.foreign.api().get(f"/devices/{world.foreign.device['id']}/history?event_type=decision.denied")
    assert elsewhere.json()["results"] == []


def test_command_lists_approves_and_revokes(world: World) -> None:
    waiting, place = world.prod.pending_device, ["--tenant", "acme", "--env", "prod", "--json"]
    listed = _command("list", "--status", "pending", *place)
    assert [row["id"] for row in listed] == [waiting["id"]]
    snapshot = ["--snapshot", listed[0]["snapshot"]]
    code = ["--code", waiting["user_code"]]
    with pytest.raises(CommandError):
        _command("approve", waiting["id"], *code, "--snapshot", "0" * 64, *place)
    assert _command("approve", waiting["id"], *code, *snapshot, *place)[0]["status"] == "active"
    assert _command("revoke", waiting["id"], "--reason", "lost", *place)[0]["status"] == "revoked"
    with pytest.raises(CommandError):
        _command("revoke", world.foreign.device["id"], *place)
    assert _command("review", "--json")[0]["looked_at"] >= 1


def _command(*arguments: str) -> list[dict[str, Any]]:
    output = io.StringIO()
    call_command("devices", *arguments, stdout=output)
    shown: list[dict[str, Any]] = json.loads(output.getvalue())
    return shown
