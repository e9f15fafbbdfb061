"""Errors as values the whole house shares: what went wrong, its HTTP status, and what to do about it (RFC 9457).

A rule raises a ``Problem`` subclass named for the fact, defined beside the rule. ``slug`` is stable for ever.
``detail`` is public. ``hint`` tells the operator what to do and never reaches a caller without proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

FieldErrors = Mapping[str, Sequence[str]]


class Problem(Exception):
    """A refusal or failure with a stable ``slug``; subclasses set the class attributes and may pass a better
    ``detail``.
    """

    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    default_detail: ClassVar[str] = "Something failed on our side."
    default_hint: ClassVar[str] = ""

    def __init__(
        self,
        detail: str | None = None,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        errors: FieldErrors | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        self.detail = detail if detail is not None else self.default_detail
        self.hint = hint if hint is not None else self.default_hint
        self.headers = dict(headers or {})
        self.errors = {field: list(messages) for field, messages in (errors or {}).items()}
        self.extra = dict(extra or {})
        super().__init__(self.detail)

    def as_document(self) -> dict[str, object]:
        """Return the ``application/problem+json`` body; bad input also has ``errors``, by field."""
        document: dict[str, object] = {
            "type": f"urn:authsvc:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.slug,
        }
        if self.errors:
            document["errors"] = self.errors
        document.update(self.extra)
        return document


class BadRequest(Problem):
    """The request cannot be understood."""

    slug, title, status = "bad_request", "Bad request", 400
    default_detail = "The request cannot be understood."


class ValidationFailed(Problem):
    """One or more fields are wrong; ``errors`` maps each field to its messages."""

    slug, title, status = "validation_failed", "Invalid input", 400
    default_detail = "One or more fields are invalid."


class Unauthenticated(Problem):
    """No proof, or any bad proof: always the same answer, so nothing is learned from it."""

    slug, title, status = "unauthenticated", "Authentication required", 401
    default_detail = "A valid access token or API key is required."


class Forbidden(Problem):
    """The caller is known and may not do this."""

    slug, title, status = "forbidden", "Forbidden", 403
    default_detail = "You may not do this."


class InsufficientScope(Forbidden):
    """The caller lacks the scope that the route requires (RFC 6750 §3.1)."""

    slug, title = "insufficient_scope", "Insufficient scope"


class NotFound(Problem):
    """Nothing here for this caller; the same bytes whether it is missing or belongs to somebody else."""

    slug, title, status = "not_found", "Not found", 404
    default_detail = "There is nothing here."


class MethodNotAllowed(Problem):
    """The resource exists and does not answer this method."""

    slug, title, status = "method_not_allowed", "Method not allowed", 405
    default_detail = "This method is not allowed here."


class Conflict(Problem):
    """The request contradicts the present state."""

    slug, title, status = "conflict", "Conflict", 409
    default_detail = "The request conflicts with the current state."


class PayloadTooLarge(Problem):
    """The body is larger than 1 MiB."""

    slug, title, status = "payload_too_large", "Payload too large", 413
    default_detail = "The body may not exceed 1 MiB."


class UnsupportedMediaType(Problem):
    """The body is not JSON in UTF-8."""

    slug, title, status = "unsupported_media_type", "Unsupported media type", 415
    default_detail = "Send application/json in UTF-8."


class TooManyRequests(Problem):
    """The caller is over a limit; ``Retry-After`` says when to come back."""

    slug, title, status = "rate_limited", "Too many requests", 429
    default_detail = "Too many requests."


class Unavailable(Problem):
    """A part the answer depends on is away; nothing was changed."""

    slug, title, status = "unavailable", "Temporarily unavailable", 503
    default_detail = "The service cannot answer right now; nothing was changed."
