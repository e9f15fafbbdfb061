"""Scheduled rotation: published ahead, used when due, never past a gateway without the key; nothing by default."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from authsvc.audit.models import AuditEvent
from authsvc.ops.steps import STEPS, run_step
from authsvc.tokens.keys import active_key, create_signing_key, find_next_key
from authsvc.tokens.models import SigningKey, SigningKeyState
from authsvc.tokens.policy import set_token_policy
from rbac.models import GatewayKind
from rbac.services.gateways import acknowledge_key_set, create_gateway, get_gateway
from rbac.services.key_schedule import rotate_due_keys
from tests.world import Api, Place, World

EVERY, LEAD = 30, 7


@pytest.fixture
def place(world: World, now: datetime) -> Place:
    """Return acme/prod, whose keys rotate every 30 days with a lead of 7."""
    changes = {"rotate_keys_after_days": EVERY, "key_lead_days": LEAD}
    set_token_policy(world.prod.caller(), changes=changes, now=now)
    return world.prod


def acknowledge(place: Place, kid: str, now: datetime) -> None:
    gateway = get_gateway(place.caller(), place.gateway["id"])
    acknowledge_key_set(place.caller(), gateway=gateway, kids=[kid], now=now)


def test_key_is_published_its_lead_ahead_and_signs_when_due(place: Place, now: datetime) -> None:
    old = active_key(place.caller(), now=now)
    assert old.activated_at is not None
    due = old.activated_at + timedelta(days=EVERY)
    ahead = due - timedelta(days=LEAD)
    assert rotate_due_keys(now=ahead - timedelta(seconds=1)) == 0
    assert rotate_due_keys(now=ahead) == 1
    assert rotate_due_keys(now=ahead) == 0
    upcoming = find_next_key(place.caller(), algorithm="RS256")
    assert upcoming is not None
    acknowledge(place, upcoming.kid, ahead)
    assert rotate_due_keys(now=due - timedelta(seconds=1)) == 0
    assert rotate_due_keys(now=due) == 1
    assert active_key(place.caller(), now=due).kid == upcoming.kid
    old.refresh_from_db()
    assert old.state == SigningKeyState.RETIRING
    event = AuditEvent.objects.get(event_type="signing_key.activated", subject_id=upcoming.id)
    assert (event.actor_kind, event.detail["reason"]) == ("system", "")


def test_key_a_gateway_lacks_waits_and_the_old_one_signs_on(place: Place, now: datetime) -> None:
    old = active_key(place.caller(), now=now)
    later = now + timedelta(days=EVERY)
    assert rotate_due_keys(now=later) == 1
    much_later = later + timedelta(days=LEAD)
    assert rotate_due_keys(now=much_later) == 0
    assert active_key(place.caller(), now=much_later).kid == old.kid
    upcoming = find_next_key(place.caller(), algorithm="RS256")
    assert upcoming is not None
    acknowledge(place, upcoming.kid, much_later)
    assert rotate_due_keys(now=much_later) == 1


def test_environment_without_a_schedule_rotates_by_hand_alone(place: Place, world: World, now: datetime) -> None:
    assert rotate_due_keys(now=now + timedelta(days=365)) == 1
    for other in (world.dev, world.foreign):
        assert find_next_key(other.caller(), algorithm="RS256") is None


def test_worker_has_the_step(place: Place, now: datetime) -> None:
    step = next(step for step in STEPS if step.name == "rotate_signing_keys")
    assert run_step(step, now=now + timedelta(days=EVERY)).done == 1


def test_second_next_key_of_an_algorithm_is_refused_by_the_database(place: Place, now: datetime) -> None:
    create_signing_key(place.caller(), algorithm="ES256", state=SigningKeyState.NEXT, now=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        create_signing_key(place.caller(), algorithm="ES256", state=SigningKeyState.NEXT, now=now)


def fetched(place: Place, **headers: str) -> Any:
    return Api().get(place.path("/.well-known/jwks.json"), **headers)


def test_gateway_that_fetches_with_its_token_is_noted_once_for_each_key_set(world: World) -> None:
    place = world.prod
    bearer = {"Authorization": f"Bearer {place.gateway['token']}"}
    kids = sorted(key["kid"] for key in fetched(place, **bearer).json()["keys"])
    fetched(place, **bearer)
    gateway = place.api().get(f"/gateways/{place.gateway['id']}").json()
    assert gateway["fetched_kids"] == kids
    assert gateway["fetched_at"]
    assert gateway["acknowledged_at"] is None
    event = AuditEvent.objects.get(event_type="gateway.key_set_fetched")
    assert (event.detail, event.actor_id) == ({"kids": kids}, place.gateway["id"])


def test_key_set_is_answered_alike_whatever_proof_comes_with_it(world: World) -> None:
    place = world.prod
    plain = fetched(place)
    for bearer in (world.foreign.gateway["token"], world.dev.gateway["token"], place.api_key, "agw_prod_x", ""):
        answer = fetched(place, Authorization=f"Bearer {bearer}")
        assert (answer.status_code, answer.content) == (200, plain.content)
    assert AuditEvent.objects.filter(event_type="gateway.key_set_fetched").count() == 0


def test_fetching_is_enough_for_a_gateway_that_reads_the_set_again(world: World, now: datetime) -> None:
    place = world.prod
    create_gateway(place.caller(), name="Edge", kind=GatewayKind.GENERIC, algorithm="ES256", now=now)
    edge = create_gateway(place.caller(), name="Edge 2", kind=GatewayKind.GENERIC, algorithm="EdDSA", now=now)
    token = place.api().post(f"/gateways/{edge.id}/tokens", {"name": "t"}).json()["secret"]
    rotated = place.api().post("/keys/rotate", {"algorithm": "EdDSA"}).json()
    SigningKey.objects.for_environment(place.caller()).filter(id=rotated["id"]).update(
        created_at=now - timedelta(seconds=301)
    )
    refused = place.api().post("/keys/activate", {"algorithm": "EdDSA"})
    assert (refused.status_code, refused.json()["gateways"]) == (409, [edge.id])
    fetched(place, Authorization=f"Bearer {token}")
    assert place.api().post("/keys/activate", {"algorithm": "EdDSA"}).status_code == 200


def test_key_set_has_an_etag_that_answers_304_in_every_spelling(world: World) -> None:
    first = fetched(world.prod)
    assert first["Cache-Control"] == "public, max-age=300"
    for known in (first["ETag"], f"W/{first['ETag']}", f'"x", {first["ETag"]}', "*"):
        again = fetched(world.prod, **{"If-None-Match": known})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert fetched(world.prod, **{"If-None-Match": '"x"'}).status_code == 200


def test_pem_holds_the_same_keys(world: World) -> None:
    answer = Api().get(world.prod.path("/jwks.pem"))
    assert answer["Content-Type"] == "application/x-pem-file"
    pems = answer.content.decode().count("-----BEGIN PUBLIC KEY-----")
    assert pems == len(fetched(world.prod).json()["keys"])
