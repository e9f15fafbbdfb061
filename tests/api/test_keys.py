"""Signing keys: rotation with its two waiting rules, overlap, retirement, algorithms per gateway, the command."""

from __future__ import annotations

import base64
import json
import stat
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command

from authsvc.audit.models import AuditEvent
from authsvc.gate.authentication import admit
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.keys import RETIRING_SECONDS, retire_due_keys
from authsvc.tokens.models import SigningKey
from rbac.models import GatewayKind
from rbac.services.gateways import acknowledge_key_set, create_gateway, get_gateway
from rbac.services.key_rotation import KeyNotAcknowledged, KeyTooFresh, NoNextKey, activate_key, rotate_key
from tests.world import Api, Place, World


@pytest.fixture
def place(world: World) -> Place:
    return world.prod


def header_of(token: str) -> dict[str, Any]:
    part = token.partition(".")[0]
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document


def jwks_kids(place: Place) -> set[str]:
    return {key["kid"] for key in Api().get(place.path("/.well-known/jwks.json")).json()["keys"]}


def acknowledge(place: Place, now: datetime, *kids: str) -> None:
    gateway = get_gateway(place.caller(), place.gateway["id"])
    acknowledge_key_set(place.caller(), gateway=gateway, kids=kids, now=now)


def test_rotate_publishes_next_key_that_signs_nothing(place: Place) -> None:
    answer = place.api().post("/keys/rotate", {})
    assert answer.status_code == 201
    assert answer.json()["state"] == "next"
    assert answer.json()["kid"] in jwks_kids(place)
    assert header_of(place.access_token())["kid"] != answer.json()["kid"]


def test_activate_waits_for_cached_key_sets_then_for_gateways(place: Place, now: datetime) -> None:
    upcoming = rotate_key(place.caller(), algorithm="RS256", now=now)
    later = now + timedelta(seconds=300)
    with pytest.raises(KeyTooFresh):
        activate_key(place.caller(), algorithm="RS256", now=later - timedelta(seconds=1))
    with pytest.raises(KeyNotAcknowledged) as refusal:
        activate_key(place.caller(), algorithm="RS256", now=later)
    assert refusal.value.extra == {"gateways": [place.gateway["id"]]}
    acknowledge(place, now, upcoming.kid)
    assert activate_key(place.caller(), algorithm="RS256", now=later).kid == upcoming.kid


def test_activate_without_next_is_a_conflict(place: Place, now: datetime) -> None:
    with pytest.raises(NoNextKey):
        activate_key(place.caller(), algorithm="RS256", now=now)


def test_activate_over_api_forced_needs_reason_and_is_audited(place: Place) -> None:
    api = place.api()
    upcoming = api.post("/keys/rotate", {}).json()
    assert api.post("/keys/activate", {}).json()["code"] == "key_too_fresh"
    assert api.post("/keys/activate", {"force": True}).status_code == 400
    answer = api.post("/keys/activate", {"force": True, "reason": "key leaked"})
    assert (answer.status_code, answer.json()["state"]) == (200, "active")
    event = AuditEvent.objects.get(event_type="signing_key.activated")
    assert event.detail == {"kid": upcoming["kid"], "algorithm": "RS256", "reason": "key leaked"}


def test_rotation_keeps_old_tokens_until_the_last_is_dead(place: Place, now: datetime) -> None:
    old = place.access_token()
    rotate_key(place.caller(), algorithm="RS256", now=now)
    activate_key(place.caller(), algorithm="RS256", force_reason="test", now=now)
    new = place.access_token()
    assert header_of(old)["kid"] != header_of(new)["kid"]
    assert [Api(token).get("/me").status_code for token in (old, new)] == [200, 200]
    assert {header_of(old)["kid"], header_of(new)["kid"]} <= jwks_kids(place)
    assert retire_due_keys(now=now + timedelta(seconds=RETIRING_SECONDS - 1)) == []
    assert [key.kid for key in retire_due_keys(now=now + timedelta(seconds=RETIRING_SECONDS))] == [
        header_of(old)["kid"]
    ]
    assert header_of(old)["kid"] not in jwks_kids(place)
    assert [Api(token).get("/me").status_code for token in (old, new)] == [401, 200]


