"""Gateway tokens: made here with 256 random bits, or imported as 64 hex digits; hashed, rotated with overlap."""

from __future__ import annotations

import io
import json
import re
import secrets
import sys
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.gate.authentication import admit
from authsvc.tokens.api_keys import revoke_api_key
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import PATTERN, parse_imported
from authsvc.tokens.models import ApiKey
from authsvc.tokens.opaque import verify_opaque
from rbac.services.gateways import get_gateway, import_gateway_token
from tests.world import Place, World


@pytest.fixture
def token() -> str:
    return secrets.token_hex(32)


@pytest.fixture
def place(world: World) -> Place:
    return world.prod


def tokens_path(place: Place, rest: str = "") -> str:
    return f"/gateways/{place.gateway['id']}/tokens{rest}"


def passes(place: Place, token: str) -> int:
    path = place.path(f"/gateways/{place.gateway['id']}/forward-auth")
    return int(Client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code)


def import_token(place: Place, token: str) -> Any:
    return place.api().post(tokens_path(place, "/import"), {"token": token, "name": "from its config"})


def test_issued_token_matches_the_published_pattern_and_is_new_each_time(place: Place) -> None:
    made = [place.api().post(tokens_path(place), {}).json()["secret"] for _ in range(3)]
    assert all(re.fullmatch(PATTERN, text) for text in made)
    assert len({text.rpartition("_")[2][:43] for text in made}) == 3  # 43 characters of base62 are 256 bits


def test_imported_token_opens_its_gateway_and_introspects_as_it(place: Place, token: str) -> None:
    assert passes(place, token) == 401
    answer = import_token(place, token)
    assert (answer.status_code, answer.json()["last_four"], answer.json()["kind"]) == (201, token[-4:], "gateway_token")
    assert token not in answer.content.decode()
    assert passes(place, token) == 200
    client_id, secret = place.client_id, place.client_secret
    said = place.form("/oauth/introspect", {"token": token, "client_id": client_id, "client_secret": secret}).json()
    assert (said["active"], said["sub"]) == (True, place.gateway["id"])


def test_imported_token_is_kept_as_a_keyed_hash_alone(place: Place, token: str) -> None:
    import_token(place, token)
    rows = json.dumps([list(ApiKey.unscoped.values()), list(AuditEvent.objects.values())], default=str)
    assert token not in rows
    event = AuditEvent.objects.get(event_type="api_key.imported")
    assert event.detail["principal_id"] == place.gateway["id"]


def test_imported_token_is_not_a_proof_elsewhere(world: World, place: Place, token: str) -> None:
    import_token(place, token)
    assert passes(world.dev, token) == 401
    assert passes(world.foreign, token) == 401
    refused = Client().get("/api/v1/profiles", headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 403  # the gateway itself, which may not lease (A1)


def test_rotation_replaces_it_by_ours_and_both_work_until_the_overlap_ends(
    place: Place, token: str, now: datetime
) -> None:
    key_id = import_token(place, token).json()["id"]
    rotated = place.api().post(tokens_path(place, f"/{key_id}/rotate"), {"overlap_seconds": 600}).json()
    assert rotated["id"] == key_id
    assert re.fullmatch(PATTERN, rotated["secret"])
    assert (passes(place, token), passes(place, rotated["secret"])) == (200, 200)
    later = now + timedelta(seconds=601)
    audience = place.gateway["audience"]
    assert admit(rotated["secret"], audience=audience, now=later).principal_id == place.gateway["id"]
    with pytest.raises(TokenRefused):
        verify_opaque(token, address="", now=later)
    with pytest.raises(TokenRefused):
        admit(token, audience=audience, now=later)


def test_revoked_imported_token_is_refused_at_once(place: Place, token: str, now: datetime) -> None:
    key_id = import_token(place, token).json()["id"]
    assert passes(place, token) == 200
    revoke_api_key(place.caller(), key=ApiKey.unscoped.get(id=key_id), reason="lost", now=now)
    assert passes(place, token) == 401


@pytest.mark.parametrize(
    "text", ["", "0" * 64, "01234567" * 8 + "a", "g" * 64, "aB" * 32, "0123" * 16, "x", "\uff10" * 64, " " + "0f" * 32]
)
def test_text_that_no_product_made_is_a_field_error_without_the_text(place: Place, text: str) -> None:
    answer = import_token(place, text)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["token"])
    assert len(text) < 8 or text not in answer.content.decode()
    assert parse_imported(text) is None


def test_token_in_use_cannot_be_imported_again_anywhere(world: World, place: Place, token: str) -> None:
    assert import_token(place, token).status_code == 201
    assert [import_token(there, token).status_code for there in (place, world.foreign)] == [400, 400]
    assert passes(place, token) == 200


def test_deleted_here_it_can_be_imported_there(world: World, place: Place, token: str) -> None:
    import_token(place, token)
    assert passes(place, token) == 200
    place.api().send("DELETE", f"/gateways/{place.gateway['id']}")
    assert import_token(world.foreign, token).status_code == 201
    assert (passes(place, token), passes(world.foreign, token)) == (401, 200)


def test_command_imports_from_a_file_or_standard_input(
    place: Place, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--tenant", "acme", "--env", "prod", "--id", place.gateway["id"])
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    output = StringIO()
    call_command("gateways", "import-token", *options, "--from-file", str(file), "--json", stdout=output)
    assert json.loads(output.getvalue())[0]["gateway"] == place.gateway["id"]
    assert token not in output.getvalue()
    assert passes(place, token) == 200
    monkeypatch.setattr(sys, "stdin", io.StringIO("too short"))
    with pytest.raises(CommandError, match="64 random hex digits"):
        call_command("gateways", "import-token", *options)


def test_command_lists_gateways_without_their_tokens(place: Place) -> None:
    output = StringIO()
    call_command("gateways", "list", "--tenant", "acme", "--env", "prod", stdout=output)
    assert place.gateway["id"] in output.getvalue()
    assert place.gateway["token"] not in output.getvalue()


def test_admin_imports_and_never_shows_it_back(world: World, place: Place, token: str) -> None:
    client, operator = Client(), world.document["operators"]["acme"]
    client.post("/admin/login/", {"username": operator["username"], "password": operator["password"]})
    address = f"/admin/rbac/gateway/{place.gateway['id']}/do/import-token/"
    refused = client.post(address, {"token": "f" * 64, "name": ""})
    assert b"64 random hex digits" in refused.content
    assert b"f" * 64 not in refused.content
    done = client.post(address, {"token": token, "name": "old"}, follow=True)
    assert done.status_code == 200
    assert token.encode() not in done.content
    assert passes(place, token) == 200


def test_unauthorised_caller_imports_nothing(world: World, place: Place, token: str, now: datetime) -> None:
    gateway = get_gateway(place.caller(), place.gateway["id"])
    assert world.foreign.api().post(tokens_path(place, "/import"), {"token": token}).status_code == 404
    assert passes(place, token) == 401
    import_gateway_token(place.caller(), gateway=gateway, token=token, name="", now=now)
    assert passes(place, token) == 200
