"""The pages of the second factor: show a code after the password, set one up, remove it.

They stand before the admin's door, so they check themselves that a password was given.
"""

from __future__ import annotations

from base64 import b32encode
from datetime import UTC, datetime
from typing import Any

import django_otp
from django import forms
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from authsvc.audit.models import PLATFORM
from authsvc.tenants.admin_forms import show_problem
from authsvc.tenants.models import Operator
from authsvc.tenants.second_factor import (
    ConfirmedFactor,
    check_factor,
    confirm_factor,
    has_factor,
    is_required,
    remove_factor,
    start_factor,
)
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.client_address import client_address
from authsvc.web.problems import Problem
from authsvc.web.request_id import request_id_of


class CodeForm(forms.Form):
    """A code of the authenticator, or one of the recovery codes."""

    code = forms.CharField(
        max_length=32,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "one-time-code", "spellcheck": "false"}),
    )


def verify_page(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Ask for the second factor after the password."""
    operator = _signed_in(request)
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            device = check_factor(_caller(request), operator=operator, code=form.cleaned_data["code"], now=_now())
        except Problem as problem:
            show_problem(form, problem)
        else:
            _let_in(request, device)
            return HttpResponseRedirect(reverse("admin:index"))
    context = {**site.each_context(request), "title": "Second factor", "form": form}
    return TemplateResponse(request, "admin/second_factor.html", context)


def set_up_page(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Start, confirm or remove the operator's own second factor."""
    operator = _signed_in(request)
    if has_factor(operator) and not _is_verified(request):
        return HttpResponseRedirect(reverse("admin:verify"))
    context: dict[str, Any] = {"form": CodeForm(), "title": "Your second factor"}
    if request.method == "POST":
        context |= _done(request, operator)
    context |= {"has_factor": has_factor(operator), "is_required": is_required(operator)}
    return TemplateResponse(request, "admin/second_factor_setup.html", {**site.each_context(request), **context})


def _done(request: HttpRequest, operator: Operator) -> dict[str, Any]:
    if "start" in request.POST:
        return {"secret": _as_text(start_factor(operator))}
    form = CodeForm(request.POST)
    if not form.is_valid():
        return {"form": form}
    code, caller = form.cleaned_data["code"], _caller(request)
    try:
        if "remove" in request.POST:
            check_factor(caller, operator=operator, code=code, now=_now())
            remove_factor(caller, operator=operator, now=_now())
            return {}
        confirmed = confirm_factor(caller, operator=operator, code=code, now=_now())
    except Problem as problem:
        show_problem(form, problem)
        return {"form": form}
    return _shown(request, confirmed)


def _shown(request: HttpRequest, confirmed: ConfirmedFactor) -> dict[str, Any]:
    _let_in(request, confirmed.device)
    return {"recovery_codes": "\n".join(confirmed.recovery_codes)}


def _let_in(request: HttpRequest, device: Any) -> None:
    request.session.cycle_key()
    django_otp.login(request, device)


def _as_text(device: Any) -> str:
    text = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _signed_in(request: HttpRequest) -> Operator:
    user = request.user
    if isinstance(user, Operator) and user.is_active and (user.is_superuser or user.memberships.exists()):
        return user
    raise Http404


def _is_verified(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "otp_device", None))


def _caller(request: HttpRequest) -> Caller:
    """Return the operator acting on itself, above all tenants and without any scope."""
    return Caller(
        tenant_id=PLATFORM,
        tenant=PLATFORM,
        environment_id="",
        environment="",
        principal_id=_signed_in(request).id,
        kind=CallerKind.OPERATOR,
        scopes=frozenset(),
        proof="operator_session",
        request_id=request_id_of(request),
        address=client_address(request),
    )


def _now() -> datetime:
    return datetime.now(UTC)
