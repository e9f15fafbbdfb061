"""The client-address rule: who is believed about where a request comes from."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from django.test import RequestFactory

from authsvc.settings import networks
from authsvc.web.client_address import client_address, is_address_in, is_from_trusted_proxy

PROXIES = ["10.0.0.0/8", "2001:db8::/32"]

# trusted ranges, the socket's address, X-Forwarded-For, what is believed
TABLE = [
    ([], "203.0.113.9", "", "203.0.113.9"),
    ([], "203.0.113.9", "198.51.100.7", "203.0.113.9"),
    ([], "127.0.0.1", "198.51.100.7", "127.0.0.1"),
    ([], "", "198.51.100.7", ""),
    ([], "nonsense", "198.51.100.7", ""),
    (PROXIES, "203.0.113.9", "10.0.0.1", "203.0.113.9"),
    (PROXIES, "203.0.113.9", "198.51.100.7, 10.0.0.1", "203.0.113.9"),
    (PROXIES, "10.0.0.1", "", "10.0.0.1"),
    (PROXIES, "10.0.0.1", "198.51.100.7", "198.51.100.7"),
    (PROXIES, "10.0.0.1", " 198.51.100.7 ", "198.51.100.7"),
    (PROXIES, "10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),
    (PROXIES, "10.0.0.1", "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
    (PROXIES, "10.0.0.1", "6.6.6.6, 198.51.100.7, 10.0.0.2, 10.9.9.9", "198.51.100.7"),
    (PROXIES, "10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
    (PROXIES, "10.0.0.1", "6.6.6.6, unknown", "10.0.0.1"),
    (PROXIES, "10.0.0.1", "6.6.6.6, 10.0.0.2, _hidden", "10.0.0.1"),
    (PROXIES, "10.0.0.1", "6.6.6.6, _hidden, 10.0.0.2", "10.0.0.2"),
    (PROXIES, "10.0.0.1", "6.6.6.6,", "10.0.0.1"),
    (PROXIES, "10.0.0.1", "198.51.100.7:4711", "10.0.0.1"),
    (PROXIES, "10.0.0.1", "0198.51.100.7", "10.0.0.1"),
    (PROXIES, "10.0.0.1", "3221226219", "10.0.0.1"),
    (PROXIES, "10.0.0.1", "198.51.100.7\x00", "10.0.0.1"),
    (PROXIES, "::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
    (PROXIES, "10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
    (PROXIES, "10.0.0.1", "6.6.6.6, ::ffff:10.0.0.2", "6.6.6.6"),
    (PROXIES, "2001:db8::1", "2001:DB9:0:0:0:0:0:7", "2001:db9::7"),
    (PROXIES, "2001:db9::1", "6.6.6.6", "2001:db9::1"),
    (PROXIES, "", "198.51.100.7", ""),
    (["unix"], "", "198.51.100.7", "198.51.100.7"),
    (["unix"], "", "6.6.6.6, 198.51.100.7", "198.51.100.7"),
    (["unix"], "", "", ""),
    (["unix"], "203.0.113.9", "198.51.100.7", "203.0.113.9"),
    (["unix", "10.0.0.0/8"], "", "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
]


@pytest.mark.parametrize(("trusted", "remote", "forwarded", "expected"), TABLE)
def test_client_address_believes_only_what_trusted_proxies_say(
    settings: Any, trusted: list[str], remote: str, forwarded: str, expected: str
) -> None:
    settings.AUTHSVC_TRUSTED_PROXIES = trusted
    settings.TRUSTED_PROXY_NETWORKS = networks(trusted)
    extra: dict[str, Any] = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR=remote, **extra)
    assert client_address(request) == expected


@pytest.mark.parametrize(
    "header", ["HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_CLIENT_IP", "HTTP_X_CLIENT_IP", "HTTP_TRUE_CLIENT_IP"]
)
def test_client_address_ignores_every_other_header(settings: Any, header: str) -> None:
    settings.AUTHSVC_TRUSTED_PROXIES = PROXIES
    settings.TRUSTED_PROXY_NETWORKS = networks(PROXIES)
    extra: dict[str, Any] = {header: "198.51.100.7"}
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", **extra)
    assert client_address(request) == "10.0.0.1"


def test_client_address_of_a_request_without_remote_address_is_empty(settings: Any) -> None:
    settings.AUTHSVC_TRUSTED_PROXIES = []
    request = RequestFactory().get("/")
    del request.META["REMOTE_ADDR"]
    assert client_address(request) == ""
    assert is_from_trusted_proxy(request) is False


@pytest.mark.parametrize(
    ("text", "inside"),
    [("10.1.2.3", True), ("11.0.0.1", False), ("::1", False), ("", False), ("nonsense", False), ("10.1.2.3/8", False)],
)
def test_is_address_in_matches_its_own_family_only(text: str, inside: bool) -> None:
    assert is_address_in(text, [ipaddress.ip_network("10.0.0.0/8")]) is inside


def test_is_address_in_without_ranges_is_false() -> None:
    assert is_address_in("10.0.0.1", []) is False
