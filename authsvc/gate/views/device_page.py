"""``/device``: a signed-in operator types the code a device shows, sees what it asks for, and decides (RFC 8628 §3.3).

Nothing is looked up by GET, so a link alone, or its QR code, decides nothing. Wrong codes are counted per operator.
An operator sees requests of their own tenants only; anything else is the same as a wrong code.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url

from authsvc.audit.models import PLATFORM, AuditEvent
from authsvc.audit.record import record
from authsvc.tenants.models import Environment, Operator
from authsvc.tenants.services import operator_caller, operator_outside, visible_tenant_ids
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.picture import Picture
from authsvc.web.problems import BadRequest, Forbidden, NotFound, Problem, TooManyRequests
from authsvc.web.qr import draw
from authsvc.web.qr_codewords import fits
from authsvc.web.request_id import request_id_of
from devices.codes import LONGEST_INPUT, CodeMalformed, approval_address, format_user_code, normalise_user_code
from devices.models import Device
from devices.services.enrol import hash_user_code
from devices.services.lifecycle import approve_device, audited_refusals, reject_device
from devices.snapshot import difference, digest
from devices.states import State
from devices.trust import SENTENCES, TrustLevel

WRONG_CODES = 5
WRONG_CODE_WINDOW = timedelta(minutes=10)
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class NothingWaits(NotFound):
    """No request waits under this code for this operator."""

    slug, title = "no_such_request", "No such request"
    default_detail = "No request waits under this code. Compare it with the device and type it again."


class TooManyCodes(TooManyRequests):
    """This operator typed too many wrong codes."""

    slug, title = "too_many_codes", "Too many wrong codes"
    default_detail = "Too many wrong codes. Wait ten minutes."


def device_page(request: HttpRequest) -> HttpResponse:
    """Answer GET with the form, POST with the card or the decision; people who are not signed in go to sign in."""
    if not isinstance(request.user, Operator):
        return _sign_in(request)
    operator, now = request.user, datetime.now(UTC)
    if request.method != "POST":
        typed = request.GET.get("user_code", "")[:LONGEST_INPUT]
        return _page(request, "device/code.html", {"user_code": typed, "picture": _hand_over(typed)})
    step = _decide if request.POST.get("decision") else _look_up
    try:
        _require_plain_text(request)
        return step(request, operator, now)
    except Problem as problem:
        context = {"problem": problem, "user_code": request.POST.get("user_code", "")[:LONGEST_INPUT]}
        return _page(request, "device/code.html", context, status=problem.status)


def _look_up(request: HttpRequest, operator: Operator, now: datetime) -> HttpResponse:
    device = _waiting_under(request, operator, request.POST.get("user_code", ""), now)
    caller = _caller(request, operator, device.environment)
    levels = [(level, SENTENCES[level]) for level in TrustLevel if level is not TrustLevel.ANONYMOUS]
    context = {
        "device": device,
        "user_code": format_user_code(normalise_user_code(request.POST["user_code"])),
        "snapshot": digest(device.snapshot()),
        "levels": levels,
        "changes": difference(device.previous.snapshot(), device.snapshot()) if device.previous else (),
        "may_decide": _may_decide(caller),
    }
    return _page(request, "device/card.html", context)


def _decide(request: HttpRequest, operator: Operator, now: datetime) -> HttpResponse:
    device = _visible(operator, request.POST.get("device", ""))
    if device is None:
        with audited_refusals(_outside(request, operator), request.POST.get("device", "")[:40], now):
            raise NothingWaits
    caller = _caller(request, operator, device.environment)
    reason = request.POST.get("reason", "")[:2000]
    with audited_refusals(caller, device.id, now):
        if not _may_decide(caller):
            raise Forbidden("Your role here does not include devices:approve.")
    if request.POST["decision"] == "approve":
        decided = approve_device(
            caller,
            device=device,
            user_code=request.POST.get("user_code", ""),
            snapshot=request.POST.get("snapshot", "") or "missing",
            trust_level=_level(request),
            reason=reason,
            now=now,
        )
    else:
        decided = reject_device(caller, device=device, reason=reason, now=now)
    return _page(request, "device/done.html", {"device": decided})


def _waiting_under(request: HttpRequest, operator: Operator, typed: str, now: datetime) -> Device:
    """Return the living request under a code within the operator's tenants; a wrong code is counted."""
    outside = _outside(request, operator)
    since = now - WRONG_CODE_WINDOW
    tries = AuditEvent.objects.filter(
        tenant_id=PLATFORM, event_type="device.code_mistyped", actor_id=operator.id, occurred_at__gt=since
    ).count()
    if tries >= WRONG_CODES:
        raise TooManyCodes(headers={"Retry-After": str(int(WRONG_CODE_WINDOW.total_seconds()))})
    device = _find(operator, typed, now)
    if device is None:
        record(outside, "device.code_mistyped", subject_id=operator.id, detail={"count": tries + 1}, now=now)
        raise NothingWaits
    return device