def test_retire_over_api_refuses_its_tokens_at_once(place: Place) -> None:
    token = place.access_token()
    assert Api(token).get("/me").status_code == 200
    key = SigningKey.objects.for_environment(place.caller()).get(kid=header_of(token)["kid"])
    assert place.api().post(f"/keys/{key.id}/retire", {"reason": "leaked"}).status_code == 200
    assert Api(token).get("/me").status_code == 401
    assert place.token_request().status_code == 200


def test_keys_list_shows_no_private_half(place: Place) -> None:
    answer = place.api().get("/keys")
    assert answer.status_code == 200
    assert "private" not in answer.content.decode()
    assert not {"d", "p", "q", "k"} & set(answer.json()["results"][0]["public_jwk"])


@pytest.mark.parametrize(("method", "path"), [("GET", "/keys"), ("POST", "/keys/rotate"), ("POST", "/keys/activate")])
def test_keys_without_proof_401_and_with_wrong_scope_403(world: World, method: str, path: str) -> None:
    assert Api().send(method, path, None if method == "GET" else {}).status_code == 401
    reader = Api(world.prod.access_token(**world.prod.reader))
    assert reader.send(method, path, None if method == "GET" else {}).status_code == 403


@pytest.mark.parametrize("other", ["acme/dev", "globex/prod"])
def test_key_of_other_environment_is_the_same_404(world: World, other: str) -> None:
    foreign = SigningKey.objects.for_environment(world.place(other).caller()).first()
    assert foreign is not None
    answer = world.prod.api().post(f"/keys/{foreign.id}/retire", {"reason": "mine now"})
    missing = world.prod.api().post("/keys/sgk_missing/retire", {"reason": "mine now"})
    assert (answer.status_code, answer.content) == (404, missing.content)


def test_gateway_acknowledges_with_its_own_token_and_not_for_another(world: World) -> None:
    place = world.prod
    own = Api(place.gateway["token"])
    path = f"/gateways/{place.gateway['id']}/jwks-acknowledgement"
    answer = own.post(path, {"kids": ["a", "b", "a"]})
    assert (answer.status_code, answer.json()["acknowledged_kids"]) == (200, ["a", "b"])
    other = place.api().post("/gateways", {"name": "Other", "kind": "agno"}).json()
    assert own.post(f"/gateways/{other['id']}/jwks-acknowledgement", {"kids": []}).status_code == 403
    assert Api().post(path, {"kids": []}).status_code == 401
    assert world.foreign.api().post(path, {"kids": []}).status_code == 404
    assert own.post(path, {"kids": [1]}).status_code == 400


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_gateway_algorithm_signs_its_tokens(place: Place, now: datetime, algorithm: str) -> None:
    gateway = create_gateway(place.caller(), name=algorithm, kind=GatewayKind.AGNO, algorithm=algorithm, now=now)
    granted = {"principal_id": place.client_id, "gateway_id": gateway.id, "role_id": power_user(place)}
    assert place.api().post("/grants", granted).status_code == 201
    token = place.access_token(audience=gateway.audience, scope="agents:read")
    assert header_of(token) == {"alg": algorithm, "kid": header_of(token)["kid"], "typ": "at+jwt"}
    keys = jwt.PyJWKSet.from_dict(Api().get(place.path("/.well-known/jwks.json")).json())
    public = next(key for key in keys.keys if key.key_id == header_of(token)["kid"])
    claims = jwt.decode(token, public.key, algorithms=[algorithm], audience=gateway.audience)
    assert claims["scopes"] == ["agents:read"]
    assert admit(token, audience=gateway.audience, now=now).scopes == {"agents:read"}


