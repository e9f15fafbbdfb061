"""Where a request comes from: the socket's address, or what a configured proxy says; nobody else is believed.

``X-Forwarded-For`` is read from right to left, past trusted proxies only, and stops at the first address that is
not one of them. A request on a unix socket has no address of its own; it is believed only if ``unix`` is listed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(request: HttpRequest) -> str:
    """Return the client's address in canonical text, or ``""`` when it cannot be told."""
    direct = _parse(request.META.get("REMOTE_ADDR", ""))
    if not is_from_trusted_proxy(request):
        return str(direct) if direct else ""
    nearest = direct
    for text in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        hop = _parse(text.strip())
        if hop is None:
            break
        nearest = hop
        if not is_in(hop, settings.TRUSTED_PROXY_NETWORKS):
            break
    return str(nearest) if nearest else ""


def network_of(text: str) -> str:
    """Return whom an address stands for: an IPv4 address itself, the network of 64 bits of an IPv6 address."""
    if ":" not in text:
        return text
    return str(ipaddress.ip_network(f"{text.partition('%')[0]}/64", strict=False).network_address)


def is_from_trusted_proxy(request: HttpRequest) -> bool:
    """True when the socket's other end is a configured proxy."""
    remote = request.META.get("REMOTE_ADDR", "")
    if not remote:
        return "unix" in settings.AUTHSVC_TRUSTED_PROXIES
    address = _parse(remote)
    return address is not None and is_in(address, settings.TRUSTED_PROXY_NETWORKS)


def is_address_in(text: str, networks: Iterable[Network]) -> bool:
    """True when ``text`` is an address inside one of the ranges; unknown addresses are in none."""
    address = _parse(text)
    return address is not None and is_in(address, networks)


def is_in(address: Address, networks: Iterable[Network]) -> bool:
    """True when the address lies in one of the ranges of its own family."""
    return any(address.version == network.version and address in network for network in networks)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
