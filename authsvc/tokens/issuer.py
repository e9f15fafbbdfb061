"""The address of an issuer: ``{base}/t/{tenant}/{environment}`` (RFC 8414 §2); compared whole, never in part."""

from __future__ import annotations

from django.conf import settings

API_AUDIENCE = "authsvc"


def issuer_of(tenant: str, environment: str) -> str:
    """Return the issuer of one environment."""
    return f"{settings.AUTHSVC_BASE_URL}/t/{tenant}/{environment}"
