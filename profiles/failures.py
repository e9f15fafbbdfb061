"""What a reported provider failure means: one reason out of a closed set, and what the operator can do about it. PURE.

Reads the message a provider sent and, when no phrase is known, the HTTP status. Refuses to blame a credential for
errors that are not its fault: a malformed request never cools a credential (``blames_credential``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

READ_CHARACTERS: Final = 4_000  # provider messages carry their point early; the rest may be an echoed prompt


class FailureReason(StrEnum):
    """Why a provider refused; the names are those of openclaw 2026.9.6 plus two of our own."""

    RATE_LIMIT = "rate_limit"
    BILLING = "billing"
    AUTH = "auth"
    AUTH_PERMANENT = "auth_permanent"
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    MODEL_NOT_FOUND = "model_not_found"
    FORMAT = "format"
    SESSION_EXPIRED = "session_expired"
    EMPTY_RESPONSE = "empty_response"
    NO_ERROR_DETAILS = "no_error_details"
    UNCLASSIFIED = "unclassified"
    UNKNOWN = "unknown"
    CREDENTIAL_NOT_ALLOWED = "credential_not_allowed"
    QUOTA_EXHAUSTED = "quota_exhausted"


@dataclass(frozen=True, slots=True)
class Classification:
    """A reason and the remedy for the operator, empty when waiting is the remedy."""

    reason: FailureReason
    hint: str


def classify(message: str, status: int | None = None) -> Classification:
    """Name the reason of a failure from its ``message``, else from the HTTP ``status``, else ``unknown``."""
    reason = _reason_of(message[:READ_CHARACTERS].lower(), status)
    return Classification(reason, HINTS.get(reason, ""))


def blames_credential(reason: FailureReason) -> bool:
    """Return whether the reason may cool, block or disable the credential that was used."""
    return reason not in _INNOCENT


def _reason_of(text: str, status: int | None) -> FailureReason:
    for reason, phrases in _PHRASES:
        if any(phrase in text for phrase in phrases):
            return reason
    if status in _STATUSES:
        return _STATUSES[status]
    return FailureReason.UNKNOWN if text.strip() else FailureReason.NO_ERROR_DETAILS


_INNOCENT: Final = frozenset({FailureReason.FORMAT, FailureReason.EMPTY_RESPONSE, FailureReason.NO_ERROR_DETAILS})

# The order decides: the narrow phrases stand before the wide ones they contain.
_PHRASES: Final[tuple[tuple[FailureReason, tuple[str, ...]], ...]] = (
    (
        FailureReason.CREDENTIAL_NOT_ALLOWED,
        ("only authorized for use with claude code", "only for claude code", "oauth authentication is not allowed"),
    ),
    (
        FailureReason.QUOTA_EXHAUSTED,
        ("usage limit reached", "usage limit has been reached", "weekly limit", "quota exhausted", "quota_exhausted"),
    ),
    (
        FailureReason.BILLING,
        (
            "credit balance",
            "insufficient credits",
            "insufficient balance",
            "insufficient_quota",
            "exceeded your current quota",
            "payment required",
        ),
    ),
    (
        FailureReason.AUTH_PERMANENT,
        (
            "api key has been revoked",
            "key has been disabled",
            "api_key_revoked",
            "api_key_deleted",
            "deactivated",
        ),
    ),
    (FailureReason.SESSION_EXPIRED, ("session expired", "session not found", "conversation not found")),
    (
        FailureReason.MODEL_NOT_FOUND,
        ("model_not_found", "model not found", "unknown model", "model does not exist", "no such model"),
    ),
    (
        FailureReason.RATE_LIMIT,
        ("rate limit", "rate_limit", "ratelimit", "too many requests", "quota exceeded", "throttl"),
    ),
    (FailureReason.OVERLOADED, ("overloaded", "over capacity", "server is busy", "high demand")),
    (FailureReason.TIMEOUT, ("timed out", "timeout", "deadline exceeded", "econnreset", "socket hang up")),
    (
        FailureReason.AUTH,
        (
            "invalid api key",
            "invalid_api_key",
            "invalid x-api-key",
            "incorrect api key",
            "authentication_error",
            "permission_error",
            "unauthorized",
            "oauth token has expired",
            "token expired",
            "no credentials",
        ),
    ),
    (FailureReason.FORMAT, ("invalid_request_error", "invalid request", "must alternate", "tool_use_id")),
    (FailureReason.EMPTY_RESPONSE, ("empty response", "empty_response")),
)

_STATUSES: Final[Mapping[int | None, FailureReason]] = {
    400: FailureReason.FORMAT,
    401: FailureReason.AUTH,
    402: FailureReason.BILLING,
    403: FailureReason.AUTH,
    404: FailureReason.MODEL_NOT_FOUND,
    408: FailureReason.TIMEOUT,
    413: FailureReason.FORMAT,
    422: FailureReason.FORMAT,
    429: FailureReason.RATE_LIMIT,
    500: FailureReason.TIMEOUT,
    502: FailureReason.TIMEOUT,
    503: FailureReason.OVERLOADED,
    504: FailureReason.TIMEOUT,
    529: FailureReason.OVERLOADED,
}

HINTS: Final[Mapping[FailureReason, str]] = {
    FailureReason.CREDENTIAL_NOT_ALLOWED: "The provider refuses this subscription credential here: use an API key.",
    FailureReason.BILLING: "Top up the provider account, then clear the cooldown.",
    FailureReason.QUOTA_EXHAUSTED: "The subscription quota is used up; wait for its reset or add another profile.",
    FailureReason.AUTH: "Check the credential and paste it again if it was rotated.",
    FailureReason.AUTH_PERMANENT: "The provider revoked this credential; store a new one.",
    FailureReason.MODEL_NOT_FOUND: "Check the model name and whether this account may use it.",
    FailureReason.SESSION_EXPIRED: "Start a new session or sign in again.",
    FailureReason.FORMAT: "The request was malformed; the credential is not at fault.",
}
