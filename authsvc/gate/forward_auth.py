"""``ANY {issuer}/gateways/{gateway}/forward-auth[/…]``: may this request pass to the gateway behind the proxy?

Speaks nginx auth_request (200, 401 and 403 alone), Traefik and Caddy forward auth, and Envoy ext_authz over HTTP. The
body is never read, nothing redirects, the query is never a proof. Refused: everything without a valid proof for this
very gateway, but for its public routes; an unknown gateway is the same 401 as a bad proof.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from authsvc.audit.figures import count_decision
from authsvc.audit.record import record
from authsvc.gate.authentication import CHALLENGE, INVALID_TOKEN, admit, bearer_of, find_admission
from authsvc.gate.failed_proofs import note_failed_bearer
from authsvc.gate.forwarded import Asked, Contract, Unreadable, asked_below, asked_in_headers, may_use_cookie
from authsvc.gate.identity import known_identity_headers, nobody_headers
from authsvc.gate.told import Repeatable, say_repeatable
from authsvc.tenants.known import known_environment
from authsvc.tokens.claims import TokenRefused
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.client_address import client_address, is_from_trusted_proxy
from authsvc.web.limit_middleware import count_for_tenant, microseconds, tally_of
from authsvc.web.limits import FORWARD_AUTH, address_key
from authsvc.web.problems import Forbidden, InsufficientScope, NotFound, Problem, Unauthenticated, Unavailable
from authsvc.web.request_id import request_id_of
from rbac.models import Gateway
from rbac.routes import RouteMatch
from rbac.services.known import compiled, find_known_gateway, known_gateway_of
from rbac.services.routes import default_rules, match_route

log = structlog.get_logger("authsvc.forward_auth")


class RouteRefused(Forbidden):
    """No rule of the gateway covers the request, or it cannot be read safely."""

    slug, title = "route_refused", "Route refused"
    default_detail = "No rule of this gateway lets this request pass."


class TrustTooLow(Forbidden):
    """The route asks for a higher trust level."""

    slug, title = "trust_too_low", "Trust level too low"
    default_detail = "This route requires a higher trust level."


@dataclass(frozen=True, slots=True)
class Passed:
    """The identity fields of a request that may pass, and whether the same answer may be told again."""

    headers: dict[str, str]
    repeatable: Repeatable | None = None


def forward_auth_endpoint(
    request: HttpRequest, tenant: str, environment: str, gateway: str, suffix: str | None = None
) -> HttpResponse:
    """Answer 200 with the identity in header fields, or the refusal in the statuses this proxy understands."""
    contract = _contract(request) if suffix is None else Contract.ENVOY
    try:
        _take_limit(request)
        asked = _asked(request, suffix)
        place = _find_gateway(tenant, environment, gateway)
        passed = _passed(request, asked, place, datetime.now(UTC))
    except Problem as problem:
        return _refusal(problem, contract)
    except DatabaseError:
        log.error("forward_auth.unavailable")
        return _refusal(Unavailable(headers={"Retry-After": "5"}), contract)
    headers = {**passed.headers, "Cache-Control": "no-store"}
    response = HttpResponse(b"", content_type="text/plain", headers=headers)
    if passed.repeatable is not None:
        say_repeatable(response, passed.repeatable)
    return response


def _passed(request: HttpRequest, asked: Asked, gateway: Gateway | None, now: datetime) -> Passed:
    """Return the identity fields of a request that may pass; raises the problem of the first gate that is closed."""
    raw = _proof(request, asked, gateway)
    found = _route(gateway, asked)
    if raw is None and gateway is not None and found is not None and found.is_public:
        return Passed(nobody_headers())
    try:
        caller = _admitted(request, raw, gateway, now)
    except Unauthenticated:
        if gateway is not None:
            count_decision(gateway, allowed=False, now=now)
        raise
    if gateway is None:  # nobody is admitted without one
        raise Unauthenticated
    try:
        _require_rights(caller, gateway, found)
    except Forbidden as problem:
        count_decision(gateway, allowed=False, now=now)
        _audit(caller, problem, asked, now)
        raise
    count_decision(gateway, allowed=True, now=now)
    headers, told_until = known_identity_headers(caller, gateway, now=now)
    proof = find_admission(raw or "", audience=gateway.audience)
    if proof is None or proof.changes != caller.changes or raw != bearer_of(request.META.get("HTTP_AUTHORIZATION", "")):
        return Passed(headers)
    return Passed(headers, Repeatable(caller, now, min(told_until, proof.value.until), is_decision=True))


def _contract(request: HttpRequest) -> Contract:
    named = request.GET.get("contract", "")
    return Contract(named) if named in set(Contract) else Contract.UNSAID


def _asked(request: HttpRequest, suffix: str | None) -> Asked:
    if suffix is not None:
        raw = str(request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or "")
        try:
            return asked_below(request.method or "", raw)
        except Unreadable as reason:
            log.warning("forward_auth.unreadable", reason=str(reason))
            raise RouteRefused(f"Refused: {reason}.") from reason
    names = {"contract": request.GET.get("contract", ""), "cookie": request.GET.get("cookie", "")}
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        return asked_in_headers(headers, **names, is_trusted=is_from_trusted_proxy(request))
    except Unreadable as reason:
        log.warning("forward_auth.unreadable", reason=str(reason))
        raise RouteRefused(f"Refused: {reason}.") from reason


def _find_gateway(tenant: str, environment: str, name: str) -> Gateway | None:
    """Return the gateway by its id or audience, or ``None``: the answer must not tell which gateways exist."""
    try:
        place = known_environment(tenant=tenant, environment=environment)
    except NotFound:
        return None
    found = find_known_gateway(place.tenant_id, place.id, name)
    return found or known_gateway_of(tenant_id=place.tenant_id, environment_id=place.id, audience=name)


def _proof(request: HttpRequest, asked: Asked, gateway: Gateway | None) -> str | None:
    """Return the bearer, else the cookie the address asks for; raises ``RouteRefused`` for one another site sent."""
    raw = bearer_of(request.META.get("HTTP_AUTHORIZATION", ""))
    if raw is not None or not asked.cookie or asked.cookie not in request.COOKIES:
        return raw
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not may_use_cookie(headers, asked, gateway.url if gateway else ""):
        raise RouteRefused("A cookie counts only for requests of the same site.")
    return request.COOKIES[asked.cookie]


def _admitted(request: HttpRequest, raw: str | None, gateway: Gateway | None, now: datetime) -> Caller:
    if raw is None:
        raise Unauthenticated(headers={"WWW-Authenticate": CHALLENGE})
    try:
        if gateway is None:
            raise TokenRefused("aud")
        caller = admit(
            raw,
            audience=gateway.audience,
            now=now,
            address=client_address(request),
            request_id=request_id_of(request),
        )
        _require_here(caller, gateway)
    except TokenRefused as refusal:
        note_failed_bearer(request, raw, place=gateway.environment if gateway else None, now=now)
        raise Unauthenticated(headers={"WWW-Authenticate": INVALID_TOKEN}) from refusal
    count_for_tenant(request, caller.tenant_id)
    return caller


def _require_here(caller: Caller, gateway: Gateway) -> None:
    """Raise ``TokenRefused`` for a proof of another environment or another gateway's own token."""
    if caller.environment_id != gateway.environment_id:
        raise TokenRefused("env")
    if caller.kind == CallerKind.GATEWAY and caller.principal_id != gateway.id:
        raise TokenRefused("gateway")


