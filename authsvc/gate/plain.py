"""Hot requests to the API answered without Django's objects: limits, proof, work and header fields as on every other.

What the code behind reads of a request (its header fields, its path, its id) is read from WSGI's own dictionary.
"""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse

from authsvc.gate.errors import answered
from authsvc.gate.quick_api import answer_text
from authsvc.web.body_limit import Environ
from authsvc.web.headers import complete
from authsvc.web.limit_middleware import TALLY, is_sensitive, microseconds, refusal
from authsvc.web.limits import GENERAL, SENSITIVE, Tally, address_key, limits_apply
from authsvc.web.problems import TooManyRequests
from authsvc.web.quick import ALLOW, Found
from authsvc.web.request_id import HEADER

Fields = list[tuple[str, str]]
Answer = tuple[str, Fields, bytes]
VARY = "origin"  # what the CORS middleware says where no origin asked


class PlainRequest:
    """What a hot request is known by; other parts leave their notes on it as on Django's."""

    def __init__(self, environ: Environ, request_id: str) -> None:
        self.META = environ  # Django's name
        self.method, self.request_id = environ["REQUEST_METHOD"], request_id
        self.path = self.path_info = str(environ["PATH_INFO"])


def answer_plain(environ: Environ, view: Found, request_id: str) -> Answer:
    """Return status, header fields and body of the view's answer, or of whatever refuses it."""
    request, tally = cast("HttpRequest", PlainRequest(environ, request_id)), Tally()
    if limits_apply():
        setattr(request, TALLY, tally)
    answer: str | HttpResponse = answered(request, _limited, {"view": view})
    if isinstance(answer, str):
        status, body = "200 OK", answer.encode()
        fields = [("Content-Type", "application/json"), ("Allow", ALLOW), ("Vary", VARY)]
    else:
        status, body = f"{answer.status_code} {answer.reason_phrase}", answer.content
        fields = _with_vary(list(answer.items()))
    fields += tally.headers().items()
    fields += [("Content-Length", str(len(body))), (HEADER, request_id)]
    return status, complete(fields), body


def _limited(request: HttpRequest, view: Found) -> Any:
    """Take from the buckets of the address, as the middleware does, and answer."""
    tally: Tally | None = getattr(request, TALLY, None)
    try:
        if tally is not None:
            tally.take(GENERAL, address_key(request), now=microseconds())
            if is_sensitive(request, view):
                tally.take(SENSITIVE, address_key(request), now=microseconds())
    except TooManyRequests as problem:  # before anybody was known
        return refusal(problem)
    return answer_text(request, view)


def _with_vary(fields: Fields) -> Fields:
    named = [value for name, value in fields if name == "Vary"]
    kept = [field for field in fields if field[0] not in {"Vary", "Content-Length"}]
    return [*kept, ("Vary", ", ".join([*named, VARY]))]
