"""The page that leads an empty tenant to a working lease: the same use case as the ``onboard`` command.

One page, one POST: nothing pasted is kept between steps, and both proofs are shown once.
"""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authsvc.gate.onboard import Beginning, Onboarded, onboard, open_and_onboard, prove_lease
from authsvc.tenants.admin_base import HouseAdmin, ShownOnce
from authsvc.tenants.admin_forms import offer
from authsvc.tenants.admin_site import caller_in, chosen_place, operator_of
from authsvc.tenants.models import Environment
from authsvc.tenants.services import platform_operator_caller
from authsvc.tokens.issuer import issuer_of
from authsvc.web.client_address import client_address
from authsvc.web.problems import ValidationFailed
from authsvc.web.request_id import request_id_of
from authsvc.web.secret_text import SecretText
from profiles.admin_pages.shape_hint import ShapeHint, hint_of
from profiles.providers import CATALOGUE, Kind
from profiles.services.paste import PasteRequest
from profiles.services.store import MAXIMUM_SECRET
from profiles.write_ranges import require_write_address
from rbac.admin_pages.forms import ONCE
from rbac.models import GatewayKind

SCOPE = "authsvc:admin"
KINDS = [(Kind.API_KEY.value, "API key"), (Kind.TOKEN.value, "setup token or other token")]


class OnboardingForm(forms.Form):
    """Everything from the tenant to the gateway."""

    environment = forms.ChoiceField(required=False, label="Tenant and environment")
    tenant = forms.SlugField(
        max_length=63, required=False, label="New tenant", help_text="Lower-case letters, digits and -."
    )
    env = forms.ChoiceField(
        choices=[("dev", "dev"), ("prod", "prod")], required=False, label="Its environment to begin with"
    )
    provider = forms.CharField(max_length=64, widget=forms.TextInput(attrs={"list": "providers"}))
    name = forms.CharField(max_length=128, initial="default", label="Name of the profile")
    kind = forms.ChoiceField(choices=KINDS)
    value = forms.CharField(
        max_length=MAXIMUM_SECRET,
        label="Key",
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "size": 60}),
        help_text="Write-only: sealed at once, shown to nobody again.",
    )
    gateway = forms.CharField(max_length=200, initial="gateway-1", label="Name of the gateway")
    gateway_kind = forms.ChoiceField(choices=GatewayKind.choices, initial=GatewayKind.OPENCLAW, label="What it runs")

    def beginning(self) -> Beginning:
        """Return what a valid form begins with."""
        fields = self.cleaned_data
        credential = PasteRequest(fields["provider"].lower(), fields["name"], Kind(fields["kind"]), origin="admin")
        return Beginning(credential, fields["gateway"], GatewayKind(fields["gateway_kind"]))


def onboarding_page(page: HouseAdmin, request: HttpRequest) -> HttpResponse:
    """Show the steps; a POST takes all of them at once."""
    places = {row.id: row for row in page.environments(request, SCOPE)}
    is_platform = operator_of(request).is_superuser
    if not places and not is_platform:
        raise Http404
    form = _form(request, places, is_platform=is_platform)
    if request.method == "POST" and form.is_valid() and "preview" not in request.POST:
        place = places.get(form.cleaned_data["environment"])
        done = page._run(request, form, place, lambda now: _onboarded(request, form, place, now))
        if done is not None:
            return done
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "form": form,
        "title": "Set up: from nothing to a working lease",
        "providers": sorted(CATALOGUE),
        "hint": _hint(request),
        "is_platform": is_platform,
    }
    response = TemplateResponse(request, "admin/onboarding.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _form(request: HttpRequest, places: dict[str, Environment], *, is_platform: bool) -> OnboardingForm:
    chosen = chosen_place(request)
    first = chosen.id if chosen and chosen.id in places else "" if is_platform else next(iter(places))
    form = OnboardingForm(request.POST if request.method == "POST" else None, initial={"environment": first})
    new = [("", "a new tenant")] if is_platform else []
    offer(form, "environment", [*new, *((key, str(row)) for key, row in places.items())])
    if not is_platform:
        del form.fields["tenant"], form.fields["env"]
        form.fields["environment"].required = True
    return form


def _onboarded(request: HttpRequest, form: OnboardingForm, place: Environment | None, now: datetime) -> ShownOnce:
    secret = SecretText(form.cleaned_data["value"].strip())
    if place is not None:
        caller = caller_in(request, place)
        require_write_address(caller)
        done = onboard(caller, form.beginning(), secret, now=now)
    else:
        if not form.cleaned_data["tenant"]:
            raise ValidationFailed(errors={"tenant": ["Name the new tenant, or choose an environment above."]})
        caller = platform_operator_caller(
            operator_of(request), request_id=request_id_of(request), address=client_address(request)
        )
        require_write_address(caller)
        tenant, environment = form.cleaned_data["tenant"], form.cleaned_data["env"] or "dev"
        done = open_and_onboard(caller, form.beginning(), secret, tenant=tenant, environment=environment, now=now)
    return _shown(done, prove_lease(done, address=client_address(request), now=now))


def _shown(done: Onboarded, lease_id: str) -> ShownOnce:
    place, key = done.place, done.lease_key.reveal()
    base = issuer_of(place.tenant, place.environment).partition("/t/")[0]
    facts = {
        "Environment": f"{place.tenant}/{place.environment}",
        "Credential": done.profile.key,
        "Check": "fine" if done.check == 0 else "fine, and it ends soon",
        "Leased once to prove it": lease_id,
        "Gateway": f"{done.gateway.name} ({done.gateway.audience})",
    }
    body = f'{{"provider": "{done.profile.provider}"}}'
    snippets = {
        "Gateway token": done.gateway_token.reveal(),
        "Environment of the gateway": f"export AUTHSVC_URL={base}\nexport AUTHSVC_TOKEN={key}",
        "Lease it": (
            f'curl -H "Authorization: Bearer $AUTHSVC_TOKEN" -H "Content-Type: application/json" \\\n'
            f"  -d '{body}' {base}/api/v1/credentials/resolve"
        ),
    }
    return ShownOnce("A working lease", f"The key to lease with. {ONCE}", key, facts, snippets)


def _hint(request: HttpRequest) -> ShapeHint | None:
    return hint_of(request.POST.get("provider", ""), request.POST.get("kind", ""), request.POST.get("value", ""))
