"""A remembered answer on the wire: limits, request id and header fields as on every other, without Django's objects."""

from __future__ import annotations

from datetime import UTC, datetime

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse

from authsvc.audit.figures import count_decision
from authsvc.gate.errors import render_problem
from authsvc.web.body_limit import Environ
from authsvc.web.headers import complete
from authsvc.web.identifiers import new_id
from authsvc.web.limit_middleware import TALLY, microseconds, refusal, take_principal
from authsvc.web.limits import GENERAL, Tally, address_key, limits_apply
from authsvc.web.problems import TooManyRequests
from authsvc.web.quick import ALLOW, Warm
from authsvc.web.request_id import ACCEPTED, HEADER

Fields = list[tuple[str, str]]
VARY = "origin"


def answer_warm(environ: Environ, warm: Warm) -> tuple[str, Fields, bytes]:
    """Return status, header fields and body of a remembered answer, or of the refusal of a limit."""
    offered = str(environ.get("HTTP_X_REQUEST_ID", ""))
    request_id = offered if ACCEPTED.match(offered) else new_id("req")
    status, fields, body = "200 OK", [("Content-Type", "application/json"), ("Allow", ALLOW)], warm.text.encode()
    fields.append(("Vary", VARY))
    if limits_apply():
        tally = Tally()
        refused = _refused(environ, warm, tally)
        if refused is not None:
            status = f"{refused.status_code} {refused.reason_phrase}"
            fields, body = _with_vary(list(refused.items())), refused.content
        fields += tally.headers().items()
    if status.startswith("200"):
        count_decision(warm.caller, allowed=True, now=datetime.now(UTC))
    fields = [field for field in fields if field[0] != "Content-Length"]
    fields += [("Content-Length", str(len(body))), (HEADER, request_id)]
    return status, complete(fields), body


def _refused(environ: Environ, warm: Warm, tally: Tally) -> HttpResponse | None:
    request = WSGIRequest(environ)
    setattr(request, TALLY, tally)
    try:
        tally.take(GENERAL, address_key(request), now=microseconds())
    except TooManyRequests as problem:  # before anybody was known
        return refusal(problem)
    try:
        take_principal(request, warm.caller)
    except TooManyRequests as problem:
        response = render_problem(problem)
        response.headers["Allow"] = ALLOW
        return response
    return None


def _with_vary(fields: Fields) -> Fields:
    named = [value for name, value in fields if name == "Vary"]
    return [field for field in fields if field[0] != "Vary"] + [("Vary", ", ".join([*named, VARY]))]
