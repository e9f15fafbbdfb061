"""One harmless request to a provider with a stored credential: does it take it? What it answered, as values.

A GET to the address an administrator configured, under the rules of ``outbound.py``; the message is read for its
reason and never kept.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final

from authsvc.web.secret_text import SecretText
from profiles.models import ProbeStyle
from profiles.outbound import OPENER, TIMEOUT_SECONDS, is_askable, read_bounded
from profiles.providers import Kind

ANTHROPIC_VERSION: Final = "2023-06-01"
ANTHROPIC_LOGIN: Final = "oauth-2025-04-20"


@dataclass(frozen=True, slots=True)
class ProbeEndpoint:
    """Where and how one provider's credentials are tried."""

    url: str
    style: ProbeStyle
    allows_local: bool


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The provider's status and message; without a status ``fault`` says why nobody could tell."""

    http_status: int | None = None
    message: str = ""
    fault: str = ""


def ask_provider(endpoint: ProbeEndpoint, kind: Kind, secret: SecretText) -> ProbeAnswer:
    """Ask once; never raises for what a provider or the network does."""
    if not is_askable(endpoint.url, allows_local=endpoint.allows_local):
        return ProbeAnswer(fault="address_not_allowed")
    headers = {"Accept": "application/json", "User-Agent": "authsvc", **_proof(endpoint.style, kind, secret)}
    try:
        request = urllib.request.Request(endpoint.url, headers=headers)  # noqa: S310 - the scheme is checked
        with OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return ProbeAnswer(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return ProbeAnswer(refusal.code, _message(refusal))
    except TimeoutError:
        return ProbeAnswer(fault="timeout")
    except (OSError, ValueError):
        return ProbeAnswer(fault="provider_unreachable")


def _proof(style: ProbeStyle, kind: Kind, secret: SecretText) -> dict[str, str]:
    bearer, key = {"Authorization": f"Bearer {secret.reveal()}"}, {"x-api-key": secret.reveal()}
    if style is ProbeStyle.BEARER:
        return bearer
    if style is ProbeStyle.X_API_KEY:
        return key
    proof = key if kind is Kind.API_KEY else {**bearer, "anthropic-beta": ANTHROPIC_LOGIN}
    return {**proof, "anthropic-version": ANTHROPIC_VERSION}


def _message(refusal: urllib.error.HTTPError) -> str:
    try:
        return read_bounded(refusal).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
