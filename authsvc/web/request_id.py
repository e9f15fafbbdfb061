"""One id per request, in every log line and on every answer. A caller may bring its own if it has a harmless shape."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest, HttpResponse

from authsvc.web.identifiers import new_id

HEADER = "X-Request-Id"
ACCEPTED = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


_BEGAN_AT: ContextVar[float | None] = ContextVar("request_began_at", default=None)
_REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")


class RequestScope:
    """``with`` it a thread works for one request: its id is in every log line, and its beginning is known."""

    __slots__ = ("request_id",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        offered = str(fields.get("HTTP_X_REQUEST_ID", ""))
        self.request_id = offered if ACCEPTED.match(offered) else new_id("req")

    def __enter__(self) -> RequestScope:
        _BEGAN_AT.set(time.monotonic())
        _REQUEST_ID.set(self.request_id)
        return self

    def __exit__(self, *_failure: object) -> None:
        _BEGAN_AT.set(None)
        _REQUEST_ID.set("")


class RequestIdMiddleware:
    """Sets ``request.request_id`` and the ``X-Request-Id`` header of the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with RequestScope(request.META) as scope:
            request.request_id = scope.request_id  # type: ignore[attr-defined]  # Django's request is open for attributes
            response = self.get_response(request)
        response.headers[HEADER] = scope.request_id
        return response


def request_id_of(request: object) -> str:
    """Return the id of this request, or an empty string outside one."""
    return str(getattr(request, "request_id", ""))


def request_began_at() -> float | None:
    """Return when this thread's request began, on the monotonic clock; ``None`` outside one."""
    return _BEGAN_AT.get()


def add_request_id(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the request in a line of the log (a processor of structlog)."""
    request_id = _REQUEST_ID.get()
    if request_id:
        event.setdefault("request_id", request_id)
    return event
