"""The errors of the OAuth endpoints: ``{error, error_description}`` (RFC 6749 §5.2, RFC 8628 §3.5, RFC 8707 §2).

PURE.
"""

from __future__ import annotations

from typing import ClassVar

from authsvc.web.problems import Problem


class OAuthError(Problem):
    """An error of the token, introspection or revocation endpoint; ``slug`` is the OAuth error code."""

    slug, title, status = "invalid_request", "OAuth error", 400
    default_detail: ClassVar[str] = "The request is malformed."

    def as_document(self) -> dict[str, object]:
        """Return the RFC 6749 body."""
        return {"error": self.slug, "error_description": self.detail}


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated or malformed."""


class InvalidClient(OAuthError):
    """The client is unknown or its proof is wrong: always the same answer."""

    slug, status = "invalid_client", 401
    default_detail = "Client authentication failed."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Basic realm="authsvc"'})


class InvalidGrant(OAuthError):
    """The grant is expired, used, revoked or somebody else's."""

    slug = "invalid_grant"
    default_detail = "The grant is not valid."


class UnauthorizedClient(OAuthError):
    """This client may not use this grant type."""

    slug = "unauthorized_client"
    default_detail = "This client may not use this grant type."


class UnsupportedGrantType(OAuthError):
    """No such grant type here."""

    slug = "unsupported_grant_type"
    default_detail = "This grant type is not supported."


class InvalidScopeRequested(OAuthError):
    """A scope is unknown, or nothing of what was asked for can be issued."""

    slug = "invalid_scope"
    default_detail = "The requested scope cannot be issued."


class InvalidTarget(OAuthError):
    """The audience is not registered in this environment (RFC 8707 §2)."""

    slug = "invalid_target"
    default_detail = "This audience is not registered here."
