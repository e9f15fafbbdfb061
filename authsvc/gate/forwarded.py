"""What a proxy asks about: the original method and path, read as each product sends them. PURE.

nginx names them in ``X-Original-Method`` and ``X-Original-URI``, Traefik and Caddy in ``X-Forwarded-Method`` and
``X-Forwarded-Uri``, Envoy repeats the request below the address. Refused: header fields from a peer that is no
configured proxy, and two families that disagree where the address does not say which one counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

COOKIE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Contract(StrEnum):
    """Which proxy asks; ``?contract=`` in the address the operator configures says so."""

    NGINX = "nginx"
    TRAEFIK = "traefik"
    CADDY = "caddy"
    ENVOY = "envoy"
    UNSAID = ""

    def status(self, status: int) -> int:
        """Return the status this proxy understands: nginx (and an unknown one) takes any other than 401 for 403."""
        if self in {Contract.TRAEFIK, Contract.CADDY, Contract.ENVOY} or status in {200, 401, 403}:
            return status
        return 403


@dataclass(frozen=True, slots=True)
class Asked:
    """The request at the proxy; without a path only the proof is looked at."""

    contract: Contract
    method: str = ""
    path: str = ""
    host: str = ""
    cookie: str = ""


class Unreadable(ValueError):
    """The proxy's header fields cannot be believed; the text says why, for the log and the operator."""


NGINX_FIELDS = ("x-original-method", "x-original-uri")
FORWARDED_FIELDS = ("x-forwarded-method", "x-forwarded-uri")
FAMILIES: Mapping[Contract, tuple[tuple[str, str], ...]] = {
    Contract.NGINX: (NGINX_FIELDS,),
    Contract.TRAEFIK: (FORWARDED_FIELDS,),
    Contract.CADDY: (FORWARDED_FIELDS,),
    Contract.ENVOY: (),
    Contract.UNSAID: (NGINX_FIELDS, FORWARDED_FIELDS),
}


def asked_below(method: str, raw_path: str) -> Asked:
    """Return what Envoy asks: its own method, and the path as it came on the wire below the address.

    Raises ``Unreadable`` where the server keeps the decoded path alone: an encoded slash would pass for another path.
    """
    _, found, rest = raw_path.partition("?")[0].partition("/forward-auth")
    if not found:
        raise Unreadable("the server does not say the path as it came on the wire")
    return Asked(Contract.ENVOY, method, rest)


def asked_in_headers(headers: Mapping[str, str], *, contract: str, cookie: str, is_trusted: bool) -> Asked:
    """Return what the header fields ask (names in lower case); raises ``Unreadable``."""
    if contract not in set(Contract) or (cookie and not COOKIE_NAME.fullmatch(cookie)):
        raise Unreadable("the address names an unknown contract or cookie")
    chosen = Contract(contract)
    families = FAMILIES[chosen]
    found = {(headers.get(method, ""), _path(headers.get(uri, ""))) for method, uri in families} - {("", "")}
    if found and not is_trusted:
        raise Unreadable("the peer is not in AUTHSVC_TRUSTED_PROXIES")
    if len(found) > 1:
        raise Unreadable("X-Original-URI and X-Forwarded-Uri disagree; name the contract in the address")
    method, path = found.pop() if found else ("", "")
    if bool(method) != bool(path) or "," in method:
        raise Unreadable("the proxy sends a method without a path, or a path without a method")
    host = headers.get("x-forwarded-host", "") if is_trusted else ""
    return Asked(chosen, method, path, host, cookie)


def may_use_cookie(headers: Mapping[str, str], asked: Asked, gateway_url: str) -> bool:
    """True unless another site could have made the browser send the cookie: a foreign Origin, or none on a change.

    A WebSocket handshake counts as a change, since any page may open one.
    """
    origin = headers.get("origin", "")
    if origin:
        hosts = {asked.host.casefold(), urlsplit(gateway_url).netloc.casefold()} - {""}
        return urlsplit(origin).netloc.casefold() in hosts
    return asked.method in {"", *SAFE_METHODS} and "sec-websocket-key" not in headers


def _path(uri: str) -> str:
    return uri.partition("?")[0]
