"""``POST /api/v1/decide`` as a plain function: the decision, audit, limits and bytes of ``views.decisions.Decide``.

It takes only a question that is well-formed at first sight; everything else, and every other media type, is for the
view, which also words the complaints.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from rest_framework.utils.encoders import JSONEncoder

from authsvc.gate.authentication import admit_request
from authsvc.gate.decide import Question, decide
from authsvc.gate.errors import render_api_exception
from authsvc.gate.views.decisions import Decide, decision_document
from authsvc.web.body_limit import Environ
from authsvc.web.caller import Caller
from authsvc.web.limit_middleware import take_principal
from authsvc.web.methods import View
from authsvc.web.parsing import parse_json
from authsvc.web.problems import Problem, Unauthenticated
from authsvc.web.serializers import is_identifier
from rbac.permissions import require_scope

PATH = "/api/v1/decide"
MEDIA_TYPES = frozenset({"application/json", "application/json; charset=utf-8"})
ACCEPTED = frozenset({"", "*/*", "application/json"})
LONGEST = {"token": 16_384, "gateway": 128, "scope": 255, "method": 10, "path": 2000}
MAXIMUM_BYTES = 32_768
ALLOW = "POST, OPTIONS"
_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(slots=True)
class Asking:
    """What the exception handler of the API wants to know of a request."""

    user: Caller | None
    method: str = "POST"


def find_decide(environ: Environ) -> View | None:
    """Return the view for a plain question; ``None`` leaves the request as it came."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    if environ["REQUEST_METHOD"] != "POST" or environ.get("QUERY_STRING") or not length.isdecimal():
        return None
    if environ.get("CONTENT_TYPE", "") not in MEDIA_TYPES or environ.get("HTTP_ACCEPT", "") not in ACCEPTED:
        return None
    if not environ.get("HTTP_AUTHORIZATION") or not 0 < int(length) <= MAXIMUM_BYTES:
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    question = plain_question(body)
    if question is None:
        return None
    return lambda request: _answer(request, question)


def plain_question(body: bytes) -> Question | None:
    """Return the question of a body whose every field is a plain text of good length, or ``None``."""
    try:
        fields = parse_json(body)
    except Problem:
        return None
    if not isinstance(fields, dict) or not fields.get("token") or not fields.keys() <= LONGEST.keys():
        return None
    for name, value in fields.items():
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST[name]:
            return None
    gateway = fields.get("gateway", "")
    if gateway and not is_identifier(gateway):
        return None
    return Question(
        token=fields["token"],
        gateway_id=gateway,
        scope=fields.get("scope", ""),
        method=fields.get("method", ""),
        path=fields.get("path", ""),
    )


def _answer(request: HttpRequest, question: Question) -> HttpResponse:
    now, asking = datetime.now(UTC), Asking(None)
    try:
        caller = asking.user = admit_request(request, now=now)
        if caller is None:
            raise Unauthenticated
        require_scope(caller, Decide.required_scopes["POST"])
        take_principal(request, caller)
        text = _encode(decision_document(decide(caller, question, now=now)))
    except (Problem, DatabaseError, InterfaceError) as refusal:
        response = render_api_exception(refusal, {"request": asking, "view": Decide()})
        assert isinstance(response, HttpResponse)  # noqa: S101 - narrows the handler's wider type
    else:
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")  # as DRF does
        response = HttpResponse(text.encode(), content_type="application/json")
    if asking.user is not None:  # DRF tells the methods only to somebody it knows
        response.headers["Allow"] = ALLOW
    return response
