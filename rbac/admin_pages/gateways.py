"""Admin page of gateways."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction, ShownOnce
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_forms import lines
from authsvc.tokens.jwt import ALGORITHMS
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import NothingForm, shown_key
from rbac.admin_pages.gateway_routes import address_of, routes_page, routes_panel
from rbac.claim_mapping import SOURCES
from rbac.models import Gateway, GatewayKind
from rbac.services.gateways import (
    create_gateway,
    delete_gateway,
    import_gateway_token,
    issue_gateway_token,
    update_gateway,
)

SEEN = ("fetched_kids", "fetched_at", "acknowledged_kids", "acknowledged_at", "claims", "shares_tokens")


class GatewayForm(forms.Form):
    """A new gateway."""

    name = forms.CharField(max_length=200)
    kind = forms.ChoiceField(choices=GatewayKind.choices)
    audience = forms.SlugField(max_length=128, required=False, help_text="The AgentOS id; empty means our own id.")
    algorithm = forms.ChoiceField(choices=[(name, name) for name in ALGORITHMS])
    url = forms.URLField(max_length=500, required=False, assume_scheme="https")


class GatewayTokenForm(forms.Form):
    """A new gateway token."""

    name = forms.CharField(max_length=200, required=False)


class ClaimsForm(forms.Form):
    """What the gateway's tokens carry besides the standard claims."""

    claims = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "cols": 60, "spellcheck": "false"}),
        help_text=f"One a line, claim=source, e.g. user_id=subject. Sources: {', '.join(sorted(SOURCES))}.",
    )

    def clean_claims(self) -> dict[str, str]:
        """Return the mapping."""
        pairs = [line.partition("=") for line in lines(self.cleaned_data["claims"])]
        return {claim.strip(): source.strip() for claim, _, source in pairs}


class GatewayTokenImportForm(forms.Form):
    """A gateway token that exists already."""

    token = forms.CharField(
        max_length=64,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="64 hex digits, as the gateway has it now; only a keyed hash is kept.",
    )
    name = forms.CharField(max_length=200, required=False)


class AllowedForm(forms.Form):
    """Who may come at all."""

    allowed_principals = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "cols": 60, "spellcheck": "false"}),
        help_text="Ids of service accounts (svc_…) and devices (dev_…), one a line; empty: whoever has a right.",
    )

    def clean_allowed_principals(self) -> list[str]:
        """Return the ids."""
        return lines(self.cleaned_data["allowed_principals"])


class SharingForm(forms.Form):
    """Whether a token may be for this gateway and others."""

    shares_tokens = forms.BooleanField(
        required=False,
        label="A token may be for several gateways",
        help_text="Only for those that all say so. Whoever runs one of them can use such a token at the others.",
    )


@admin.register(Gateway)
class GatewayAdmin(HouseAdmin):
    """Agent servers that trust our tokens."""

    when_empty = "No gateway is registered here yet. Add one; its page has text ready to copy."
    list_display = ("name", "kind", "audience", "where", "algorithm", "created_at")
    list_filter = (PlaceFilter,)
    search_fields = ("id", "name", "audience")
    list_select_related = ("environment__tenant",)
    fields = (
        "id",
        "name",
        "kind",
        "audience",
        "environment",
        "algorithm",
        "admin_scope",
        "url",
        "allowed_principals",
        *SEEN,
        "created_at",
    )
    readonly_fields = fields
    service_add_form = GatewayForm
    add_scope = "gateways:write"
    add_title = "Add gateway"

    def get_urls(self) -> list[URLPattern]:
        """Add the page of a gateway's routes."""
        routes = path(
            "<path:object_id>/routes/", self.admin_site.admin_view(self.routes_view), name="rbac_gateway_routes"
        )
        return [routes, *super().get_urls()]

    def routes_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show and change a gateway's routes."""
        return routes_page(self, request, object_id)

    def _buttons(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Put the routes first, also for who may only read them."""
        routes = {"label": "Routes", "dangerous": False, "url": address_of(row)}
        return [routes, *super()._buttons(request, row)]

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Register the gateway."""
        gateway = create_gateway(
            caller,
            name=fields["name"],
            kind=GatewayKind(fields["kind"]),
            audience=fields["audience"],
            algorithm=fields["algorithm"],
            url=fields["url"],
            now=now,
        )
        return f"Gateway {gateway} is registered; its audience is {gateway.audience}."

    @staticmethod
    def _issue(caller: Caller, row: Gateway, fields: Fields, now: datetime) -> ShownOnce:
        issued = issue_gateway_token(caller, gateway=row, name=fields["name"], now=now)
        return shown_key("Gateway token", issued, str(row))

    @staticmethod
    def _claims(caller: Caller, row: Gateway, fields: Fields, now: datetime) -> str:
        update_gateway(caller, gateway=row, claims=fields["claims"], now=now)
        return f"Tokens for {row} carry {', '.join(row.claims) or 'no further claims'} from now on."

    @staticmethod
    def _share(caller: Caller, row: Gateway, fields: Fields, now: datetime) -> str:
        update_gateway(caller, gateway=row, shares_tokens=fields["shares_tokens"], now=now)
        return f"A token for {row} {'may be' if row.shares_tokens else 'is never'} for other gateways too."

    @staticmethod
    def _allow(caller: Caller, row: Gateway, fields: Fields, now: datetime) -> str:
        update_gateway(caller, gateway=row, allowed_principals=fields["allowed_principals"], now=now)
        return f"{len(row.allowed_principals) or 'All'} principals with a right may come to {row}."

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Return the form as things are now, one a line."""
        claims = "\n".join(f"{claim}={source}" for claim, source in row.claims.items())
        return {
            "allowed_principals": "\n".join(row.allowed_principals),
            "claims": claims,
            "shares_tokens": row.shares_tokens,
        }

    @staticmethod
    def _import(caller: Caller, row: Gateway, fields: Fields, now: datetime) -> str:
        import_gateway_token(caller, gateway=row, token=fields["token"], name=fields["name"], now=now)
        return f"{row} is known by its token from now on; a new one is due after 30 days."

    @staticmethod
    def _delete(caller: Caller, row: Gateway, _fields: Fields, now: datetime) -> str:
        name = row.name
        delete_gateway(caller, gateway=row, now=now)
        return f"Gateway {name} is deleted with its tokens, grants and channel policies."

    service_actions = (
        ServiceAction("token", "Issue gateway token", "gateways:write", GatewayTokenForm, _issue),
        ServiceAction("claims", "Choose claims", "gateways:write", ClaimsForm, _claims),
        ServiceAction("import-token", "Import its token", "gateways:write", GatewayTokenImportForm, _import),
        ServiceAction("allow", "Choose who may come", "gateways:write", AllowedForm, _allow),
        ServiceAction("sharing", "Set sharing", "gateways:write", SharingForm, _share),
        ServiceAction("delete", "Delete", "gateways:write", NothingForm, _delete, is_dangerous=True),
    )


GatewayAdmin.panels = (routes_panel,)
