"""Which request a proxy asks about, per product, and which header fields are believed."""

from __future__ import annotations

import pytest

from authsvc.gate.forwarded import Asked, Contract, Unreadable, asked_below, asked_in_headers, may_use_cookie

pytestmark = pytest.mark.pure

NGINX = {"x-original-method": "POST", "x-original-uri": "/agents/a1/runs?x=1"}
TRAEFIK = {"x-forwarded-method": "GET", "x-forwarded-uri": "/agents", "x-forwarded-host": "chat.example"}


def read(headers: dict[str, str], contract: str = "", *, is_trusted: bool = True) -> Asked:
    return asked_in_headers(headers, contract=contract, cookie="", is_trusted=is_trusted)


@pytest.mark.parametrize(
    ("headers", "contract", "method", "path"),
    [
        (NGINX, "", "POST", "/agents/a1/runs"),
        (NGINX, "nginx", "POST", "/agents/a1/runs"),
        (TRAEFIK, "", "GET", "/agents"),
        (TRAEFIK, "traefik", "GET", "/agents"),
        (TRAEFIK, "caddy", "GET", "/agents"),
        ({**NGINX, **TRAEFIK}, "nginx", "POST", "/agents/a1/runs"),
        ({**NGINX, **TRAEFIK}, "traefik", "GET", "/agents"),
        ({}, "", "", ""),
        (TRAEFIK, "nginx", "", ""),
    ],
)
def test_header_fields_of_the_contract_are_read(headers: dict[str, str], contract: str, method: str, path: str) -> None:
    asked = read(headers, contract)
    assert (asked.method, asked.path) == (method, path)


@pytest.mark.parametrize(
    ("headers", "contract", "is_trusted"),
    [
        (NGINX, "nginx", False),
        (TRAEFIK, "", False),
        ({**NGINX, **TRAEFIK}, "", True),
        ({"x-original-uri": "/a"}, "nginx", True),
        ({"x-original-method": "GET"}, "nginx", True),
        ({"x-original-method": "GET,POST", "x-original-uri": "/a"}, "nginx", True),
        ({}, "apache", True),
    ],
)
def test_header_fields_nobody_may_believe_are_refused(headers: dict[str, str], contract: str, is_trusted: bool) -> None:
    with pytest.raises(Unreadable):
        read(headers, contract, is_trusted=is_trusted)


def test_cookie_of_a_strange_name_is_refused() -> None:
    with pytest.raises(Unreadable):
        asked_in_headers({}, contract="", cookie="a b", is_trusted=True)


def test_host_of_an_untrusted_peer_is_ignored() -> None:
    assert read({"x-forwarded-host": "evil.example"}, is_trusted=False).host == ""


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/t/a/prod/gateways/g/forward-auth/agents/a1?q=1", "/agents/a1"),
        ("/t/a/prod/gateways/g/forward-auth/a%2Fb", "/a%2Fb"),
        ("/t/a/prod/gateways/g/forward-auth/forward-auth/x", "/forward-auth/x"),
    ],
)
def test_path_below_the_address_is_taken_as_it_came_on_the_wire(raw: str, path: str) -> None:
    assert asked_below("PUT", raw) == Asked(Contract.ENVOY, "PUT", path)


@pytest.mark.parametrize("raw", ["", "/t/a/prod/gateways/g/forward%2Dauth/x"])
def test_path_that_is_not_told_as_it_came_cannot_be_read(raw: str) -> None:
    with pytest.raises(Unreadable):
        asked_below("PUT", raw)


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500, 503])
def test_nginx_and_an_unknown_proxy_get_only_what_nginx_understands(status: int) -> None:
    expected = status if status in {200, 401, 403} else 403
    assert Contract.NGINX.status(status) == Contract.UNSAID.status(status) == expected
    assert {Contract(name).status(status) for name in ("traefik", "caddy", "envoy")} == {status}


@pytest.mark.parametrize(
    ("headers", "method", "url", "allowed"),
    [
        ({}, "GET", "", True),
        ({}, "", "", True),
        ({}, "POST", "", False),
        ({"sec-websocket-key": "x"}, "GET", "", False),
        ({"origin": "https://chat.example", "sec-websocket-key": "x"}, "GET", "", True),
        ({"origin": "https://CHAT.example"}, "POST", "", True),
        ({"origin": "https://gateway.example:8443"}, "POST", "https://gateway.example:8443/x", True),
        ({"origin": "https://evil.example"}, "GET", "", False),
        ({"origin": "https://chat.example.evil"}, "GET", "", False),
        ({"origin": "null"}, "GET", "", False),
    ],
)
def test_cookie_counts_only_for_the_same_site(headers: dict[str, str], method: str, url: str, allowed: bool) -> None:
    asked = Asked(Contract.NGINX, method, "/x" if method else "", "chat.example", "session")
    assert may_use_cookie(headers, asked, url) is allowed


def test_cookie_of_an_unknown_host_is_refused_with_any_origin() -> None:
    assert not may_use_cookie({"origin": "null"}, Asked(Contract.NGINX), "")
