"""One id per request, in every log line and on every answer. A caller may bring its own if it has a harmless shape."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextvars import ContextVar

import structlog
from django.http import HttpRequest, HttpResponse

from authsvc.web.identifiers import new_id

HEADER = "X-Request-Id"
ACCEPTED = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


_BEGAN_AT: ContextVar[float | None] = ContextVar("request_began_at", default=None)


class RequestIdMiddleware:
    """Sets ``request.request_id`` and the ``X-Request-Id`` header of the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = offered if ACCEPTED.match(offered) else new_id("req")
        _BEGAN_AT.set(time.monotonic())
        request.request_id = request_id  # type: ignore[attr-defined]  # Django's request is open for attributes
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                response = self.get_response(request)
            finally:
                _BEGAN_AT.set(None)
        response.headers[HEADER] = request_id
        return response


def request_id_of(request: object) -> str:
    """Return the id of this request, or an empty string outside one."""
    return str(getattr(request, "request_id", ""))


def request_began_at() -> float | None:
    """Return when this thread's request began, on the monotonic clock; ``None`` outside one."""
    return _BEGAN_AT.get()
