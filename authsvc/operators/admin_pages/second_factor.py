"""The pages of the second factor: show one after the password, set one up, remove it.

They stand before the admin's door, so they check themselves that a password was given.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from django import forms
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from authsvc.operators.admin_pages.asking import (
    FactorForm,
    factor_shown,
    let_in,
    passkey_context,
    safe_target,
    self_caller,
    signed_in,
    this_moment,
)
from authsvc.operators.factors import (
    check_factor,
    confirm_authenticator,
    has_authenticator,
    recovery_codes_left,
    remove_factors,
    renew_recovery_codes,
    start_authenticator,
)
from authsvc.operators.passkeys import (
    add_passkey,
    adding_options,
    are_offered,
    proving_options,
    remove_passkey,
    sign_in_options,
)
from authsvc.tenants.admin_forms import show_problem
from authsvc.tenants.models import Operator
from authsvc.tenants.second_factor import has_factor, is_fresh, is_required, is_verified
from authsvc.web.picture import Picture
from authsvc.web.problems import Problem, ValidationFailed
from authsvc.web.qr import draw
from authsvc.web.qr_codewords import fits
from authsvc.web.secret_text import SecretText

ISSUER = "authsvc"


class CodeForm(forms.Form):
    """A code of the authenticator, or one of the recovery codes."""

    code = forms.CharField(
        max_length=32,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "one-time-code", "spellcheck": "false"}),
    )


class PasskeyForm(forms.Form):
    """A passkey's name, and what the browser answered."""

    name = forms.CharField(max_length=64, required=False)
    passkey = forms.CharField(widget=forms.HiddenInput)


def verify_page(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Ask for the second factor after the password."""
    operator = signed_in(request)
    form = FactorForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            let_in(request, factor_shown(request, operator, form))
        except ValidationFailed as problem:
            form.show(problem)
        except Problem as problem:
            show_problem(form, problem)
        else:
            return HttpResponseRedirect(safe_target(request))
    context = {**site.each_context(request), "title": "Second factor", "form": form, "next": safe_target(request)}
    return TemplateResponse(request, "admin/second_factor.html", {**context, **passkey_context(operator)})


def set_up_page(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Start, confirm or remove the operator's own second factors."""
    operator = signed_in(request)
    if has_factor(operator) and not is_verified(request):
        return HttpResponseRedirect(reverse("admin:verify"))
    context: dict[str, Any] = {"form": CodeForm(), "title": "Your second factor", "next": safe_target(request)}
    if request.method == "POST":
        asked = _asked_again(site, request, operator)
        if asked is not None:
            return asked
        context |= _done(request, operator)
    context |= {
        "has_factor": has_factor(operator),
        "has_authenticator": has_authenticator(operator),
        "is_required": is_required(operator),
        "codes_left": recovery_codes_left(operator),
        **passkey_context(operator),
    }
    return TemplateResponse(request, "admin/second_factor_setup.html", {**site.each_context(request), **context})


def options_page(request: HttpRequest) -> HttpResponse:
    """Answer what a browser needs to make or use a passkey, as JSON; 404 where passkeys are not offered."""
    if request.method != "POST" or not are_offered():
        raise Http404
    now = this_moment()
    match request.POST.get("purpose"):
        case "sign-in":
            return JsonResponse(sign_in_options(now=now))
        case "prove":
            return JsonResponse(proving_options(signed_in(request), now=now))
        case "add":
            return JsonResponse(adding_options(_settled(request), now=now))
    raise Http404


def _asked_again(site: Any, request: HttpRequest, operator: Operator) -> HttpResponse | None:
    """Ask for the present factor before another is added or one is taken away, unless the code comes with the form."""
    is_change = {"start", "renew_codes", "add_passkey", "remove_passkey"} & set(request.POST)
    if not is_change or not has_factor(operator) or is_fresh(request, this_moment()):
        return None
    answer: HttpResponse | None = site.ask_again(request)
    return answer


def _settled(request: HttpRequest) -> Operator:
    """Return who may add a factor: somebody without one, or who has shown it in this session."""
    operator = signed_in(request)
    if has_factor(operator) and not is_verified(request):
        raise Http404
    return operator


def _done(request: HttpRequest, operator: Operator) -> dict[str, Any]:
    if "start" in request.POST:
        key = start_authenticator(operator).key
        return {"secret": _as_text(key), "picture": _picture(operator, key)}
    if "renew_codes" in request.POST:
        fresh = renew_recovery_codes(self_caller(request, operator), operator=operator, now=this_moment())
        return {"recovery_codes": _listed(fresh)}
    if "add_passkey" in request.POST:
        return _passkey_added(request, operator)
    if "remove_passkey" in request.POST:
        return _passkey_removed(request, operator)
    return _code_given(request, operator)


def _code_given(request: HttpRequest, operator: Operator) -> dict[str, Any]:
    form = CodeForm(request.POST)
    if not form.is_valid():
        return {"form": form}
    code, caller, now = form.cleaned_data["code"], self_caller(request, operator), this_moment()
    try:
        if "remove" in request.POST:
            check_factor(caller, operator=operator, code=code, now=now)
            remove_factors(caller, operator=operator, now=now)
            return {"note": "You have no second factor any more."}
        confirmed = confirm_authenticator(caller, operator=operator, code=code, now=now)
    except Problem as problem:
        show_problem(form, problem)
        return {"form": form}
    let_in(request, confirmed.device)
    return {"recovery_codes": _listed(confirmed.recovery_codes)}


def _passkey_added(request: HttpRequest, operator: Operator) -> dict[str, Any]:
    form = PasskeyForm(request.POST)
    if not form.is_valid():
        return {"passkey_error": "Your browser gave no passkey."}
    fields, now = form.cleaned_data, this_moment()
    try:
        added = add_passkey(
            self_caller(request, operator), operator=operator, name=fields["name"], answer=fields["passkey"], now=now
        )
    except Problem as problem:
        return {"passkey_error": _text(problem)}
    let_in(request, added.passkey)
    if added.recovery_codes:
        return {"recovery_codes": _listed(added.recovery_codes)}
    return {"note": f"The passkey “{added.passkey}” works from now on."}


def _passkey_removed(request: HttpRequest, operator: Operator) -> dict[str, Any]:
    wanted = request.POST.get("remove_passkey", "")
    try:
        remove_passkey(self_caller(request, operator), operator=operator, passkey_id=wanted, now=this_moment())
    except Problem as problem:
        return {"passkey_error": _text(problem)}
    return {"note": "The passkey is removed."}


def _text(problem: Problem) -> str:
    return " ".join(text for texts in problem.errors.values() for text in texts) or problem.detail


def _listed(codes: Sequence[SecretText]) -> str:
    plain = [code.reveal() for code in codes]
    return "\n".join("-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in plain)


def _as_text(key: bytes) -> str:
    text = b32encode(key).decode().rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _picture(operator: Operator, key: bytes) -> Picture | None:
    """Return the QR code authenticator apps read (the Key URI format), or ``None`` for a name too long for one."""
    query = urlencode({"secret": b32encode(key).decode().rstrip("="), "issuer": ISSUER})
    text = f"otpauth://totp/{ISSUER}:{quote(operator.get_username(), safe='')}?{query}"
    return draw(text, "Scan this with your authenticator app") if fits(text) else None
