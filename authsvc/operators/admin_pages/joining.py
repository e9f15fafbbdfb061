"""The pages behind an invitation's link: make an account, or join with the one that is signed in.

The link's secret leaves the address at once: it is exchanged for a note in the session, which holds no secret.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.auth import login as open_session
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from authsvc.operators.admin_pages.asking import this_moment
from authsvc.operators.invitations import (
    InvitationOver,
    SignInToAccept,
    accept_as_known,
    accept_as_new,
    find_open,
    find_open_by_id,
    known_operators,
)
from authsvc.operators.models import Invitation
from authsvc.operators.sessions import note_sign_in
from authsvc.tenants.admin_forms import show_problem
from authsvc.tenants.models import Operator
from authsvc.tenants.second_factor import has_factor, is_verified
from authsvc.web.problems import Problem

OPENED = "opened_invitation"
PASSWORD_BACKEND = "django.contrib.auth.backends.ModelBackend"


class AccountForm(forms.Form):
    """The account to make."""

    username = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "username"}))
    password = forms.CharField(
        min_length=12,
        max_length=200,
        help_text="At least 12 characters.",
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
    )


def open_invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Take the secret out of the address and remember which invitation it opened."""
    found = find_open(secret, now=this_moment())
    request.session[OPENED] = found.pk if found is not None else ""
    return HttpResponseRedirect(reverse("admin:join"))


def join_page(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Accept the invitation that this browser opened; one answer for everything that is over or never was."""
    opened = request.session.get(OPENED, "")
    invitation = find_open_by_id(opened, now=this_moment()) if opened else None
    if invitation is None:
        return _over(site, request)
    operator = request.user if isinstance(request.user, Operator) and request.user.is_active else None
    try:
        return _joined(site, request, invitation, operator)
    except InvitationOver:
        return _over(site, request)


def _joined(site: AdminSite, request: HttpRequest, invitation: Invitation, operator: Operator | None) -> HttpResponse:
    form = AccountForm(request.POST if request.method == "POST" else None, initial={"username": invitation.invited})
    plain = forms.Form(request.POST) if request.method == "POST" else forms.Form()
    must_sign_in = operator is None and bool(known_operators(invitation.invited))
    must_prove = operator is not None and has_factor(operator) and not is_verified(request)
    shown = plain if operator is not None else form
    if request.method == "POST" and not must_sign_in and not must_prove and shown.is_valid():
        try:
            _accept(request, invitation, operator, form)
        except InvitationOver:
            raise
        except SignInToAccept as problem:
            shown.add_error(None, problem.detail)
        except Problem as problem:
            show_problem(shown, problem)
        else:
            request.session.pop(OPENED, None)
            return HttpResponseRedirect(reverse("admin:index"))
    context = {
        "invitation": invitation,
        "form": shown,
        "operator": operator,
        "must_sign_in": must_sign_in or must_prove,
    }
    return _page(site, request, context)


def _accept(request: HttpRequest, invitation: Invitation, operator: Operator | None, form: forms.Form) -> None:
    now = this_moment()
    if operator is not None:
        accept_as_known(invitation=invitation, operator=operator, now=now)
        return
    made = accept_as_new(invitation=invitation, **form.cleaned_data, now=now)
    open_session(request, made, backend=PASSWORD_BACKEND)
    note_sign_in(request, now=now)


def _over(site: AdminSite, request: HttpRequest) -> HttpResponse:
    return _page(site, request, {"over": InvitationOver().detail}, status=InvitationOver.status)


def _page(site: AdminSite, request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    whole = {**site.each_context(request), "title": "You are invited", **context}
    response = TemplateResponse(request, "admin/join.html", whole, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response