def _find(operator: Operator, typed: str, now: datetime) -> Device | None:
    try:
        code = normalise_user_code(typed)
    except CodeMalformed:
        return None
    tenant_ids = visible_tenant_ids(operator)
    places = Environment.unscoped.all() if tenant_ids is None else Environment.unscoped.filter(tenant_id__in=tenant_ids)
    hashes = [hash_user_code(environment_id, code) for environment_id in places.values_list("id", flat=True)]
    rows = Device.unscoped.select_related("principal", "gateway", "environment__tenant", "previous__principal")
    waiting = rows.filter(user_code_hash__in=hashes, status=State.PENDING, request_expires_at__gt=now)
    found = waiting.first()
    return found if isinstance(found, Device) else None


def _visible(operator: Operator, device_id: str) -> Device | None:
    rows = Device.unscoped.select_related("principal", "gateway", "environment__tenant").filter(id=device_id[:40])
    tenant_ids = visible_tenant_ids(operator)
    found = rows.first() if tenant_ids is None else rows.filter(tenant_id__in=tenant_ids).first()
    return found if isinstance(found, Device) else None


def _caller(request: HttpRequest, operator: Operator, environment: Environment) -> Caller:
    return operator_caller(operator, environment, request_id=request_id_of(request), address=client_address(request))


def _outside(request: HttpRequest, operator: Operator) -> Caller:
    return operator_outside(operator, request_id=request_id_of(request), address=client_address(request))


def _hand_over(typed: str) -> Picture | None:
    """Return this page's own address as a QR code, with the code when it is one, to go on at the device's side."""
    try:
        code = format_user_code(normalise_user_code(typed))
    except CodeMalformed:
        code = ""
    address = approval_address(settings.AUTHSVC_BASE_URL, code)
    label = f"Open this page on a phone, with the code {code}" if code else "Open this page on a phone"
    return draw(address, label) if fits(address) else None


def _may_decide(caller: Caller) -> bool:
    return bool(caller.scopes & {"devices:approve", "authsvc:admin"})


def _require_plain_text(request: HttpRequest) -> None:
    """Refuse what no database stores and no person types."""
    if any("\x00" in str(value) for values in request.POST.lists() for value in values[1]):
        raise BadRequest


def _level(request: HttpRequest) -> int:
    text = request.POST.get("trust_level", "")
    return int(text) if text in {"1", "2", "3"} else 0


def _sign_in(request: HttpRequest) -> HttpResponse:
    code = request.GET.get("user_code", "")[:LONGEST_INPUT]
    target = f"/device?{urlencode({'user_code': code})}" if code else "/device"
    return HttpResponseRedirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': target})}")


def _page(request: HttpRequest, template: str, context: dict[str, object], status: int = 200) -> HttpResponse:
    response = render(request, template, context, status=status)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-store"
    return response
