"""Admin page of service accounts."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from authsvc.tenants.admin_base import Fields, HouseAdmin, Panel, ServiceAction, ShownOnce
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_site import caller_in, holds
from authsvc.tenants.models import PrincipalState
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import NothingForm, ReasonForm, ScopesText, shown_key
from rbac.models import ServiceAccount
from rbac.services.service_accounts import (
    create_service_account,
    delete_service_account,
    issue_account_key,
    update_service_account,
)

MOST_KEYS = 50
LIVES = [(30, "30 days"), (90, "90 days"), (365, "a year"), (1, "a day")]


class ServiceAccountForm(forms.Form):
    """A new service account."""

    name = forms.CharField(max_length=200)
    description = forms.CharField(max_length=2000, required=False)
    email = forms.EmailField(required=False, help_text="Only in tokens of gateways that map it.")
    default_scopes = ScopesText(required=False, help_text="Issued when a request names no scope.")
    maximum_scopes = ScopesText(required=False, help_text="Never issued beyond these; empty means no such limit.")


class KeyForm(forms.Form):
    """A new API key or client secret."""

    name = forms.CharField(max_length=200, required=False)
    scopes = ScopesText(required=False, help_text="Narrow the key to these; empty means all the account holds.")
    life = forms.TypedChoiceField(
        coerce=int,
        choices=LIVES,
        initial=30,
        required=False,
        empty_value="30",
        help_text="For one that never ends, its own page has a button: say why.",
    )
    expires_at = forms.DateTimeField(required=False, help_text="UTC, e.g. 2027-01-31 12:00; instead of the above.")
    address_ranges = ScopesText(
        required=False, help_text="Accepted from these alone, e.g. 10.0.0.0/8; empty: anywhere."
    )


class ClientSecretForm(forms.Form):
    """A new client secret."""

    name = forms.CharField(max_length=200, required=False)


@admin.register(ServiceAccount)
class ServiceAccountAdmin(HouseAdmin):
    """Programs that call us."""

    when_empty = "No service account is here yet. Add one, grant it a role, then issue it a key."
    list_display = ("name", "id", "where", "state", "created_at")
    list_filter = (PlaceFilter,)
    search_fields = ("id", "principal__name")
    list_select_related = ("principal", "environment__tenant")
    fields = (
        "id",
        "name",
        "state",
        "environment",
        "description",
        "email",
        "default_scopes",
        "maximum_scopes",
        "created_at",
    )
    readonly_fields = fields
    service_add_form = ServiceAccountForm
    add_scope = "service_accounts:write"
    add_title = "Add service account"

    @admin.display(ordering="principal__name")
    def name(self, row: ServiceAccount) -> str:
        """Return the account's name."""
        return row.principal.name

    @admin.display(ordering="principal__state")
    def state(self, row: ServiceAccount) -> str:
        """Return whether it is active."""
        return str(row.principal.state)

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Create the account."""
        account = create_service_account(
            caller,
            name=fields["name"],
            description=fields["description"],
            email=fields["email"],
            default_scopes=fields["default_scopes"],
            maximum_scopes=fields["maximum_scopes"],
            now=now,
        )
        return f"Service account {account} is created. Grant it a role, then issue it a key."

    @staticmethod
    def _issue_key(caller: Caller, row: ServiceAccount, fields: Fields, now: datetime) -> ShownOnce:
        issued = issue_account_key(
            caller,
            account=row,
            kind=ApiKeyKind.API_KEY,
            name=fields["name"],
            scopes=fields["scopes"],
            expires_at=fields["expires_at"] or now + timedelta(days=int(fields["life"])),
            address_ranges=fields["address_ranges"],
            now=now,
        )
        return shown_key("API key", issued, str(row))

    @staticmethod
    def _issue_secret(caller: Caller, row: ServiceAccount, fields: Fields, now: datetime) -> ShownOnce:
        issued = issue_account_key(caller, account=row, kind=ApiKeyKind.CLIENT_SECRET, name=fields["name"], now=now)
        return shown_key("Client secret", issued, f"{row} (client id {row.id})")

    @staticmethod
    def _disable(caller: Caller, row: ServiceAccount, fields: Fields, now: datetime) -> str:
        state = PrincipalState.DISABLED
        update_service_account(caller, account=row, state=state, reason=fields["reason"], now=now)
        return f"{row} is disabled; nothing it holds is accepted any more."

    @staticmethod
    def _enable(caller: Caller, row: ServiceAccount, fields: Fields, now: datetime) -> str:
        state = PrincipalState.ACTIVE
        update_service_account(caller, account=row, state=state, reason=fields["reason"], now=now)
        return f"{row} is enabled."

    @staticmethod
    def _delete(caller: Caller, row: ServiceAccount, _fields: Fields, now: datetime) -> str:
        name = str(row)
        delete_service_account(caller, account=row, now=now)
        return f"{name} is deleted with its keys, grants and tokens."

    service_actions = (
        ServiceAction("api-key", "Issue API key", "service_accounts:write", KeyForm, _issue_key),
        ServiceAction(
            "client-secret", "Issue client secret", "service_accounts:write", ClientSecretForm, _issue_secret
        ),
        ServiceAction(
            "disable",
            "Disable",
            "service_accounts:write",
            ReasonForm,
            _disable,
            is_dangerous=True,
            applies=lambda row: row.principal.state == PrincipalState.ACTIVE,
        ),
        ServiceAction(
            "enable",
            "Enable",
            "service_accounts:write",
            ReasonForm,
            _enable,
            applies=lambda row: row.principal.state != PrincipalState.ACTIVE,
        ),
        ServiceAction("delete", "Delete", "service_accounts:write", NothingForm, _delete, is_dangerous=True),
    )


def proofs_panel(request: HttpRequest, row: ServiceAccount) -> list[Panel]:
    """Return what the account may show, the longest unused first, and where a token is issued to it."""
    keys = ApiKey.objects.for_tenant(row.tenant_id).filter(principal=row.principal, revoked_at__isnull=True)
    newest = sorted(keys[:MOST_KEYS], key=lambda key: key.last_used_at or key.created_at)
    lines = [
        f"{key.get_kind_display()} …{key.last_four} {key.name} · "
        + (f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used")
        for key in newest
    ]
    may_issue = holds(caller_in(request, row.environment), "tokens:issue")
    url = reverse("admin:authsvc_issuedtoken_add") + f"?{urlencode({'account': row.pk})}" if may_issue else ""
    return [Panel("Its keys and secrets", lines, when_empty="It has none.", url=url, url_text="Issue it a token")]


ServiceAccountAdmin.panels = (proofs_panel,)