def _require_rights(caller: Caller, gateway: Gateway, found: RouteMatch | None) -> None:
    """Raise unless the route's rule, or without one any right at this gateway, lets the caller pass."""
    if found is None:
        if not caller.scopes and caller.kind != CallerKind.GATEWAY:
            raise InsufficientScope("This principal has no right at this gateway.")
        return
    if found.is_refused:
        raise RouteRefused
    missing = compiled(caller.scopes, gateway.admin_scope).missing(found.required_scopes)
    if missing:
        raise InsufficientScope(f"This requires the scope {missing[0]}.", extra={"scope": missing[0]})
    if found.rule is not None and caller.trust_level < found.rule.minimum_trust:
        raise TrustTooLow


def _route(gateway: Gateway | None, asked: Asked) -> RouteMatch | None:
    """Return the rule for the request; ``None`` where the gateway has no rules or the proxy names no path."""
    if gateway is None or not asked.path or not (gateway.routes or default_rules(gateway)):
        return None
    return match_route(gateway, asked.method, asked.path)


def _take_limit(request: HttpRequest) -> None:
    tally = tally_of(request)
    if tally is not None:
        tally.take(FORWARD_AUTH, address_key(request), now=microseconds())


def _refusal(problem: Problem, contract: Contract) -> HttpResponse:
    status = contract.status(problem.status)
    body = json.dumps({**problem.as_document(), "status": status})
    challenge = {"WWW-Authenticate": CHALLENGE} if status == 401 else {}
    headers = {**challenge, **problem.headers, **nobody_headers(), "Cache-Control": "no-store"}
    return HttpResponse(body, status=status, content_type="application/problem+json", headers=headers)


def _audit(caller: Caller, problem: Forbidden, asked: Asked, now: datetime) -> None:
    detail = {
        "code": problem.slug,
        "required_scope": str(problem.extra.get("scope", "")),
        "method": asked.method,
        "route": asked.path,
    }
    record(caller, "access.denied", subject_id=caller.principal_id, detail=detail, now=now)