def power_user(place: Place) -> str:
    role = place.api().post("/roles", {"name": "Agent reader", "scopes": ["agents:read"]})
    return str(role.json()["id"])


def test_shared_secret_in_dev_signs_for_its_gateway_alone(world: World, now: datetime) -> None:
    dev = world.dev
    path = f"/gateways/{dev.gateway['id']}/shared-secret"
    answer = dev.api().post(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    secret = answer.json()["secret"]
    assert len(secret.encode()) >= 32
    token = dev.access_token(audience=dev.gateway["audience"], scope="agents:read")
    assert header_of(token)["alg"] == "HS256"
    assert jwt.decode(token, secret, algorithms=["HS256"], audience=dev.gateway["audience"])["scopes"] == [
        "agents:read"
    ]
    assert admit(token, audience=dev.gateway["audience"], now=now).scopes == {"agents:read"}
    assert header_of(token)["kid"] not in jwks_kids(dev)
    forged = jwt.encode(
        {**jwt.decode(token, options={"verify_signature": False}), "aud": "authsvc"},
        secret,
        algorithm="HS256",
        headers={"kid": header_of(token)["kid"], "typ": "at+jwt"},
    )
    with pytest.raises(TokenRefused):
        admit(forged, audience=None, now=now)
    assert dev.api().post(path).status_code == 201
    with pytest.raises(TokenRefused):
        admit(token, audience=dev.gateway["audience"], now=now)


def test_shared_secret_in_prod_is_refused(place: Place) -> None:
    answer = place.api().post(f"/gateways/{place.gateway['id']}/shared-secret")
    assert (answer.status_code, answer.json()["code"]) == (409, "shared_secret_refused")
    answer = place.api().send("PATCH", f"/gateways/{place.gateway['id']}", {"algorithm": "HS256"})
    assert answer.status_code == 400


def test_back_from_shared_secret_ends_what_it_signed(world: World, now: datetime) -> None:
    dev = world.dev
    dev.api().post(f"/gateways/{dev.gateway['id']}/shared-secret")
    token = dev.access_token(audience=dev.gateway["audience"], scope="agents:read")
    assert dev.api().send("PATCH", f"/gateways/{dev.gateway['id']}", {"algorithm": "RS256"}).status_code == 200
    with pytest.raises(TokenRefused):
        admit(token, audience=dev.gateway["audience"], now=now)


def run(*arguments: str) -> Any:
    output = StringIO()
    call_command("keys", *arguments, "--tenant", "acme", "--env", "prod", "--json", stdout=output)
    return json.loads(output.getvalue())


def test_command_rotates_activates_and_retires(place: Place) -> None:
    upcoming = run("rotate")["keys"][0]
    assert upcoming["not_acknowledged_by"] == [place.gateway["id"]]
    with pytest.raises(CommandError) as refusal:
        run("rotate", "--activate")
    assert refusal.value.returncode == 1
    with pytest.raises(CommandError) as usage:
        run("rotate", "--activate", "--force")
    assert usage.value.returncode == 64
    assert run("rotate", "--activate", "--force", "--reason", "test")["keys"][0]["state"] == "active"
    states = {key["kid"]: key["state"] for key in run("list")["keys"]}
    assert sorted(states.values()) == ["active", "retiring"]
    old = next(kid for kid, state in states.items() if state == "retiring")
    assert run("retire", "--kid", old, "--reason", "test")["keys"][0]["state"] == "retired"


def test_command_exports_jwks_0600_and_replaces_at_once(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "jwks.json"
    target.write_text("old")
    run("export-jwks", "--output", str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert {key["kid"] for key in json.loads(target.read_text())["keys"]} == jwks_kids(place)
    assert [path.name for path in tmp_path.iterdir()] == ["jwks.json"]


def test_command_in_unknown_place_fails(db: None) -> None:
    with pytest.raises(CommandError):
        call_command("keys", "list", "--tenant", "nobody", "--env", "prod")
