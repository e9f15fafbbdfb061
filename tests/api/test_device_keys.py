"""Devices with an Ed25519 key: challenge, openclaw's payloads, and what a new key or request inherits."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices.models import Device
from devices.proof import PayloadVersion, SignedParameters, device_id_of, encode_canonical, payload
from devices.services.lifecycle import approve_device
from rbac.services.effective import NotHeld
from tests.world import Api, World

VECTORS = json.loads((Path(__file__).parent.parent / "vectors/openclaw/device_signature_2026.9.6.json").read_text())
SCOPES = ["operator.read", "operator.write"]


class Claw:
    """A device with a key, as openclaw's client would speak."""

    def __init__(self, world: World, seed: bytes = b"\x07" * 32, **fields: Any) -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.raw = self.key.public_key().public_bytes_raw()
        self.api = world.prod.api()
        body = {
            "name": "claw",
            "device_type": "cli",
            "public_key": encode_canonical(self.raw),
            "role": "operator",
            "operator_scopes": SCOPES,
            "requested_scopes": ["status:read"],
            **fields,
        }
        self.enrolled = self.api.post("/devices", body)
        self.document = self.enrolled.json()

    def approve(self, level: int = 2) -> Any:
        body = {"user_code": self.document["user_code"], "snapshot": self.document["snapshot"], "trust_level": level}
        return self.api.post(f"/devices/{self.document['id']}/approve", body)

    def nonce(self) -> str:
        return str(Api().post(f"/devices/{self.document['id']}/challenge").json()["nonce"])

    def signed(self, version: str = "v3", **changes: Any) -> dict[str, Any]:
        fields = {
            "nonce": changes.pop("nonce", None) or self.nonce(),
            "signed_at": int(time.time() * 1000),
            "client_id": "cli",
            "client_mode": "cli",
            "role": "operator",
            "scopes": ["operator.read"],
            "token": None,
            "platform": "Linux ",
            "device_family": "",
            **changes,
        }
        parameters = SignedParameters(
            device_id=device_id_of(self.raw),
            signed_at_ms=fields["signed_at"],
            scopes=tuple(fields["scopes"]),
            **{name: fields[name] for name in ("client_id", "client_mode", "role", "nonce", "token", "platform")},
            device_family=fields["device_family"],
        )
        signature = self.key.sign(payload(PayloadVersion(version), parameters).encode())
        return {**fields, "version": version, "signature": encode_canonical(signature)}

    def prove(self, body: dict[str, Any]) -> Any:
        return Api().post(f"/devices/{self.document['id']}/prove", body)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_prove_with_either_payload_gives_a_verified_token(world: World, version: str) -> None:
    claw = Claw(world)
    assert claw.approve().status_code == 200
    answer = claw.prove(claw.signed(version))
    assert answer.status_code == 200
    me = Api(answer.json()["access_token"]).get("/me").json()
    assert (me["trust_level"], me["scopes"]) == (2, ["status:read"])


def test_enrolled_key_gives_no_secret_and_the_fingerprint_is_the_openclaw_id(world: World) -> None:
    claw = Claw(world)
    assert claw.document["secret"] is None
    assert claw.document["key_fingerprint"] == device_id_of(claw.raw)


def test_pending_device_with_a_good_signature_is_not_active(world: World) -> None:
    claw = Claw(world)
    answer = claw.prove(claw.signed())
    assert (answer.status_code, answer.json()["device_status"]) == (403, "pending")


def test_nonce_works_once(world: World) -> None:
    claw = Claw(world)
    claw.approve()
    body = claw.signed()
    assert claw.prove(body).status_code == 200
    assert claw.prove(body).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"signed_at": -125},
        {"signed_at": 900},
        {"role": "node"},
        {"scopes": ["operator.admin"]},
        {"nonce": "made-up"},
        {"nonce": "9999999999.abc.def"},
        {"client_id": "a|b"},
    ],
)
def test_wrong_signed_field_is_refused(world: World, changes: dict[str, Any]) -> None:
    claw = Claw(world)
    claw.approve()
    if "signed_at" in changes:  # in seconds from now
        changes = {"signed_at": int((time.time() + changes["signed_at"]) * 1000)}
    assert claw.prove(claw.signed(**changes)).status_code == 401


