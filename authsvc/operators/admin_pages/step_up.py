"""Asking again: grave acts need a second factor shown within five minutes, whoever is signed in.

The page stands in for the answer to the form that was sent and carries its fields, so nothing has to be typed again:
with the factor the same form arrives a second time, and goes through. What it carries is in no session and no URL.
"""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authsvc.operators.admin_pages.asking import (
    CODE,
    PASSKEY,
    FactorForm,
    factor_shown,
    let_in,
    passkey_context,
    this_moment,
)
from authsvc.tenants.admin_forms import show_problem
from authsvc.tenants.admin_site import operator_of
from authsvc.tenants.second_factor import has_factor, is_fresh
from authsvc.web.problems import Problem, ValidationFailed

NOT_CARRIED = {CODE, PASSKEY, "csrfmiddlewaretoken"}


def ask_again(site: AdminSite, request: HttpRequest) -> HttpResponse | None:
    """Return ``None`` for a fresh factor, also one that comes with this request; else the page that asks for it."""
    if is_fresh(request, this_moment()):
        return None
    operator = operator_of(request)
    has_one = has_factor(operator)
    sent = request.POST if {CODE, PASSKEY} & set(request.POST) else None
    form = FactorForm(sent)
    if has_one and sent is not None and form.is_valid():
        try:
            let_in(request, factor_shown(request, operator, form))
        except ValidationFailed as problem:
            form.show(problem)
        except Problem as problem:
            show_problem(form, problem)
        else:
            return None
    context = {
        **site.each_context(request),
        "title": "Confirm that it is you" if has_one else "A second factor is needed",
        "form": form,
        "has_factor": has_one,
        "carried": [(name, value) for name, values in request.POST.lists() for value in values
                    if name not in NOT_CARRIED],
        **passkey_context(operator),
    }  # fmt: skip
    response = TemplateResponse(request, "admin/step_up.html", context, status=200 if has_one else 403)
    response.headers["Cache-Control"] = "no-store"
    return response
