"""Applies the table of limits: by address before the view is known, tighter on sensitive ones, by principal after.

Every answer below ``/api``, ``/t`` and ``/.well-known`` says how much is left, also a 401 or a 404. Over a limit the
answer is 429; only forward-auth chooses its own status, because nginx knows no other refusal than 401 and 403.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from authsvc.web.caller import Caller
from authsvc.web.limits import (
    FORWARD_AUTH,
    PRINCIPAL,
    SENSITIVE,
    SENSITIVE_PATHS,
    Tally,
    TenantRates,
    address_key,
    effective_limits,
    limit_of_path,
    limits_apply,
    own_rates,
    rates_of_tenant,
    take_login,
)
from authsvc.web.problems import Problem, TooManyRequests
from authsvc.web.token_bucket import Rate

TALLY = "limit_tally"
DOORS = ("login", "passkey_login", "verify", "join", "password_reset")


class LimitMiddleware:
    """Takes from the buckets of the client's address and adds the header fields to every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        effective_limits()  # a rate that cannot be read stops the start, not a request
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        limit = limit_of_path(request.path_info) if limits_apply() else None
        if limit is None:
            return self.get_response(request)
        tally = Tally()
        setattr(request, TALLY, tally)
        try:
            if limit is not FORWARD_AUTH:
                tally.take(limit, address_key(request), now=microseconds())
            response = self.get_response(request)
        except TooManyRequests as problem:
            response = refusal(problem)
        for name, value in tally.headers().items():
            response.headers[name] = value
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], _args: Any, _names: Any
    ) -> HttpResponse | None:
        """Take from the tighter bucket of a sensitive view, and from the windows of the admin's login."""
        tally = tally_of(request)
        try:
            if tally is not None and is_sensitive(request, view):
                tally.take(SENSITIVE, address_key(request), now=microseconds())
            elif is_login(request) and limits_apply():
                take_login(request, str(request.POST.get("username", "")))
        except TooManyRequests as problem:
            return refusal(problem) if tally is not None else page(problem)
        except Problem as problem:
            return page(problem)
        return None


class CallerThrottle(BaseThrottle):
    """DRF's hook after authentication: takes from the bucket of the principal."""

    def allow_request(self, request: Request, view: object) -> bool:
        """Return True; raises ``TooManyRequests``."""
        if isinstance(request.user, Caller):
            take_principal(request._request, request.user)
        return True


def take_principal(request: HttpRequest, caller: Caller) -> None:
    """Take from the bucket of the principal, at its tenant's rates; raises ``TooManyRequests``."""
    tally = tally_of(request)
    if tally is None:
        return
    rates = count_for_tenant(request, caller.tenant_id)
    own = None if rates.general is None else Rate(rates.general)
    tally.take(PRINCIPAL, f"{caller.tenant_id}:{caller.principal_id}", now=microseconds(), rate=own)


def count_for_tenant(request: HttpRequest, tenant_id: str) -> TenantRates:
    """Count a request, now proven to be of a tenant, against that tenant's own rates; raises ``TooManyRequests``."""
    tally = tally_of(request)
    if tally is None:
        return TenantRates()
    rates, address = rates_of_tenant(tenant_id), address_key(request)
    for limit, rate in own_rates(rates):
        tally.hand_over(limit, address, to=f"{tenant_id}:{address}", now=microseconds(), rate=rate)
    return rates


def tally_of(request: HttpRequest) -> Tally | None:
    """Return the tally of a request; ``None`` where no limit applies."""
    found: Tally | None = getattr(request, TALLY, None)
    return found


def is_sensitive(request: HttpRequest, view: object) -> bool:
    """True for a view class that says so, and for the endpoints that hand out tokens."""
    declared = getattr(getattr(view, "cls", None), "sensitive", False)
    return bool(declared) or SENSITIVE_PATHS.fullmatch(request.path_info) is not None


def is_login(request: HttpRequest) -> bool:
    """True when somebody sends a proof to one of the admin's doors."""
    is_like_one = request.method == "POST" and request.path_info.startswith("/admin/")
    return is_like_one and request.path_info in {reverse(f"admin:{name}") for name in DOORS}


def refusal(problem: Problem) -> HttpResponse:
    """Return the problem as programs read it."""
    body = json.dumps(problem.as_document())
    headers = {"Cache-Control": "no-store", "Content-Length": str(len(body)), **problem.headers}
    return HttpResponse(body, status=problem.status, content_type="application/problem+json", headers=headers)


def page(problem: Problem) -> HttpResponse:
    """Return the problem as people read it."""
    text = f"<!doctype html><title>{problem.title}</title><h1>{problem.title}</h1><p>Please try again later.</p>"
    return HttpResponse(text, status=problem.status, headers={"Cache-Control": "no-store", **problem.headers})


def microseconds() -> int:
    """Return the time of this request in microseconds since the epoch."""
    return time.time_ns() // 1000
