"""The page that asks one decision and shows its reasons; the token is typed or comes from the page that issued it.

The token is never rendered back. A denial is audited like any other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authsvc.gate.decide import Decision, Question, decide
from authsvc.gate.diagnose import Check, diagnose_token
from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_forms import add_environment_field, show_problem
from authsvc.tenants.admin_site import caller_in
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem
from rbac.scopes import smallest_grant
from rbac.services.gateways import get_gateway

SCOPE = "decisions:make"
MAXIMUM_TOKEN = 16_384


class ExplainForm(forms.Form):
    """One question: a proof, and either a scope or a method with a path at a gateway."""

    token = forms.CharField(
        max_length=MAXIMUM_TOKEN,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
        help_text="An access token, API key or gateway token. It is not stored and not shown again.",
    )
    scope = forms.CharField(max_length=255, required=False, help_text="For example profiles:read.")
    gateway = forms.CharField(max_length=40, required=False, help_text="The gateway's id, for a method and path.")
    method = forms.CharField(max_length=10, required=False)
    path = forms.CharField(max_length=1000, required=False)
    device = forms.CharField(max_length=40, required=False, help_text="The device's id, when one takes part.")


def explain_page(page: HouseAdmin, request: HttpRequest) -> HttpResponse:
    """Show the form, and the decision after it was sent."""
    form = ExplainForm(request.POST if request.method == "POST" else None)
    places = {row.id: row for row in page.environments(request, SCOPE)}
    add_environment_field(form, places, request.GET.get("environment", ""))
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        place = places[form.cleaned_data["environment"]]
        context["environment"] = place
        try:
            caller = caller_in(request, place)
            context["decision"] = found = decide(caller, question_of(form), now=datetime.now(UTC))
            context["advice"] = _advice(found, form.cleaned_data["scope"])
            context["checks"] = _checks(caller, form, found)
        except Problem as problem:
            show_problem(form, problem)
    shown = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "form": form,
        "title": "Explain a decision",
        **context,
    }
    response = TemplateResponse(request, "admin/explain.html", shown)
    response.headers["Cache-Control"] = "no-store"
    return response


def question_of(form: forms.Form) -> Question:
    """Return the question a valid form asks."""
    fields = form.cleaned_data
    return Question(
        token=fields["token"].strip(),
        gateway_id=fields["gateway"],
        scope=fields["scope"],
        method=fields["method"].upper(),
        path=fields["path"],
        device_id=fields["device"],
    )


def _checks(caller: Caller, form: forms.Form, decision: Decision) -> list[Check]:
    """Return what the verifier checked, where the proof itself was refused."""
    if decision.reason.gate != "proof":
        return []
    fields = form.cleaned_data
    audience = get_gateway(caller, fields["gateway"]).audience if fields["gateway"] else API_AUDIENCE
    return diagnose_token(caller, fields["token"].strip(), audience=audience, now=datetime.now(UTC))


def _advice(decision: Decision, scope: str) -> str:
    """Return the smallest grant that would open the gate, where a grant can."""
    if decision.allowed or decision.reason.gate != "scope" or not scope:
        return ""
    return smallest_grant(scope)
