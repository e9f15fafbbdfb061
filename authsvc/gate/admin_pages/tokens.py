"""Admin pages of signing keys, issued tokens and opaque proofs; a fresh secret is shown once, in the answer itself."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.contrib import admin
from django.db.models import QuerySet

from authsvc.gate.issue import Asked
from authsvc.gate.on_behalf import issue_on_behalf
from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction, ShownOnce, TenantFilter
from authsvc.tenants.admin_forms import ChoosesRow, offer
from authsvc.tenants.models import Environment
from authsvc.tokens.api_keys import revoke_api_key, rotate_api_key
from authsvc.tokens.models import ApiKey, ApiKeyKind, IssuedToken, SigningKey
from authsvc.tokens.services import revoke_token
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import ONCE, ReasonForm, ScopesText, grouped, shown_key
from rbac.models import Gateway, ServiceAccount
from rbac.services.service_accounts import get_service_account


@admin.register(SigningKey)
class SigningKeyAdmin(HouseAdmin):
    """Keys that sign access tokens; the private half is sealed and shown nowhere."""

    list_display = ("kid", "algorithm", "state", "environment", "created_at", "activated_at", "retire_at")
    list_filter = (TenantFilter, "state", "algorithm")
    list_select_related = ("environment__tenant",)
    fields = ("id", "kid", "algorithm", "state", "environment", "public_jwk", "created_at", "activated_at", "retire_at")
    readonly_fields = fields


class IssueTokenForm(ChoosesRow):
    """An access token for a service account."""

    account = forms.ChoiceField(label="Service account")
    audience = forms.ChoiceField(required=False, help_text="Who the token is for.")
    scopes = ScopesText(required=False, help_text="One a line; empty means the account's default set.")
    ttl_seconds = forms.IntegerField(
        min_value=60, max_value=86_400, initial=3600, label="Life in seconds", help_text="At most the tenant's limit."
    )

    def fill(self, environments: list[Environment]) -> None:
        """Offer the service accounts and gateways of these environments."""
        offer(self, "account", grouped(ServiceAccount, environments))
        gateways = [
            (str(place), [(row.audience, f"{row.name} ({row.audience})") for row in _gateways(place)])
            for place in environments
        ]
        offer(self, "audience", [("", "authsvc, this API"), *gateways])

    def place_id(self) -> str:
        """Return the environment of the chosen account."""
        accounts = ServiceAccount.unscoped.values_list("environment_id", flat=True)
        return str(accounts.get(id=self.cleaned_data["account"]))


@admin.register(IssuedToken)
class IssuedTokenAdmin(HouseAdmin):
    """Access tokens that were issued; the tokens themselves are not stored."""

    list_display = ("id", "principal", "audience", "scopes", "environment", "created_at", "expires_at", "revoked_at")
    list_filter = (TenantFilter, "grant_type")
    search_fields = ("id", "client_id", "principal__name")
    list_select_related = ("principal", "environment__tenant")
    fields = (
        "id",
        "principal",
        "client_id",
        "audience",
        "scopes",
        "grant_type",
        "trust_level",
        "environment",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    readonly_fields = fields
    service_add_form = IssueTokenForm
    add_scope = "tokens:issue"
    add_title = "Issue token"

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> ShownOnce:
        """Mint the token and show it once."""
        account = get_service_account(caller, fields["account"])
        asked = Asked(tuple(fields["scopes"]), fields["audience"], "issued_by_administrator", fields["ttl_seconds"])
        minted = issue_on_behalf(caller, account=account, asked=asked, now=now)
        facts = {
            "For": str(account),
            "Audience": minted.claims.audience,
            "Scopes": " ".join(minted.claims.scopes),
            "Expires": f"{minted.claims.expires_at:%Y-%m-%d %H:%M:%S} UTC",
            "Id (jti)": minted.claims.jti,
        }
        return ShownOnce("Token issued", ONCE, minted.text.reveal(), facts)

    @staticmethod
    def _revoke(caller: Caller, row: IssuedToken, fields: Fields, now: datetime) -> str:
        revoke_token(caller, jti=row.id, reason=fields["reason"], now=now)
        return f"Token {row.id} is revoked."

    service_actions = (
        ServiceAction(
            "revoke",
            "Revoke",
            "tokens:write",
            ReasonForm,
            _revoke,
            is_dangerous=True,
            applies=lambda row: row.revoked_at is None,
        ),
    )


class RotateForm(forms.Form):
    """How long the old secret still works."""

    overlap_seconds = forms.IntegerField(min_value=0, max_value=30 * 86_400, initial=86_400)


@admin.register(ApiKey)
class ApiKeyAdmin(HouseAdmin):
    """Long opaque proofs: API keys, gateway tokens, client and device secrets. Only keyed hashes are stored."""

    list_display = ("id", "kind", "principal", "ends_with", "environment", "expires_at", "last_used_at", "revoked_at")
    list_filter = (TenantFilter, "kind")
    search_fields = ("id", "last_four", "principal__name")
    list_select_related = ("principal", "environment__tenant")
    fields = (
        "id",
        "kind",
        "principal",
        "name",
        "ends_with",
        "scopes",
        "address_ranges",
        "environment",
        "created_at",
        "rotated_at",
        "previous_valid_until",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    readonly_fields = fields

    @admin.display(ordering="last_four")
    def ends_with(self, row: ApiKey) -> str:
        """Return the last four characters."""
        return f"…{row.last_four}"

    @staticmethod
    def _rotate(caller: Caller, row: ApiKey, fields: Fields, now: datetime) -> ShownOnce:
        issued = rotate_api_key(caller, key=row, overlap_seconds=fields["overlap_seconds"], now=now)
        return shown_key("New secret", issued, str(row.principal))

    @staticmethod
    def _revoke(caller: Caller, row: ApiKey, fields: Fields, now: datetime) -> str:
        revoke_api_key(caller, key=row, reason=fields["reason"], now=now)
        return f"{row} is revoked."

    service_actions = (
        ServiceAction(
            "rotate",
            "Rotate",
            "service_accounts:write",
            RotateForm,
            _rotate,
            applies=lambda row: row.revoked_at is None and row.kind != ApiKeyKind.DEVICE_SECRET,
        ),
        ServiceAction(
            "revoke",
            "Revoke",
            "service_accounts:write",
            ReasonForm,
            _revoke,
            is_dangerous=True,
            applies=lambda row: row.revoked_at is None,
        ),
    )


def _gateways(place: Environment) -> QuerySet[Gateway]:
    return Gateway.objects.for_tenant(place.tenant_id).filter(environment=place)
