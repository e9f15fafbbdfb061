"""Requests to a provider, and only to an address an administrator configured: the allow-list is that one address.

https alone, no redirect, no proxy, a bounded answer in bounded time. In development http to this machine is allowed; in
production no private address is ever asked.
"""

from __future__ import annotations

import ipaddress
import socket
import time
import urllib.request
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_SECONDS: Final = 10.0
MAXIMUM_ANSWER: Final = 65_536


def url_fault(url: str, *, allows_local: bool) -> str:
    """Return what is wrong with a token endpoint's address, or an empty string."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password or parts.fragment:
        return "Give an https address without user name and fragment."
    if parts.scheme == "https" or (parts.scheme == "http" and allows_local and _is_loopback(parts.hostname)):
        return ""
    return "The address must be https."


def is_askable(url: str, *, allows_local: bool) -> bool:
    """Return whether the address may be asked: in production every one behind the name must be public.

    Our network is not a provider's to name.
    """
    if url_fault(url, allows_local=allows_local):
        return False
    if allows_local:
        return True
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        return True  # the request itself will say that it cannot be reached
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_global for entry in found)


def read_bounded(answer: object) -> bytes:
    """Return the body of an answer; raises ``TimeoutError`` or ``ValueError`` when it is too slow or too large."""
    read = getattr(answer, "read1", None) or getattr(answer, "read")  # noqa: B009
    deadline, size = time.monotonic() + TIMEOUT_SECONDS, 0
    parts: list[bytes] = []
    while size <= MAXIMUM_ANSWER:
        part: bytes = read(MAXIMUM_ANSWER)
        if not part:
            return b"".join(parts)
        if time.monotonic() > deadline:
            raise TimeoutError
        parts.append(part)
        size += len(part)
    raise ValueError("The answer is too large.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry a secret to an address nobody allowed."""

    def redirect_request(self, *_arguments: object, **_options: object) -> None:
        """Refuse: the redirect becomes an HTTP error."""
        return


OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
