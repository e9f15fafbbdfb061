"""Address ranges a key or code may be used from: read once when it is made, asked at every use."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from authsvc.web.problems import ValidationFailed


def is_address_allowed(address: str, ranges: Sequence[str]) -> bool:
    """Tell whether the address lies in one of the ranges; no ranges allow every address, no address fits any range."""
    if not ranges:
        return True
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in _network(text) for text in ranges)


def checked_address_ranges(ranges: Sequence[str]) -> list[str]:
    """Return the ranges in their shortest form; ``ValidationFailed`` at ``address_ranges`` names one that is none."""
    checked = []
    for text in ranges:
        try:
            checked.append(str(ipaddress.ip_network(text, strict=False)))
        except ValueError as error:
            raise ValidationFailed(errors={"address_ranges": [f"{text[:60]!r} is not an address range."]}) from error
    return checked


@lru_cache(maxsize=1024)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)
