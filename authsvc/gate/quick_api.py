"""Views of the API as plain functions: what DRF does for a request, done for those that programs send all day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from rest_framework.utils.encoders import JSONEncoder

from authsvc.gate.authentication import admit_request
from authsvc.gate.errors import render_api_exception
from authsvc.web.caller import Caller
from authsvc.web.limit_middleware import take_principal
from authsvc.web.problems import Problem, Unauthenticated
from authsvc.web.quick import ALLOW, QuickView
from authsvc.web.scope_rules import PROOF_IN_BODY
from rbac.permissions import require_scope

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(slots=True)
class Asking:
    """What the exception handler of the API wants to know of a request."""

    _request: HttpRequest
    user: Caller | None = None
    method: str = "POST"


def answer_post(request: HttpRequest, view: QuickView) -> HttpResponse:
    """Return what the view would: proof, scope, limit of the principal, then its work, as JSON."""
    asking = Asking(request)
    try:
        response = _answered(request, view, asking)
    except (Problem, DatabaseError, InterfaceError) as refusal:
        refused = render_api_exception(refusal, {"request": asking, "view": view.cls()})
        assert isinstance(refused, HttpResponse)  # noqa: S101 - narrows the handler's wider type
        response = refused
    response.headers["Allow"] = ALLOW  # as DRF names the methods
    return response


def _answered(request: HttpRequest, view: QuickView, asking: Asking) -> HttpResponse:
    now, rule = datetime.now(UTC), view.cls.required_scopes["POST"]
    caller = asking.user = admit_request(request, now=now)
    if rule != PROOF_IN_BODY:
        if caller is None:
            raise Unauthenticated
        require_scope(caller, rule)
    if caller is not None:
        take_principal(request, caller)
    text = encoded(view.work(request, caller, now))
    return HttpResponse(text.encode(), content_type="application/json")


def encoded(document: object) -> str:
    """Return JSON as DRF writes it."""
    return _encode(document).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
