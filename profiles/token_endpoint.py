"""One refresh request to a provider's token endpoint (RFC 6749 §6): what it answered, as values.

Goes only to the address it is given, over https, follows no redirect, uses no proxy and reads a bounded answer in
bounded time. In development http to this machine is allowed; in production no private address is ever asked.
"""

from __future__ import annotations

import ipaddress
import json
import math
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from authsvc.web.secret_text import SecretText

TIMEOUT_SECONDS: Final = 10.0
MAXIMUM_ANSWER: Final = 65_536
DEFAULT_LIFETIME_SECONDS: Final = 3600
MAXIMUM_LIFETIME_SECONDS: Final = 366 * 86_400
TERMINAL_ERRORS: Final = frozenset(
    {
        "expired_token",
        "invalid_grant",
        "invalid_refresh_token",
        "refresh_token_expired",
        "refresh_token_reused",
        "revoked",
        "sign_in_again",
        "token_expired",
        "token_invalidated",
    }
)
KNOWN_ERRORS: Final = TERMINAL_ERRORS | {"invalid_client", "unauthorized_client", "invalid_request", "invalid_scope"}


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where and how one provider refreshes."""

    url: str
    client_id: str
    wants_json: bool
    allows_local: bool


@dataclass(frozen=True, slots=True)
class NewTokens:
    """A fresh pair; an absent refresh token means that the old one stays good."""

    access: SecretText
    refresh: SecretText | None
    id_token: SecretText | None
    lifetime_seconds: int


@dataclass(frozen=True, slots=True)
class RefreshError:
    """Why there is no pair; terminal means that this refresh token will never work again."""

    reason: str
    is_terminal: bool


def url_fault(url: str, *, allows_local: bool) -> str:
    """Return what is wrong with a token endpoint's address, or an empty string."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password or parts.fragment:
        return "Give an https address without user name and fragment."
    if parts.scheme == "https" or (parts.scheme == "http" and allows_local and _is_loopback(parts.hostname)):
        return ""
    return "The address must be https."


def request_tokens(endpoint: TokenEndpoint, refresh_token: SecretText) -> NewTokens | RefreshError:
    """Ask for a new pair; never raises for what a provider or the network does."""
    if url_fault(endpoint.url, allows_local=endpoint.allows_local) or not _is_reachable_by_rule(endpoint):
        return RefreshError("address_not_allowed", is_terminal=False)
    try:
        with _OPENER.open(_request(endpoint, refresh_token), timeout=TIMEOUT_SECONDS) as answer:
            return _tokens(_read(answer))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _refusal(refusal.code, _read(refusal))
    except TimeoutError:
        return RefreshError("timeout", is_terminal=False)
    except (OSError, ValueError):
        return RefreshError("provider_unreachable", is_terminal=False)


def _request(endpoint: TokenEndpoint, refresh_token: SecretText) -> urllib.request.Request:
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal(), "client_id": endpoint.client_id}
    fields = {name: value for name, value in fields.items() if value}
    body = json.dumps(fields) if endpoint.wants_json else urlencode(fields)
    content_type = "application/json" if endpoint.wants_json else "application/x-www-form-urlencoded"
    headers = {"Content-Type": content_type, "Accept": "application/json", "User-Agent": "authsvc"}
    return urllib.request.Request(endpoint.url, body.encode(), headers, method="POST")  # noqa: S310 - scheme is checked


def _read(answer: object) -> bytes:
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


def _tokens(body: bytes) -> NewTokens | RefreshError:
    document = _decoded(body)
    access = document.get("access_token")
    if not isinstance(access, str) or not access.strip() or len(access) > MAXIMUM_ANSWER:
        return RefreshError("unusable_answer", is_terminal=False)
    return NewTokens(
        SecretText(access),
        _optional(document.get("refresh_token")),
        _optional(document.get("id_token")),
        _lifetime(document.get("expires_in")),
    )


def _refusal(status: int, body: bytes) -> RefreshError:
    if status == 429 or status >= 500:
        return RefreshError("provider_unavailable", is_terminal=False)
    error = _error_code(_decoded(body))
    if error in TERMINAL_ERRORS:
        return RefreshError(error, is_terminal=True)
    return RefreshError(error if error in KNOWN_ERRORS else "provider_refused", is_terminal=False)


def _error_code(document: dict[str, object]) -> str:
    """Providers write ``error`` as a code, or as an object that holds one."""
    error = document.get("error")
    if isinstance(error, dict):
        error = error.get("code") or error.get("type")
    return error.strip().lower() if isinstance(error, str) else ""


def _decoded(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _optional(value: object) -> SecretText | None:
    return SecretText(value) if isinstance(value, str) and value.strip() else None


def _lifetime(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        return DEFAULT_LIFETIME_SECONDS
    return int(min(value, MAXIMUM_LIFETIME_SECONDS))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_reachable_by_rule(endpoint: TokenEndpoint) -> bool:
    """In production every address behind the name must be public: our network is not a provider's to name."""
    if endpoint.allows_local:
        return True
    parts = urlsplit(endpoint.url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        return True  # the request itself will say that it cannot be reached
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_global for entry in found)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry a refresh token to an address nobody allowed."""

    def redirect_request(self, *_arguments: object, **_options: object) -> None:
        """Refuse: the redirect becomes an HTTP error."""
        return


_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
