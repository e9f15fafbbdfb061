"""One refresh request to a provider's token endpoint (RFC 6749 §6): what it answered, as values.

Goes only to the address it is given, under the rules of ``outbound.py``.
"""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from authsvc.web.secret_text import SecretText
from profiles.outbound import MAXIMUM_ANSWER, OPENER, TIMEOUT_SECONDS, is_askable, read_bounded

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


def request_tokens(endpoint: TokenEndpoint, refresh_token: SecretText) -> NewTokens | RefreshError:
    """Ask for a new pair; never raises for what a provider or the network does."""
    if not is_askable(endpoint.url, allows_local=endpoint.allows_local):
        return RefreshError("address_not_allowed", is_terminal=False)
    try:
        with OPENER.open(_request(endpoint, refresh_token), timeout=TIMEOUT_SECONDS) as answer:
            return _tokens(read_bounded(answer))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _refusal(refusal.code, read_bounded(refusal))
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
