"""Every refusal becomes an answer here: problem+json for REST, RFC 6749 JSON for OAuth; denials are audited after
rollback.

Nothing an outsider sends yields a 5xx; when the database is away the answer is 503 with ``Retry-After``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from django.core.exceptions import BadRequest as DjangoBadRequest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, DataError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework import exceptions
from rest_framework.views import set_rollback

from authsvc.audit.record import record
from authsvc.audit.together import Overtaken
from authsvc.gate.authentication import CHALLENGE, admit_request
from authsvc.gate.oauth_errors import OAuthError
from authsvc.web.caller import Caller
from authsvc.web.problems import (
    BadRequest,
    FieldErrors,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)

log = structlog.get_logger("authsvc.errors")
RETRY_AFTER_SECONDS = "5"
FIELD_OF_ERROR = {"invalid_scope": "scopes", "invalid_target": "audience"}  # an OAuth rule reached through REST
Context = Mapping[str, Any]


class ProblemMiddleware:
    """Turns problems raised by plain Django views, and failures nobody foresaw, into answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Return the answer for an exception of a view, or ``None`` where Django has a page for it."""
        problem = problem_of(exception)
        if problem is None and not speaks_json(request):
            return None
        if problem is None:
            log.error("request.failed", path=request.path, exc_info=exception)
        return render_problem(problem or Problem())


_PROBLEMS = ProblemMiddleware(lambda _request: HttpResponse())


def answered(request: HttpRequest, view: Callable[..., HttpResponseBase], names: Mapping[str, Any]) -> Any:
    """Return the answer of a plain view, or that of what it raised, as the middleware behind Django's handler does."""
    try:
        return view(request, **names)
    except Exception as exception:  # noqa: BLE001 - a failure nobody foresaw is answered and logged here as there
        return _PROBLEMS.process_exception(request, exception)


def render_api_exception(exception: Exception, context: Context) -> HttpResponseBase | None:
    """DRF's exception handler: render the problem, and audit it when a known caller was denied."""
    set_rollback()
    problem = problem_of(exception)
    request = context.get("request")
    if problem is None:
        log.error("request.failed", exc_info=exception)
        return render_problem(Problem())
    if isinstance(problem, Overtaken):
        problem = _refusal_behind(problem, getattr(request, "_request", None))
    if isinstance(problem, OAuthError):
        problem = ValidationFailed(errors={FIELD_OF_ERROR.get(problem.slug, "non_field_errors"): [problem.detail]})
    if not isinstance(problem, Forbidden) or request is None:
        return render_problem(problem)
    caller = request.user  # looked at for a denial alone: asking after a refused proof would check it once more
    if isinstance(caller, Caller):
        _audit_denial(caller, problem, request.method or "", type(context.get("view")).__name__)
    return render_problem(problem)


def _refusal_behind(problem: Problem, request: HttpRequest | None) -> Problem:
    """Return why a caller that was overtaken is refused now; what overtook it where it still may come in."""
    try:
        if request is not None:
            admit_request(request, now=datetime.now(UTC))
    except Problem as refusal:
        return refusal
    except DatabaseError:
        log.error("database.unavailable")
    return problem


def problem_of(exception: Exception) -> Problem | None:
    """Return the problem an exception stands for; ``None`` for a failure of ours."""
    match exception:
        case Problem():
            return exception
        case exceptions.ValidationError():
            return ValidationFailed(errors=field_errors(exception.detail))
        case exceptions.ParseError():
            return BadRequest(str(exception.detail))
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Unauthenticated()
        case exceptions.PermissionDenied():
            return Forbidden()
        case exceptions.NotFound() | Http404():
            return NotFound()
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed()
        case exceptions.UnsupportedMediaType() | exceptions.NotAcceptable():
            return UnsupportedMediaType()
        case RequestDataTooBig():
            return PayloadTooLarge()
        case SuspiciousOperation() | DjangoBadRequest():
            return BadRequest()
        case DataError():  # a value that no column can hold: theirs, not ours
            return BadRequest()
        case DatabaseError() | InterfaceError():
            log.error("database.unavailable", exc_info=exception)
            return Unavailable(headers={"Retry-After": RETRY_AFTER_SECONDS})
        case _:
            return None


def render_problem(problem: Problem) -> HttpResponse:
    """Return the answer of a problem."""
    content_type = "application/json" if isinstance(problem, OAuthError) else "application/problem+json"
    response = HttpResponse(json.dumps(problem.as_document()), status=problem.status, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = CHALLENGE
    for name, value in problem.headers.items():
        response.headers[name] = value
    patch_vary_headers(response, ["Authorization"])
    return response


def field_errors(detail: object, prefix: str = "") -> FieldErrors:
    """Return DRF's nested error detail as ``{field: [messages]}`` with dotted names."""
    if isinstance(detail, dict):
        merged: dict[str, list[str]] = {}
        for name, inner in detail.items():
            merged.update({k: list(v) for k, v in field_errors(inner, f"{prefix}{name}.").items()})
        return merged
    field = prefix.rstrip(".") or "non_field_errors"
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        merged = {}
        for index, inner in enumerate(detail):
            merged.update({k: list(v) for k, v in field_errors(inner, f"{prefix}{index}.").items()})
        return merged
    messages = detail if isinstance(detail, list) else [detail]
    return {field: [str(message) for message in messages]}


def speaks_json(request: HttpRequest) -> bool:
    """True for the addresses programs use; people's pages get Django's own error pages."""
    return request.path.startswith(("/api/", "/t/", "/.well-known/", "/health", "/metrics"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    return render_problem(problem_of(exception) or BadRequest())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: the same bytes as a missing row."""
    return render_problem(NotFound())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    return render_problem(Forbidden())


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    return render_problem(Problem())


def _audit_denial(caller: Caller, problem: Problem, method: str, route: str) -> None:
    detail = {
        "code": problem.slug,
        "required_scope": str(problem.extra.get("scope", "")),
        "method": method,
        "route": route,
    }
    try:
        record(caller, "access.denied", subject_id=caller.principal_id, detail=detail, now=datetime.now(UTC))
    except DatabaseError:
        log.error("audit.unavailable", code=problem.slug)
