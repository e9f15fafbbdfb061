"""A forgotten password, by mail: Django's flow with our service behind it. Only where a mail server is configured.

The answer is the same for an address nobody has. A new password signs nobody in: the second factor is still asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordResetConfirmView, PasswordResetView
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse, reverse_lazy
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from authsvc.operators.admin_pages.asking import self_caller, this_moment
from authsvc.operators.mail import can_send, send
from authsvc.tenants.models import Operator
from authsvc.tenants.operators import set_operator_password

if TYPE_CHECKING:  # Django's class takes a type argument only in its stubs
    PasswordForm = SetPasswordForm[Operator]
else:
    PasswordForm = SetPasswordForm
SUBJECT = "Your password for authsvc"
TEXT = """Somebody, hopefully you, asked for a new password for {username}.

Set one within an hour, with this link, which works once:
{link}

If it was not you, ignore this mail; nothing has changed.
"""


class ForgottenForm(PasswordResetForm):
    """Django's form, whose mail is ours and names this service's own address, never the request's host."""

    def save(self, *_args: Any, **_options: Any) -> None:
        """Send the link to every active operator with this address."""
        for operator in self.get_users(self.cleaned_data["email"]):
            uid = urlsafe_base64_encode(force_bytes(operator.pk))
            token = default_token_generator.make_token(operator)
            link = settings.AUTHSVC_BASE_URL + reverse("admin:password_new", args=[uid, token])
            send(to=operator.email, subject=SUBJECT, text=TEXT.format(username=operator.username, link=link))


class NewPasswordForm(PasswordForm):
    """Django's form, which calls the service that audits and ends every session."""

    request: HttpRequest

    def save(self, commit: bool = True) -> Operator:  # noqa: FBT001, FBT002 - Django's signature
        """Set the password."""
        caller = self_caller(self.request, self.user)
        return set_operator_password(
            caller, operator=self.user, password=self.cleaned_data["new_password1"], now=this_moment()
        )


class ForgottenView(PasswordResetView):
    """Asks for the address."""

    form_class = ForgottenForm
    template_name = "admin/password_forgotten.html"
    success_url = reverse_lazy("admin:password_sent")
    extra_context = {"title": "Forgotten password"}

    def dispatch(self, request: HttpRequest, *args: Any, **names: Any) -> HttpResponseBase:
        """Be there only where mail can be sent."""
        if not can_send():
            raise Http404
        return super().dispatch(request, *args, **names)


class NewPasswordView(PasswordResetConfirmView):
    """Takes the new password from whoever holds the link."""

    form_class = NewPasswordForm
    template_name = "admin/password_new.html"
    success_url = reverse_lazy("admin:login")
    extra_context = {"title": "New password"}

    def dispatch(self, *args: Any, **names: Any) -> HttpResponseBase:
        """Be there only where mail can be sent."""
        if not can_send():
            raise Http404
        return super().dispatch(*args, **names)

    def get_form(self, form_class: Any = None) -> Any:
        """Give the form the request, for the audit."""
        form: Any = super().get_form(form_class)
        form.request = self.request
        return form
