"""Hot requests answered without Django's objects: limits, proof, work and header fields as on every other.

What the code behind reads of a request (its header fields, its path, its id) is read from WSGI's own dictionary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse

from authsvc.gate.clients import Form
from authsvc.gate.errors import answered
from authsvc.gate.grants import NOT_KEPT, token_document
from authsvc.gate.quick_api import answer_text
from authsvc.gate.told import Told
from authsvc.web.body_limit import Environ
from authsvc.web.headers import complete
from authsvc.web.limit_middleware import TALLY, is_sensitive, microseconds, refusal
from authsvc.web.limits import GENERAL, SENSITIVE, Tally, address_key, limits_apply
from authsvc.web.problems import Problem, TooManyRequests
from authsvc.web.quick import ALLOW, Found
from authsvc.web.request_id import HEADER

Fields = list[tuple[str, str]]
Answer = tuple[str, Fields, bytes]
JSON = ("Content-Type", "application/json")
VARY = "origin"  # what the CORS middleware says where no origin asked
CROSS_ORIGIN = re.compile(settings.CORS_URLS_REGEX)


class PlainRequest:
    """What a hot request is known by; other parts leave their notes on it as on Django's."""

    def __init__(self, environ: Environ, request_id: str, form: Form | None = None) -> None:
        self.META, self.POST = environ, form  # Django's names
        self.content_type = str(environ.get("CONTENT_TYPE", ""))
        self.method, self.request_id = environ["REQUEST_METHOD"], request_id
        self.path = self.path_info = str(environ["PATH_INFO"])


def answer_plain(environ: Environ, view: Found, request_id: str) -> Answer:
    """Return status, header fields and body of an API view's answer, or of whatever refuses it."""
    request, tally = _counted(environ, request_id)

    def answer() -> str | HttpResponse:
        return answer_text(request, view)

    found: str | HttpResponse = answered(request, _limited, {"view": view, "answer": answer})
    if isinstance(found, HttpResponse):
        return _refused(request, found, tally, request_id)
    fields = [JSON, ("Allow", ALLOW), ("Vary", VARY)]
    return "200 OK", *_complete(fields, found.encode(), tally, request_id)


def answer_token(environ: Environ, names: Mapping[str, str], form: Form, request_id: str) -> Answer:
    """Return what the token endpoint answers to a form that was read already, or what refuses it."""
    request, tally = _counted(environ, request_id, form)

    def answer() -> str:
        return json.dumps(token_document(request, **names))

    found: str | HttpResponse = answered(request, _limited, {"view": None, "answer": answer})
    if isinstance(found, HttpResponse):
        return _refused(request, found, tally, request_id)
    fields = _with_vary(request, [*NOT_KEPT.items(), JSON])
    return "200 OK", *_complete(fields, found.encode(), tally, request_id)


def answer_told(environ: Environ, told: Told, request_id: str) -> Answer | None:
    """Return an answer told again; ``None`` when a limit or the database is in its way, which its view words."""
    request, tally = _counted(environ, request_id)
    try:
        told.take_limits(request)
    except (Problem, DatabaseError, InterfaceError):
        return None
    told.count(datetime.now(UTC))
    return "200 OK", *_complete(_with_vary(request, told.fields), told.body, tally, request_id)


def _refused(request: HttpRequest, refused: HttpResponse, tally: Tally, request_id: str) -> Answer:
    fields = _with_vary(request, list(refused.items()))
    return f"{refused.status_code} {refused.reason_phrase}", *_complete(fields, refused.content, tally, request_id)


def _counted(environ: Environ, request_id: str, form: Form | None = None) -> tuple[HttpRequest, Tally]:
    request, tally = cast("HttpRequest", PlainRequest(environ, request_id, form)), Tally()
    if limits_apply():
        setattr(request, TALLY, tally)
    return request, tally


def _complete(fields: Fields, body: bytes, tally: Tally, request_id: str) -> tuple[Fields, bytes]:
    fields += tally.headers().items()
    fields += [("Content-Length", str(len(body))), (HEADER, request_id)]
    return complete(fields), body


def _limited(request: HttpRequest, view: Found | None, answer: Callable[[], Any]) -> Any:
    """Take from the buckets of the address, as the middleware does, and answer."""
    tally: Tally | None = getattr(request, TALLY, None)
    try:
        if tally is not None:
            tally.take(GENERAL, address_key(request), now=microseconds())
            if is_sensitive(request, view):
                tally.take(SENSITIVE, address_key(request), now=microseconds())
    except TooManyRequests as problem:  # before anybody was known
        return refusal(problem)
    return answer()


def _with_vary(request: HttpRequest, fields: Sequence[tuple[str, str]]) -> Fields:
    """Return the fields with what the CORS middleware adds on its addresses."""
    if not CROSS_ORIGIN.match(request.path_info):
        return list(fields)
    named = [value for name, value in fields if name == "Vary"]
    kept = [field for field in fields if field[0] not in {"Vary", "Content-Length"}]
    return [*kept, ("Vary", ", ".join([*named, VARY]))]
