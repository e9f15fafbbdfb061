"""Channel policies over the API: pairing codes, reach and group gate, settings of other products."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from authsvc.audit.models import AuditEvent
from rbac.models import ChannelPairing, ChannelPolicy, Gateway
from rbac.pairing_codes import ALPHABET, PairingCodeMalformed, new_pairing_code, normalise_pairing_code
from rbac.services.grants import create_grant
from rbac.services.pairing import PairingUnknown, approve_pairing, request_pairing
from tests.world import Api, World


@pytest.fixture
def api(world: World) -> Api:
    return world.prod.api()


@pytest.fixture
def channel_id(api: Api) -> str:
    answer = api.post("/channels", {"channel": "whatsapp", "dm_policy": "pairing"})
    assert answer.status_code == 201
    return str(answer.json()["id"])


@pytest.fixture
def policy(channel_id: str) -> ChannelPolicy:
    found: ChannelPolicy = ChannelPolicy.unscoped.get(id=channel_id)
    return found


def check(api: Api, **sender: Any) -> Any:
    return api.post("/channels/check", {"channel": "whatsapp", **sender}).json()


def test_pairing_from_first_message_to_first_answer(api: Api, channel_id: str) -> None:
    assert check(api, user=491)["reason"] == "pairing_required"
    asked = api.post(f"/channels/{channel_id}/pairing", {"sender": 491, "name": "Kim"})
    assert asked.status_code == 201
    code = asked.json()["code"]
    assert len(code) == 8
    assert set(code) <= set(ALPHABET)
    assert not check(api, user=491)["allowed"]
    typed = f" {code[:4].lower()}-{code[4:]} "
    approved = api.post(f"/channels/{channel_id}/pairing/approve", {"code": typed})
    assert approved.json()["state"] == "approved"
    assert check(api, user="491")["allowed"]
    assert not check(api, user=491, chat="group-1", is_direct=False)["allowed"]
    rule = {"subject_kind": "user", "subject_id": "491", "effect": "allow", "reach": "direct"}
    assert api.get(f"/channels/{channel_id}").json()["rules"] == [rule]
    events = set(AuditEvent.objects.filter(event_type__startswith="pairing.").values_list("event_type", flat=True))
    assert events == {"pairing.requested", "pairing.approved"}


def test_code_is_stored_hashed_and_shown_once(api: Api, channel_id: str) -> None:
    code = api.post(f"/channels/{channel_id}/pairing", {"sender": "s1"}).json()["code"]
    stored = ChannelPairing.unscoped.values().get()
    assert code not in str(stored)
    listed = api.get(f"/channels/{channel_id}/pairing")
    assert [row["sender_id"] for row in listed.json()["results"]] == ["s1"]
    assert code not in listed.content.decode()
    assert not [event for event in AuditEvent.objects.all() if code in str(event.detail)]


def test_fourth_waiting_sender_is_409_until_one_is_decided(api: Api, channel_id: str) -> None:
    path = f"/channels/{channel_id}/pairing"
    assert [api.post(path, {"sender": f"s{n}"}).status_code for n in range(4)] == [201, 201, 201, 409]
    first = api.get(path).json()["results"][0]["id"]
    assert api.send("DELETE", f"{path}/{first}").status_code == 204
    assert api.post(path, {"sender": "s9"}).status_code == 201
    assert api.send("DELETE", f"{path}/{first}").status_code == 404


def test_asking_again_replaces_the_code_of_the_same_sender(api: Api, channel_id: str) -> None:
    path = f"/channels/{channel_id}/pairing"
    codes = [api.post(path, {"sender": 7}).json()["code"] for _ in range(5)]
    assert api.post(f"{path}/approve", {"code": codes[0]}).status_code == 404
    assert api.post(f"{path}/approve", {"code": codes[-1]}).status_code == 200
    assert api.post(f"{path}/approve", {"code": codes[-1]}).status_code == 404


def test_code_lives_an_hour_and_no_longer(world: World, policy: ChannelPolicy, now: datetime) -> None:
    caller = world.prod.caller()
    early = request_pairing(caller, policy=policy, sender="a", now=now)
    late = request_pairing(caller, policy=policy, sender="b", now=now)
    approve_pairing(caller, policy=policy, code=early.code.reveal(), now=now + timedelta(minutes=59))
    with pytest.raises(PairingUnknown):
        approve_pairing(caller, policy=policy, code=late.code.reveal(), now=now + timedelta(hours=1))


@pytest.mark.parametrize(
    ("change", "sender"),
    [
        ({"dm_policy": "allowlist"}, "1"),
        ({"dm_policy": "disabled"}, "1"),
        ({"rules": [{"subject_kind": "user", "subject_id": "1"}]}, "1"),
        ({"rules": [{"subject_kind": "user", "subject_id": "1", "effect": "deny"}]}, "1"),
        ({"rules": [{"subject_kind": "chat", "subject_id": "1", "effect": "deny"}]}, 1),
    ],
)
def test_no_code_for_a_sender_the_policy_has_decided_about(
    api: Api, channel_id: str, change: dict[str, Any], sender: str
) -> None:
    assert api.send("PATCH", f"/channels/{channel_id}", change).status_code == 200
    answer = api.post(f"/channels/{channel_id}/pairing", {"sender": sender})
    assert (answer.status_code, answer.json()["code"]) == (409, "pairing_not_offered")


@pytest.mark.parametrize("sender", ["*", "", "a b", True, 1.5, None, [], {"a": 1}, "x" * 129, 10**41])
def test_sender_that_is_no_id_is_400(api: Api, channel_id: str, sender: object) -> None:
    assert api.post(f"/channels/{channel_id}/pairing", {"sender": sender}).status_code == 400


def test_pairing_of_another_tenant_or_environment_is_404(world: World, api: Api, channel_id: str) -> None:
    code = api.post(f"/channels/{channel_id}/pairing", {"sender": 1}).json()["code"]
    for other in (world.dev.api(), world.foreign.api()):
        assert other.get(f"/channels/{channel_id}/pairing").status_code == 404
        assert other.post(f"/channels/{channel_id}/pairing", {"sender": 2}).status_code == 404
        assert other.post(f"/channels/{channel_id}/pairing/approve", {"code": code}).status_code == 404
    assert api.post(f"/channels/{channel_id}/pairing/approve", {"code": code}).status_code == 200


def test_gateway_token_may_ask_for_a_code_and_never_approve(world: World, channel_id: str, now: datetime) -> None:
    caller = world.prod.caller()
    gateway = Gateway.objects.for_environment(caller).get(id=world.prod.gateway["id"])
    create_grant(caller, principal=gateway.principal, scopes=["decisions:make", "channels:write"], now=now)
    api = Api(world.prod.gateway["token"])
    asked = api.post(f"/channels/{channel_id}/pairing", {"sender": 5})
    assert asked.status_code == 201
    refused = api.post(f"/channels/{channel_id}/pairing/approve", {"code": asked.json()["code"]})
    assert refused.status_code == 403


def test_without_proof_or_scope_nothing_pairs(world: World, channel_id: str) -> None:
    reader = Api(world.prod.access_token(**world.prod.reader))
    for path in (f"/channels/{channel_id}/pairing", f"/channels/{channel_id}/pairing/approve", "/channels/import"):
        assert Api().post(path, {}).status_code == 401
        assert reader.post(path, {}).status_code == 403


@pytest.mark.parametrize(
    "text", ["", "ABC", "ABCDEFGH0", "ABCDEFG0", "ABCDEFGI", "ABCDEFG\u0421", "A" * 65, "\uff21BCDEFGH"]
)
def test_text_that_is_no_code_is_malformed(text: str) -> None:
    with pytest.raises(PairingCodeMalformed):
        normalise_pairing_code(text)


def test_fresh_codes_use_the_whole_alphabet() -> None:
    assert new_pairing_code(lambda n: n - 1) == "9" * 8
    assert new_pairing_code(lambda _n: 0) == "A" * 8
    assert len(set(ALPHABET)) == 32


def test_reach_and_group_gate_are_kept_and_decide(api: Api, channel_id: str) -> None:
    rules = [
        {"subject_kind": "user", "subject_id": 1, "reach": "direct"},
        {"subject_kind": "user", "subject_id": 2, "reach": "group"},
        {"subject_kind": "group", "subject_id": "g"},
    ]
    changed = api.send("PATCH", f"/channels/{channel_id}", {"rules": rules, "group_gate": "both"}).json()
    assert changed["group_gate"] == "both"
    assert [rule["reach"] for rule in changed["rules"]] == ["direct", "group", "everywhere"]
    in_group = {"chat": "g", "is_direct": False}
    assert [check(api, user=user)["allowed"] for user in (1, 2)] == [True, False]
    assert [check(api, user=user, **in_group)["allowed"] for user in (1, 2, 3)] == [False, True, False]
    assert not check(api, user=2, chat="other", is_direct=False)["allowed"]


@pytest.mark.parametrize(
    "change", [{"group_gate": "neither"}, {"rules": [{"subject_kind": "user", "subject_id": 1, "reach": "moon"}]}]
)
def test_unknown_reach_or_gate_is_400(api: Api, channel_id: str, change: dict[str, Any]) -> None:
    assert api.send("PATCH", f"/channels/{channel_id}", change).status_code == 400


def test_import_of_seed_lists_then_export_for_openclaw(api: Api) -> None:
    body = {"channel": "discord", "document": {"allowedUsers": [1], "allowedGuilds": ["42"], "token": "s3cret-value"}}
    dry = api.post("/channels/import", {**body, "dry_run": True})
    assert dry.json()["channel_id"] is None
    assert "s3cret-value" not in dry.content.decode()
    assert not ChannelPolicy.unscoped.filter(channel="discord").exists()
    stored = api.post("/channels/import", body).json()
    assert stored["findings"] == [{"code": "unknown_setting", "path": "token"}]
    verdict = api.post("/channels/check", {"channel": "discord", "user": "1"}).json()
    assert verdict["allowed"]
    exported = api.get(f"/channels/{stored['channel_id']}/export?product=openclaw").json()
    assert exported["document"]["allowFrom"] == ["1"]
    assert exported["document"]["guilds"].keys() == {"42"}


def test_import_again_replaces_the_policy(api: Api) -> None:
    first = api.post("/channels/import", {"channel": "telegram", "document": {"allowedUsers": [1, 2]}}).json()
    second = api.post("/channels/import", {"channel": "telegram", "document": {"allowedUsers": [3]}}).json()
    assert first["channel_id"] == second["channel_id"]
    assert [rule["subject_id"] for rule in api.get(f"/channels/{second['channel_id']}").json()["rules"]] == ["3"]


@pytest.mark.parametrize("query", ["?product=winamp", "?produkt=openclaw"])
def test_export_of_an_unknown_product_is_400(api: Api, channel_id: str, query: str) -> None:
    assert api.get(f"/channels/{channel_id}/export{query}").status_code == 400


def test_import_of_an_unknown_channel_or_too_many_rules_is_400(api: Api) -> None:
    assert api.post("/channels/import", {"channel": "fax", "document": {}}).status_code == 400
    many = {"channel": "signal", "document": {"allowedUsers": list(range(1, 1002))}}
    assert api.post("/channels/import", many).status_code == 400
