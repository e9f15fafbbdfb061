"""What the pages before the admin's door share: who is there, as which Caller, and the one form that takes a factor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_otp
from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from authsvc.operators.factors import check_factor
from authsvc.operators.passkeys import are_offered, check_passkey, passkeys_of
from authsvc.tenants.models import Operator
from authsvc.tenants.second_factor import note_shown
from authsvc.tenants.services import operator_outside
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.problems import ValidationFailed
from authsvc.web.request_id import request_id_of

CODE, PASSKEY = "factor_code", "factor_passkey"


class FactorForm(forms.Form):
    """A code of the authenticator, a recovery code, or what a passkey answered."""

    factor_code = forms.CharField(
        label="Code",
        required=False,
        max_length=32,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "one-time-code", "spellcheck": "false"}),
    )
    factor_passkey = forms.CharField(required=False, widget=forms.HiddenInput)

    def show(self, problem: ValidationFailed) -> None:
        """Show why nothing was accepted."""
        errors = [text for texts in problem.errors.values() for text in texts]
        self.add_error(CODE if CODE in self.fields and not self.cleaned_data[PASSKEY] else None, errors)


def factor_shown(request: HttpRequest, operator: Operator, form: FactorForm) -> Any:
    """Return the factor that a valid form shows; raises ``ValidationFailed``."""
    caller, answer = self_caller(request, operator), form.cleaned_data[PASSKEY]
    if answer:
        return check_passkey(caller, operator=operator, answer=answer, now=this_moment())
    return check_factor(caller, operator=operator, code=form.cleaned_data[CODE], now=this_moment())


def let_in(request: HttpRequest, device: Any) -> None:
    """Give the session a new key and note that it has shown this factor now."""
    request.session.cycle_key()
    django_otp.login(request, device)
    note_shown(request, this_moment())


def signed_in(request: HttpRequest) -> Operator:
    """Return who gave a password; raises ``Http404``."""
    user = request.user
    if isinstance(user, Operator) and user.is_active:
        return user
    raise Http404


def self_caller(request: HttpRequest, operator: Operator) -> Caller:
    """Return the operator acting on itself, above all tenants and without any scope."""
    return operator_outside(operator, request_id=request_id_of(request), address=client_address(request))


def passkey_context(operator: Operator) -> dict[str, Any]:
    """Return what a page needs to offer the operator's passkeys."""
    offered = are_offered()
    rows = passkeys_of(operator) if offered else []
    return {"passkeys_offered": offered, "passkeys": rows}


def safe_target(request: HttpRequest) -> str:
    """Return where to go afterwards: the address the request names if it lies here, else the dashboard."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(target, allowed_hosts=None) and target.startswith("/admin/")
    return target if is_ours else reverse("admin:index")


def this_moment() -> datetime:
    """Return the time; pages are an edge."""
    return datetime.now(UTC)
