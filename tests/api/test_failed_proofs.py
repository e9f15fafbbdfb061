"""Twenty failed proofs within a minute, of one principal or from one network, are one event in the right chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from authsvc.audit.failures import THRESHOLD, note_failed_proof
from authsvc.audit.models import PLATFORM, AuditEvent
from authsvc.tenants.models import Operator
from authsvc.tenants.services import system_caller
from authsvc.tokens.formats import generate, parse
from tests.world import Api, Place, World, altered

Fail = Callable[[Place], Any]
START = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def told() -> list[tuple[str, str, str, int]]:
    """Return chain, what was counted, subject and count of each event."""
    events = AuditEvent.objects.filter(event_type="authentication.threshold_reached").order_by("occurred_at", "id")
    return sorted((e.tenant_id, e.detail["counted"], e.subject_id, e.detail["count"]) for e in events)


def with_wrong_key(place: Place) -> Any:
    """Show an API key with a wrong secret and a right checksum."""
    return Api(wrong_secret(place.api_key)).get("/me")


def at_the_token_endpoint(place: Place) -> Any:
    """Show a wrong client secret."""
    return place.token_request(client_secret=altered(place.client_secret))


def at_forward_auth(place: Place) -> Any:
    """Show a wrong gateway token to a proxy."""
    token = wrong_secret(place.gateway["token"])
    return Api(token).get(place.path(f"/gateways/{place.gateway['id']}/forward-auth"))


def as_device(place: Place) -> Any:
    """Guess a device's secret; after ten guesses the answer is to wait."""
    return Api().post(f"/devices/{place.device['id']}/authenticate", {"secret": "guess"})


def wrong_secret(text: str) -> str:
    """Return a text that names the same key with a secret it never had."""
    parsed = parse(text)
    assert parsed is not None
    return generate(parsed.type, parsed.environment, parsed.id).text.reveal()


WAYS: list[tuple[Fail, Callable[[Place], str]]] = [
    (with_wrong_key, lambda place: str(place.client_id)),
    (at_the_token_endpoint, lambda place: str(place.client_id)),
    (at_forward_auth, lambda place: str(place.gateway["id"])),
    (as_device, lambda place: str(place.device["id"])),
]


@pytest.mark.parametrize(("fail", "principal"), WAYS, ids=lambda value: value.__name__)
def test_twentieth_failure_in_a_minute_is_an_event_of_the_tenant(
    world: World, fail: Fail, principal: Callable[[Place], str]
) -> None:
    place = world.prod
    for _ in range(THRESHOLD - 1):
        assert fail(place).status_code in {401, 429}
    assert told() == []
    last = fail(place)
    tenant_id = place.caller().tenant_id
    expected = [(tenant_id, "address", "127.0.0.1", 20), (tenant_id, "principal", principal(place), 20)]
    assert told() == expected
    event = AuditEvent.objects.filter(event_type="authentication.threshold_reached").latest("sequence")
    assert (event.address, event.request_id, event.actor_kind) == ("127.0.0.1", last["X-Request-Id"], "system")
    assert event.environment_id == place.caller().environment_id


def test_failures_of_nobody_we_know_stand_in_the_chain_of_the_platform(world: World) -> None:
    for _ in range(THRESHOLD):
        assert Api("garbage").get("/me").status_code == 401
    assert told() == [(PLATFORM, "address", "127.0.0.1", 20)]


def test_failed_sign_ins_count_for_the_operator_and_the_address(world: World) -> None:
    for _ in range(THRESHOLD):
        Client().post("/admin/login/", {"username": "acme", "password": "wrong"})
    operator = Operator.objects.get(username="acme").id
    assert told() == sorted([(PLATFORM, "principal", operator, 20), (PLATFORM, "address", "127.0.0.1", 20)])


def test_requests_without_a_proof_and_with_a_good_one_do_not_count(world: World) -> None:
    for _ in range(THRESHOLD + 5):
        assert Api().get("/me").status_code == 401
        assert world.prod.api().get("/me").status_code == 200
    assert told() == []


def fail_at(seconds: list[float], address: str = "192.0.2.7") -> None:
    """Fail at these seconds after a fixed moment."""
    for second in seconds:
        moment = START + timedelta(seconds=second)
        caller = replace(system_caller(), address=address)
        note_failed_proof(caller, principal_id="", address=address, proof="bearer", now=moment)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("seconds", "events"),
    [
        ([n * 2.9 for n in range(20)], 1),
        ([n * 3.5 for n in range(40)], 0),
        ([15 + n for n in range(20)], 1),
        ([0.0] * 19 + [61.0] * 19, 0),
        ([n * 0.1 for n in range(300)], 1),
        ([0.0] * 20 + [70.0] * 20, 2),
    ],
    ids=["spread over a minute", "slower", "across half a minute", "19 and 19", "a flood", "twice"],
)
def test_threshold_is_twenty_within_one_minute(seconds: list[float], events: int) -> None:
    fail_at(seconds)
    assert len(told()) == events


@pytest.mark.django_db
def test_addresses_of_one_ipv6_network_count_together_and_strangers_apart() -> None:
    for number in range(THRESHOLD):
        fail_at([number / 10], address=f"2001:db8::{number + 1:x}")
        fail_at([number / 10], address=f"198.51.100.{number}")
    assert told() == [(PLATFORM, "address", "2001:db8::", 20)]


@pytest.mark.django_db
def test_event_that_cannot_be_written_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr("authsvc.audit.failures.record", away)
    fail_at([0.0] * THRESHOLD)
    assert told() == []
