"""Views of the API as plain functions: what DRF does for a request, done for those that programs send all day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse

from authsvc.gate.authentication import admit_request
from authsvc.gate.errors import render_api_exception
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.limit_middleware import take_principal
from authsvc.web.problems import Problem, Unauthenticated
from authsvc.web.proven import note_proven
from authsvc.web.quick import ALLOW, Found, QuickView, Warm
from authsvc.web.request_id import request_id_of
from authsvc.web.scope_rules import PROOF_IN_BODY
from rbac.permissions import require_scope


@dataclass(slots=True)
class Asking:
    """What the exception handler of the API wants to know of a request."""

    _request: HttpRequest
    user: Caller | None = None
    method: str = "POST"


def answer_post(request: HttpRequest, view: Found) -> HttpResponse:
    """Return what the view would."""
    answer = answer_text(request, view)
    if isinstance(answer, HttpResponse):
        return answer
    return HttpResponse(answer.encode(), content_type="application/json", headers={"Allow": ALLOW})


def answer_text(request: HttpRequest, view: Found) -> str | HttpResponse:
    """Return the JSON of a good answer after proof, scope, limit of the principal and work; else what refuses it."""
    asking = Asking(request)
    try:
        return _repeated(request, view, asking) if isinstance(view, Warm) else _worked_out(request, view, asking)
    except (Problem, DatabaseError, InterfaceError) as refusal:
        refused = render_api_exception(refusal, {"request": asking, "view": view.cls()})
        assert isinstance(refused, HttpResponse)  # noqa: S101 - narrows the handler's wider type
    refused.headers["Allow"] = ALLOW  # as DRF names the methods
    return refused


def _worked_out(request: HttpRequest, view: QuickView, asking: Asking) -> str:
    now, rule = datetime.now(UTC), view.cls.required_scopes["POST"]
    caller = asking.user = admit_request(request, now=now)
    if rule != PROOF_IN_BODY:
        if caller is None:
            raise Unauthenticated
        require_scope(caller, rule)
    if caller is not None:
        take_principal(request, caller)
    return view.work(request, caller, now)


def _repeated(request: HttpRequest, warm: Warm, asking: Asking) -> str:
    caller = asking.user = warm.caller
    note_proven(request, caller.tenant_id)
    take_principal(request, caller)

    def caller_now() -> Caller:
        return replace(caller, address=client_address(request), request_id=request_id_of(request))

    return warm.tell(caller_now, datetime.now(UTC))
