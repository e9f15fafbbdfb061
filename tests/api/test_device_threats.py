"""The attacks on devices that the security page lists, one test each, named by its number there."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from authsvc.audit.models import AuditEvent
from authsvc.tokens.api_keys import issue_api_key
from authsvc.tokens.models import ApiKeyKind
from authsvc.web.caller import Caller
from devices.models import Device, EnrolmentCode
from devices.services.enrolment_codes import PREFIX, SECRET_LENGTH
from devices.services.lifecycle import OwnDevice, approve_device, get_device, set_trust
from devices.services.policy import set_policy
from rbac.services.effective import NotHeld
from rbac.services.grants import create_grant
from tests.scale import scaled
from tests.world import Api, Place, World

UNKNOWN = "dev_" + "0" * 22
KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


class CountingHasher(MD5PasswordHasher):
    """A slow hash that is fast, and counts how often it was asked."""

    calls: ClassVar[list[str]] = []

    def encode(self, password: str, salt: str) -> str:
        """Hash and count."""
        self.calls.append(password)
        return super().encode(password, salt)


def guess(device_id: str, secret: str) -> Any:
    return Api().post(f"/devices/{device_id}/authenticate", {"secret": secret})


def enrol(place: Place, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = place.api().post("/devices", {"name": "lamp", "device_type": "custom", **fields}).json()
    return made


def refusals(device_id: str) -> list[str]:
    rows = AuditEvent.objects.filter(event_type="device.approval_refused", subject_id=device_id).order_by("sequence")
    return [row.detail["code"] for row in rows]


def test_d01_thirty_guesses_are_limited_with_the_same_answers_for_any_id(world: World) -> None:
    guesses, wrong = scaled(12, 30), world.prod.device["secret"][:-4] + "xxxx"
    seen = {
        device_id: [guess(device_id, wrong) for _ in range(guesses)] for device_id in (world.prod.device["id"], UNKNOWN)
    }
    known, unknown = ([(answer.status_code, answer.content) for answer in answers] for answers in seen.values())
    assert known == unknown
    assert [status for status, _ in known] == [401] * 10 + [429] * (guesses - 10)
    assert len({body for _, body in known}) == 2
    assert guess(world.prod.device["id"], world.prod.device["secret"]).status_code == 429
    elsewhere = Client(REMOTE_ADDR="198.51.100.9").post(
        f"/api/v1/devices/{world.prod.device['id']}/authenticate",
        {"secret": world.prod.device["secret"]},
        "application/json",
    )
    assert elsewhere.status_code == 200


def test_d03_enrolment_code_is_long_short_lived_single_use_and_hashed(world: World) -> None:
    made = world.prod.api().post("/devices/enrolment-codes", {"name": "fleet"}).json()
    row = EnrolmentCode.unscoped.get(id=made["id"])
    assert (len(made["code"]) - len(PREFIX), SECRET_LENGTH) == (43, 43)  # of 62 letters: 256 bits
    assert row.expires_at - row.created_at == timedelta(minutes=10)
    assert made["code"] not in str(row.__dict__)
    body = {"name": "lamp", "device_type": "custom", "enrolment_code": made["code"]}
    assert [Api().post("/devices/enrol", body).status_code for _ in range(2)] == [201, 401]


def test_d06_approver_needs_the_right_and_every_scope_in_its_own_tenant(world: World, now: datetime) -> None:
    made = enrol(world.prod, requested_scopes=["profiles:write"])
    body = {"user_code": made["user_code"]}
    reader = Api(world.prod.access_token(**world.prod.reader))
    assert reader.post(f"/devices/{made['id']}/approve", body).status_code == 403
    assert world.foreign.api().post(f"/devices/{made['id']}/approve", body).status_code == 404
    device = get_device(world.prod.caller(), made["id"])
    narrow = replace(world.prod.caller(), scopes=frozenset({"devices:approve"}), principal_id=world.prod.client_id)
    with pytest.raises(NotHeld):
        approve_device(narrow, device=device, user_code=made["user_code"], now=now)
    assert Device.unscoped.get(id=made["id"]).status == "pending"
    # The reader's refusal stands at the door, the stranger's in the stranger's own tenant.
    assert sorted(refusals(made["id"])) == ["not_found", NotHeld.slug]


def test_d06_nobody_approves_itself_and_one_row_says_who_tried(world: World, now: datetime) -> None:
    made = enrol(world.prod)
    device = get_device(world.prod.caller(), made["id"])
    itself: Caller = replace(world.prod.caller(), principal_id=device.id, device_id=device.id)
    with pytest.raises(OwnDevice):
        approve_device(itself, device=device, user_code=made["user_code"], now=now)
    rows = AuditEvent.objects.filter(subject_id=device.id, event_type="device.approval_refused")
    assert [(row.actor_id, row.detail) for row in rows] == [(device.id, {"code": "own_device"})]
    assert Device.unscoped.get(id=device.id).status == "pending"


def test_d07_revoked_device_is_refused_every_way_in(world: World) -> None:
    device, place = world.prod.device, world.prod
    proven = guess(device["id"], device["secret"]).json()
    assert Api(proven["access_token"]).get("/me").status_code == 200
    assert place.api().post(f"/devices/{device['id']}/revoke", {"reason": "lost"}).status_code == 200
    assert Api(proven["access_token"]).get("/me").status_code == 401
    assert Api(device["secret"]).get("/me").status_code == 401
    assert guess(device["id"], device["secret"]).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": proven["refresh_token"]}
    assert place.form("/oauth/token", form).json()["error"] == "invalid_grant"


def test_d10_trusted_device_with_a_plain_key_gets_basic(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    device = get_device(caller, world.prod.device["id"])
    set_trust(caller, device=device, trust_level=3, reason="known", now=now)
    create_grant(caller, principal=device.principal, scopes=["profiles:read", "status:read"], now=now)
    key = issue_api_key(caller, principal=device.principal, kind=ApiKeyKind.API_KEY, name="plain", now=now)
    plain = Api(key.text.reveal()).get("/me").json()
    proven = Api(guess(device.id, world.prod.device["secret"]).json()["access_token"]).get("/me").json()
    assert (plain["trust_level"], plain["scopes"]) == (1, ["status:read"])
    assert proven["trust_level"] == 3
    assert set(proven["scopes"]) > {"profiles:read", "status:read"}


def test_d11_same_hardware_in_two_tenants_is_two_devices(world: World) -> None:
    here, there = (enrol(place, public_key=KEY) for place in (world.prod, world.foreign))
    assert here["key_fingerprint"] == there["key_fingerprint"]
    assert here["id"] != there["id"]
    for place, made in ((world.prod, here), (world.foreign, there)):
        answer = place.api().post(f"/devices/{made['id']}/approve", {"user_code": made["user_code"]})
        assert answer.status_code == 200
    world.prod.api().post(f"/devices/{here['id']}/revoke", {})
    assert Device.unscoped.get(id=there["id"]).status == "active"
    assert world.foreign.api().get(f"/devices/{here['id']}").status_code == 404


@pytest.mark.parametrize("secret", ["ads_wrong", "chosen by somebody"])
def test_d13_known_and_unknown_ids_cost_the_same_hashes_and_questions(
    world: World, now: datetime, settings: Any, secret: str
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.{CountingHasher.__name__}"]
    set_policy(world.prod.caller(), changes={}, now=now)
    chosen = enrol(world.prod, secret="chosen by itself")
    work = {}
    for name, device_id in {"known": world.prod.device["id"], "chosen": chosen["id"], "unknown": UNKNOWN}.items():
        CountingHasher.calls.clear()
        with CaptureQueriesContext(connection) as asked:
            assert guess(device_id, secret).status_code == 401
        work[name] = (len(CountingHasher.calls), asked_kinds(asked))
    assert work["known"] == work["chosen"] == work["unknown"]
    assert not AuditEvent.objects.filter(Q(subject_id=UNKNOWN) | Q(actor_id=UNKNOWN)).exists()


def test_d13_signatures_for_known_and_unknown_ids_cost_the_same_checks_and_questions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[bytes] = []
    read_key = Ed25519PublicKey.from_public_bytes

    def counted(raw: bytes) -> Ed25519PublicKey:
        checked.append(raw)
        return read_key(raw)

    monkeypatch.setattr(Ed25519PublicKey, "from_public_bytes", counted)
    keyed = enrol(world.prod, public_key=KEY)
    work = {}
    for name, device_id in {"keyed": keyed["id"], "keyless": world.prod.device["id"], "unknown": UNKNOWN}.items():
        checked.clear()
        nonce = Api().post(f"/devices/{device_id}/challenge").json()["nonce"]
        signed = {"version": "v3", "nonce": nonce, "signed_at": int(time.time() * 1000), "signature": "A" * 86}
        with CaptureQueriesContext(connection) as asked:
            assert Api().post(f"/devices/{device_id}/prove", signed).status_code == 401
        work[name] = (len(checked), asked_kinds(asked))
    assert work["keyed"] == work["keyless"] == work["unknown"]
    assert work["unknown"][0] == 1


def asked_kinds(asked: CaptureQueriesContext) -> list[str]:
    """Return the first word and the table of each statement; to keep a savepoint and to undo it is one statement."""
    told = [re.sub(r"ROLLBACK TO SAVEPOINT|RELEASE SAVEPOINT", "END", query["sql"]) for query in asked.captured_queries]
    return [" ".join(re.findall(r'^\w+|(?:FROM|INTO|UPDATE) "?\w+', sql)) for sql in told]
