"""The key ring: published before use, verifying until the last token is dead, refused the moment it is retired."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from authsvc.audit.models import AuditEvent
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.compact import decode
from authsvc.tokens.jwk import import_public_jwks
from authsvc.tokens.keys import (
    RETIRING_SECONDS,
    activate_next_key,
    active_key,
    private_place,
    published_keys,
    retire_key,
    signing_backend,
    stage_next_key,
)
from authsvc.tokens.models import SigningKey, SigningKeyState
from authsvc.tokens.services import verify_access_token
from authsvc.vault.services import open_text
from tests.world import Api, Place, World


def key_ids(place: Place) -> list[str]:
    answer: Any = Api().get(place.path("/.well-known/jwks.json")).json()
    return [key["kid"] for key in answer["keys"]]


def kid_of(token: str) -> str:
    return str(json.loads(decode(token.partition(".")[0]))["kid"])


def test_rotation_publishes_first_signs_later_and_keeps_old_tokens(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    old = active_key(caller, now=now)
    before = world.prod.access_token()
    staged = stage_next_key(caller, algorithm="RS256", now=now)
    assert stage_next_key(caller, algorithm="RS256", now=now) == staged
    assert {old.kid, staged.kid} <= set(key_ids(world.prod))
    assert kid_of(world.prod.access_token()) == old.kid
    activated = activate_next_key(caller, algorithm="RS256", now=now)
    assert activated == staged
    after = world.prod.access_token()
    assert kid_of(after) == staged.kid
    assert {old.kid, staged.kid} <= set(key_ids(world.prod))
    for token in (before, after):
        assert Api(token).get("/me").status_code == 200
    old.refresh_from_db()
    assert (old.state, old.retire_at) == (SigningKeyState.RETIRING, now + timedelta(seconds=RETIRING_SECONDS))
    assert activate_next_key(caller, algorithm="RS256", now=now) is None
    kinds = AuditEvent.objects.filter(subject_id=staged.id).values_list("event_type", flat=True)
    assert set(kinds) == {"signing_key.created", "signing_key.activated"}


def test_next_key_signs_nothing_that_is_accepted(world: World, now: datetime) -> None:
    staged = stage_next_key(world.prod.caller(), algorithm="RS256", now=now)
    token = signing_backend(staged).encode({"iss": world.prod.issuer})
    with pytest.raises(TokenRefused):
        verify_access_token(token, now=now)


def test_retired_key_is_refused_unpublished_and_erased(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    key = active_key(caller, now=now)
    token = world.prod.access_token()
    retire_key(caller, key=key, now=now)
    assert key.kid not in key_ids(world.prod)
    assert Api(token).get("/me").status_code == 401
    assert SigningKey.objects.for_environment(caller).get(id=key.id).private_sealed == ""
    fresh = world.prod.access_token()
    assert kid_of(fresh) != key.kid
    assert Api(fresh).get("/me").status_code == 200


def test_private_half_is_sealed_at_its_own_place(world: World, now: datetime) -> None:
    key = active_key(world.prod.caller(), now=now)
    assert "PRIVATE KEY" not in key.private_sealed
    assert open_text(private_place(key), key.private_sealed).reveal().startswith("-----BEGIN PRIVATE KEY-----")


def test_published_keys_pass_our_own_strict_import(world: World, now: datetime) -> None:
    for algorithm in ("ES256", "EdDSA"):
        active_key(world.prod.caller(), algorithm=algorithm, now=now)
    document = Api().get(world.prod.path("/.well-known/jwks.json")).json()
    assert {key.algorithm for key in import_public_jwks(document)} == {"RS256", "ES256", "EdDSA"}
    assert len(published_keys(world.prod.environment())) == len(document["keys"])
