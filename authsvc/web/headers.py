"""Security headers on every answer.

A strict content policy, no framing, no referrer, and no caching of what is private.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
FIXED = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


def complete(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return header fields with the fixed ones that are not among them: what the middleware does, on plain fields."""
    given = {name for name, _ in headers}
    return headers + [(name, value) for name, value in _ALWAYS if name not in given]


_ALWAYS = (*FIXED.items(), ("Cache-Control", "no-store"))


class SecurityHeadersMiddleware:
    """Adds the fixed headers, and ``Cache-Control: no-store`` unless the view chose its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in FIXED.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