def test_altered_field_or_signature_by_another_key_is_refused(world: World) -> None:
    claw, other = Claw(world), Claw(world, seed=b"\x08" * 32)
    claw.approve()
    assert claw.prove({**claw.signed(), "platform": "Windows"}).status_code == 401
    assert claw.prove(other.signed(nonce=claw.nonce())).status_code == 401
    assert claw.prove(claw.signed(nonce=other.nonce())).status_code == 401


def test_challenge_for_an_unknown_id_looks_the_same(world: World) -> None:
    known, unknown = (Api().post(f"/devices/{name}/challenge") for name in (world.prod.device["id"], "dev_nobody"))
    assert (known.status_code, set(known.json())) == (unknown.status_code, set(unknown.json()))
    assert len(known.json()["nonce"]) == len(unknown.json()["nonce"])


@pytest.mark.parametrize("key", ["", "AAAA", "A" * 43, "A" * 42 + "=", "not base64!"])
def test_bad_public_key_is_a_field_error(world: World, key: str) -> None:
    answer = Claw(world, public_key=key).enrolled
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) <= {"public_key", "role"}


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_openclaw_vector_signs_the_payload_we_build(vector: dict[str, Any]) -> None:
    told = vector["params"]
    parameters = SignedParameters(
        device_id=told["deviceId"],
        client_id=told["clientId"],
        client_mode=told["clientMode"],
        role=told["role"],
        scopes=tuple(told["scopes"]),
        signed_at_ms=told["signedAtMs"],
        nonce=told["nonce"],
        token=told["token"],
        platform=told.get("platform") or "",
        device_family=told.get("deviceFamily") or "",
    )
    assert payload(PayloadVersion(vector["version"]), parameters) == vector["payload"]


def test_enrolling_the_same_key_again_is_a_new_request_that_shows_the_difference(world: World) -> None:
    first = Claw(world)
    first.approve(2)
    second = Claw(world, operator_scopes=[*SCOPES, "operator.pairing"], requested_scopes=["status:read", "audit:read"])
    assert second.document["replaces"] == first.document["id"]
    change = {item["field"]: item["added"] for item in second.document["difference"]}
    assert change == {"requested_scopes": ["audit:read", "operator.pairing"]}
    assert second.prove(second.signed()).status_code == 403
    assert second.approve(1).status_code == 200
    assert Device.unscoped.get(id=first.document["id"]).status == "revoked"
    assert Device.unscoped.get(id=second.document["id"]).trust_level == 1


def test_a_changed_key_is_flagged_and_inherits_nothing(world: World) -> None:
    first = Claw(world)
    first.approve(2)
    path = f"/devices/{first.document['id']}/trust"
    assert first.api.post(path, {"trust_level": 3, "reason": "ours"}).status_code == 200
    second = Claw(world, seed=b"\x09" * 32, replaces=first.document["id"])
    flagged = [item["field"] for item in second.document["difference"] if item["never_inherits_trust"]]
    assert flagged == ["key_fingerprint"]
    second.approve(2)
    stored = Device.unscoped.get(id=second.document["id"])
    assert (stored.trust_level, stored.successful_proofs, stored.vouched_at) == (2, 0, None)
    assert first.prove(first.signed()).status_code == 401


def test_asking_twice_under_one_key_leaves_one_live_request(world: World) -> None:
    first, second = Claw(world), Claw(world)
    assert first.approve().status_code == 409
    assert second.approve().status_code == 200


def test_same_key_in_two_tenants_is_independent(world: World) -> None:
    claw = Claw(world)
    body = {"name": "claw", "device_type": "cli", "public_key": encode_canonical(claw.raw)}
    other = world.foreign.api().post("/devices", body).json()
    assert other["replaces"] is None
    assert claw.approve().status_code == 200
    assert Device.unscoped.get(id=other["id"]).status == "pending"


def test_operator_scopes_need_an_administrator_to_approve(world: World) -> None:
    claw = Claw(world)
    device = Device.unscoped.get(id=claw.document["id"])
    approver = replace(world.prod.caller(), scopes=frozenset({"devices:approve", "status:read"}))
    with pytest.raises(NotHeld):
        approve_device(approver, device=device, user_code=claw.document["user_code"], now=device.created_at)
    assert Device.unscoped.get(id=device.id).status == "pending"
