"""The page that issues a token: for whom, starting from what, how long; a preview; then the token, shown once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from authsvc.gate.admin_pages.scope_choices import asked_scopes, starts
from authsvc.gate.admin_pages.token_preview import holdings_of, preview_of
from authsvc.gate.issue import Asked
from authsvc.gate.on_behalf import issue_on_behalf
from authsvc.tenants.admin_base import Fields, HouseAdmin, ShownOnce, TestOffer
from authsvc.tenants.admin_forms import offer
from authsvc.tenants.admin_site import caller_in
from authsvc.tenants.models import Environment
from authsvc.tokens.issuer import API_AUDIENCE, issuer_of
from authsvc.tokens.services import MintedToken
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import ONCE, ScopesText, grouped
from rbac.admin_pages.scope_choices import PICKABLE, SCOPE_CHOICES
from rbac.models import Gateway, ServiceAccount
from rbac.services.service_accounts import get_service_account

LIVES = [(900, "15 minutes"), (3600, "1 hour"), (28_800, "8 hours"), (86_400, "24 hours")]
FIRST_ACTIONS = 8


class IssueTokenForm(forms.Form):
    """An access token for a service account."""

    account = forms.ChoiceField(label="Service account", widget=forms.Select(attrs={"autofocus": True}))
    start = forms.ChoiceField(required=False, label="Start from", help_text="A role, or a copy of another token.")
    picked = forms.MultipleChoiceField(
        required=False,
        label="Scopes",
        choices=PICKABLE,
        widget=forms.CheckboxSelectMultiple,
    )
    scopes = ScopesText(required=False, label="More scopes", help_text="One a line, e.g. agents:agent-1:run.")
    audience = forms.ChoiceField(required=False, help_text="Who the token is for.")
    ttl_seconds = forms.TypedChoiceField(
        coerce=int, choices=LIVES, initial=3600, label="Life", help_text="At most the tenant's limit."
    )
    confirmed = forms.BooleanField(required=False, label="I have read the warnings")

    def fill(self, environments: list[Environment]) -> None:
        """Offer the service accounts, roles, tokens and gateways of these environments."""
        offer(self, "account", grouped(ServiceAccount, environments))
        offer(self, "start", starts(environments))
        gateways = [
            (str(place), [(row.audience, f"{row.name} ({row.audience})") for row in _gateways(place)])
            for place in environments
        ]
        offer(self, "audience", [("", "authsvc, this API"), *gateways])

    def place_id(self) -> str:
        """Return the environment of the chosen account."""
        accounts = ServiceAccount.unscoped.values_list("environment_id", flat=True)
        return str(accounts.get(id=self.cleaned_data["account"]))


def issue_context(page: HouseAdmin, request: HttpRequest, form: forms.Form) -> dict[str, Any]:
    """Return what the page shows beside the form: the account's other proofs, and a preview of a valid form."""
    now = datetime.now(UTC)
    context: dict[str, Any] = {"scope_choices": SCOPE_CHOICES, "ticked": _ticked(request)}
    account = _chosen_account(page, request, form)
    if account is not None:
        caller = caller_in(request, account.environment)
        context |= {"account": account, "environment": account.environment}
        context |= {"holdings": holdings_of(caller, account.id, now=now)}
        if form.is_bound and form.is_valid():
            context["preview"] = preview_of(caller, form.cleaned_data, now=now)
    return context


def issue_and_show(caller: Caller, fields: Fields, *, now: datetime) -> ShownOnce:
    """Mint the token and return the page that shows it once."""
    account = get_service_account(caller, fields["account"])
    scopes = asked_scopes(caller, fields)
    asked = Asked(scopes, fields["audience"], "issued_by_administrator", fields["ttl_seconds"])
    minted = issue_on_behalf(caller, account=account, asked=asked, now=now)
    facts = {
        "For": str(account),
        "Audience": minted.claims.audience,
        "Scopes": " ".join(minted.claims.scopes),
        "Expires": f"{minted.claims.expires_at:%Y-%m-%d %H:%M:%S} UTC",
        "Id (jti)": minted.claims.jti,
    }
    test = TestOffer(
        reverse("admin:authsvc_issuedtoken_explain"),
        {"environment": caller.environment_id, "token": minted.text.reveal(), "gateway": _gateway_id(caller, minted)},
        minted.claims.scopes[:FIRST_ACTIONS],
    )
    return ShownOnce("Token issued", ONCE, minted.text.reveal(), facts, snippets_for(caller, minted), test)


def snippets_for(caller: Caller, minted: MintedToken) -> dict[str, str]:
    """Return lines to paste: the environment, curl, Python. Only the first holds the token."""
    base = issuer_of(caller.tenant, caller.environment).partition("/t/")[0]
    url = f"{base}/api/v1/me" if minted.claims.audience == API_AUDIENCE else "$GATEWAY_URL/agents"
    python_url = f'"{url}"' if minted.claims.audience == API_AUDIENCE else 'os.environ["GATEWAY_URL"] + "/agents"'
    return {
        "Environment": f"export AUTHSVC_TOKEN={minted.text.reveal()}",
        "curl": f'curl -H "Authorization: Bearer $AUTHSVC_TOKEN" "{url}"',
        "Python": (
            "import os, urllib.request\n"
            f"request = urllib.request.Request({python_url})\n"
            'request.add_header("Authorization", "Bearer " + os.environ["AUTHSVC_TOKEN"])\n'
            "print(urllib.request.urlopen(request).read().decode())"
        ),
    }


def _ticked(request: HttpRequest) -> Iterable[str]:
    return (request.POST or request.GET).getlist("picked")


def _chosen_account(page: HouseAdmin, request: HttpRequest, form: forms.Form) -> ServiceAccount | None:
    """Return the account named by the form or the address, if it is one the operator may issue for."""
    places = page.environments(request, page.add_scope)
    wanted = (request.POST or request.GET).get("account", "")
    found = ServiceAccount.unscoped.select_related("principal", "environment__tenant").filter(
        id=wanted, environment__in=places
    )
    return found.first() if wanted else None


def _gateways(place: Environment) -> QuerySet[Gateway]:
    return Gateway.objects.for_tenant(place.tenant_id).filter(environment=place)


def _gateway_id(caller: Caller, minted: MintedToken) -> str:
    gateway = Gateway.objects.for_environment(caller).filter(audience=minted.claims.audience).first()
    return gateway.id if gateway else ""
