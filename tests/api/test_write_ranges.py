"""Credential writes only from the configured addresses, whatever the token and whatever a header claims."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from authsvc.ops.checks import check_settings
from authsvc.settings import networks
from profiles.models import Credential
from tests.world import World

ADDRESS_FIELDS = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"]


def limit(settings: Any, *ranges: str, proxies: tuple[str, ...] = ()) -> None:
    settings.AUTHSVC_CREDENTIAL_WRITE_CIDRS = list(ranges)
    settings.CREDENTIAL_WRITE_NETWORKS = networks(list(ranges))
    settings.AUTHSVC_TRUSTED_PROXIES = list(proxies)
    settings.TRUSTED_PROXY_NETWORKS = networks(list(proxies))


def write(world: World, peer: str, **headers: str) -> int:
    """Store a profile from a peer's address (empty: a unix socket) and return the status."""
    count = Credential.unscoped.count()
    body = {"provider": "openai", "name": f"n{count}", "kind": "api_key", "value": f"sk-{'a1B2' * 10}"}
    fields = {"Authorization": f"Bearer {world.prod.api_key}", **headers}
    answer = Client(REMOTE_ADDR=peer).post("/api/v1/profiles", body, content_type="application/json", headers=fields)
    assert (Credential.unscoped.count() > count) is (answer.status_code == 201)
    if answer.status_code != 201:
        assert answer.json()["code"] == "address_not_allowed", answer.content
    return int(answer.status_code)


def test_no_ranges_allow_writes_from_anywhere(world: World, settings: Any) -> None:
    limit(settings)
    assert write(world, "203.0.113.9") == 201


@pytest.mark.parametrize(
    ("ranges", "peer", "status"),
    [
        (("10.0.0.0/8",), "10.1.2.3", 201),
        (("10.0.0.0/8",), "11.0.0.1", 403),
        (("loopback",), "127.0.0.1", 201),
        (("loopback",), "::1", 201),
        (("loopback",), "::ffff:127.0.0.1", 201),
        (("loopback",), "203.0.113.9", 403),
        (("loopback",), "", 403),
        (("2001:db8::/32",), "2001:db8::5", 201),
        (("2001:db8::/32",), "10.0.0.1", 403),
        (("nonsense",), "127.0.0.1", 403),
        (("unix",), "", 403),
    ],
)
def test_ranges_decide_by_the_address_of_the_socket(
    world: World, settings: Any, ranges: tuple[str, ...], peer: str, status: int
) -> None:
    limit(settings, *ranges)
    assert write(world, peer) == status


@pytest.mark.parametrize("name", ADDRESS_FIELDS)
@pytest.mark.parametrize("peer", ["203.0.113.9", ""])
def test_spoofed_address_buys_nothing(world: World, settings: Any, name: str, peer: str) -> None:
    limit(settings, "loopback")
    assert write(world, peer, **{name: "127.0.0.1"}) == 403


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("10.9.9.9", 201),
        ("203.0.113.9", 403),
        ("10.9.9.9, 203.0.113.9", 403),
        ("203.0.113.9, 10.9.9.9", 201),
        ("10.9.9.9, 192.0.2.1", 201),
        ("", 403),
        ("nonsense", 403),
    ],
)
@pytest.mark.parametrize(("peer", "trusted"), [("192.0.2.1", "192.0.2.1"), ("", "unix")])
def test_behind_a_trusted_proxy_its_word_counts(
    world: World, settings: Any, forwarded: str, status: int, peer: str, trusted: str
) -> None:
    limit(settings, "10.0.0.0/8", proxies=("192.0.2.1", trusted))
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert write(world, peer, **headers) == status


def test_reading_is_not_limited(world: World, settings: Any) -> None:
    limit(settings, "10.0.0.0/8")
    assert world.prod.api().get("/profiles").status_code == 200


@pytest.mark.parametrize(
    ("name", "text", "good"),
    [
        ("AUTHSVC_CREDENTIAL_WRITE_CIDRS", "loopback", True),
        ("AUTHSVC_CREDENTIAL_WRITE_CIDRS", "unix", False),
        ("AUTHSVC_CREDENTIAL_WRITE_CIDRS", "10.0.0.0/33", False),
        ("AUTHSVC_TRUSTED_PROXIES", "unix", True),
        ("AUTHSVC_METRICS_CIDRS", "localhost", False),
    ],
)
def test_range_nobody_can_read_stops_a_production_start(settings: Any, name: str, text: str, good: bool) -> None:
    settings.PRODUCTION, settings.AUTHSVC_ENV = True, "production"
    setattr(settings, name, [text])
    assert ("authsvc.E008" not in {message.id for message in check_settings()}) is good
