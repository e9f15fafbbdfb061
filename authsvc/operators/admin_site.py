"""The admin site with its doors: sign in, second factor, passkeys, sessions, invitations, forgotten passwords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import login as open_session
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from authsvc.audit.record import record
from authsvc.operators.admin_pages.asking import let_in, safe_target, self_caller, this_moment
from authsvc.operators.admin_pages.forgotten import ForgottenView, NewPasswordView
from authsvc.operators.admin_pages.joining import join_page, open_invitation
from authsvc.operators.admin_pages.second_factor import options_page, set_up_page, verify_page
from authsvc.operators.admin_pages.sessions import sessions_page
from authsvc.operators.admin_pages.step_up import ask_again
from authsvc.operators.mail import can_send
from authsvc.operators.passkeys import are_offered, find_by_passkey
from authsvc.operators.sessions import note_sign_in
from authsvc.tenants.admin_site import HouseAdminSite, operator_of, step_of
from authsvc.tenants.models import Operator
from authsvc.tenants.second_factor import Step
from authsvc.web.problems import Problem

PASSWORD_BACKEND = "django.contrib.auth.backends.ModelBackend"


class OperatorSite(HouseAdminSite):
    """The house's admin site with the ways in."""

    login_template = "admin/house_login.html"

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Ask for the second factor once the password is known, and for the password before."""
        user = request.user
        if request.method == "GET" and isinstance(user, Operator) and user.is_active:
            match step_of(request):
                case Step.SHOW:
                    return HttpResponseRedirect(_onwards(request, "admin:verify"))
                case Step.SET_UP:
                    return HttpResponseRedirect(reverse("admin:second_factor"))
                case Step.NONE:
                    pass
        extra = {**(extra_context or {}), "passkeys_offered": are_offered(), "can_mail": can_send()}
        response = super().login(request, extra)
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            note_sign_in(request, now=this_moment())
        return response

    def passkey_login(self, request: HttpRequest) -> HttpResponse:
        """Sign in with a passkey alone: the device has verified its owner, so it is both factors."""
        if request.method != "POST" or not are_offered():
            raise Http404
        try:
            operator, passkey = find_by_passkey(request.POST.get("passkey", ""), now=this_moment())
        except Problem as problem:
            request.method = "GET"
            note = {"passkey_error": " ".join(problem.errors.get("passkey", [problem.detail]))}
            return super().login(request, {**note, "passkeys_offered": True, "can_mail": can_send()})
        open_session(request, operator, backend=PASSWORD_BACKEND)
        let_in(request, passkey)
        note_sign_in(request, now=this_moment())
        caller = self_caller(request, operator)
        record(caller, "operator.logged_in", subject_id=operator.id, detail={"address": caller.address},
               now=this_moment())  # fmt: skip
        return HttpResponseRedirect(safe_target(request))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Change one's own password, which ends every other session; audited with the change."""
        with transaction.atomic():
            response = super().password_change(request, extra_context)
            if request.method == "POST" and isinstance(response, HttpResponseRedirect):
                operator = operator_of(request)
                caller = self_caller(request, operator)
                record(caller, "operator.password_changed", subject_id=operator.id, now=this_moment())
        return response

    def ask_again(self, request: HttpRequest) -> HttpResponse | None:
        """Return the page that asks for the second factor, or ``None`` while it is fresh."""
        return ask_again(self, request)

    def sessions(self, request: HttpRequest) -> HttpResponse:
        """Show where the operator is signed in, and end sessions."""
        return sessions_page(self, request)

    def password_sent(self, request: HttpRequest) -> HttpResponse:
        """Say the same to everybody who asked for a new password."""
        if not can_send():
            raise Http404
        return TemplateResponse(request, "admin/password_forgotten.html", self.each_context(request))

    def _door(self, view: Any) -> Callable[..., HttpResponse]:
        """Return one of Django's password views, with what every page of the site knows."""

        def page(request: HttpRequest, **names: str) -> HttpResponse:
            whole = {**self.each_context(request), **view.extra_context}
            answer: HttpResponse = view.as_view(extra_context=whole)(request, **names)
            return answer

        return page

    def get_urls(self) -> list[Any]:
        """Return the doors before the site's own routes."""
        doors = [
            path("verify/", lambda request: verify_page(self, request), name="verify"),
            path("second-factor/", lambda request: set_up_page(self, request), name="second_factor"),
            path("passkeys/options/", options_page, name="passkey_options"),
            path("login/passkey/", self.passkey_login, name="passkey_login"),
            path("join/", lambda request: join_page(self, request), name="join"),
            path("join/<str:secret>/", open_invitation, name="open_invitation"),
            path("password/forgotten/", self._door(ForgottenView), name="password_reset"),
            path("password/sent/", self.password_sent, name="password_sent"),
            path("password/new/<str:uidb64>/<str:token>/", self._door(NewPasswordView), name="password_new"),
            path("sessions/", self.admin_view(self.sessions), name="sessions"),
        ]
        return [*doors, *super().get_urls()]


def _onwards(request: HttpRequest, name: str) -> str:
    """Return a door's address that remembers where the operator wanted to go."""
    target = safe_target(request)
    query = "" if target == reverse("admin:index") else "?" + urlencode({"next": target})
    return reverse(name) + query
