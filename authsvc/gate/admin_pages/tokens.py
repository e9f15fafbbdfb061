"""Admin pages of issued tokens and opaque proofs; a fresh secret is shown once, in the answer itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThan
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

from authsvc.gate.admin_pages.bulk_revoke import REVOKE_KEYS, REVOKE_TOKENS, revoke_many
from authsvc.gate.admin_pages.explain import explain_page
from authsvc.gate.admin_pages.issue_token import IssueTokenForm, issue_and_show, issue_context
from authsvc.gate.admin_pages.scope_choices import asked_scopes
from authsvc.gate.admin_pages.token_preview import UNUSED_DAYS, preview_of
from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction, ShownOnce
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_site import Attention, calls_for_attention, in_sight
from authsvc.tenants.models import Environment, Operator
from authsvc.tokens.api_keys import revoke_api_key
from authsvc.tokens.models import TYPE_OF_KIND, ApiKey, ApiKeyKind, IssuedToken
from authsvc.tokens.services import revoke_token
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import ReasonForm, administrates, shown_key
from rbac.services.service_accounts import make_key_endless, rotate_account_key


class LifeFilter(admin.SimpleListFilter):
    """Filters proofs by whether they still are accepted."""

    title = parameter_name = "life"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the ends a proof can come to."""
        return [("living", "living"), ("expired", "expired"), ("revoked", "revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the proofs in that state."""
        match self.value():
            case "living":
                unended = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
                return queryset.filter(unended, revoked_at__isnull=True)
            case "expired":
                return queryset.filter(expires_at__lte=timezone.now(), revoked_at__isnull=True)
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
            case _:
                return queryset


def ends_in(expires_at: datetime | None, revoked_at: datetime | None) -> str:
    """Return how a proof ended, or how long it still lives."""
    if revoked_at is not None:
        return f"revoked {revoked_at:%Y-%m-%d %H:%M}"
    if expires_at is None:
        return "never"
    return f"in {timeuntil(expires_at)}" if expires_at > timezone.now() else f"expired {expires_at:%Y-%m-%d %H:%M}"


@admin.register(IssuedToken)
class IssuedTokenAdmin(HouseAdmin):
    """Access tokens that were issued; the tokens themselves are not stored."""

    when_empty = "No token was issued here yet. Programs get one at the token endpoint; you can issue one by hand."
    list_display = ("id", "principal", "audience", "scopes", "where", "created_at", "ends")
    list_filter = (PlaceFilter, LifeFilter, "grant_type")
    actions = ("revoke_tokens",)
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

    service_add_template = "admin/issue_token.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the page that explains a decision."""
        explain = path("explain/", self.admin_site.admin_view(self.explain_view), name="authsvc_issuedtoken_explain")
        return [explain, *super().get_urls()]

    def explain_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what a token may do, and say why."""
        return explain_page(self, request)

    def get_actions(self, request: HttpRequest) -> Any:
        """Offer bulk actions to those alone who may revoke somewhere."""
        return super().get_actions(request) if self.environments(request, REVOKE_TOKENS.scope) else {}

    @admin.action(description="Revoke")
    def revoke_tokens(self, request: HttpRequest, chosen: QuerySet[IssuedToken]) -> TemplateResponse | None:
        """Revoke several tokens after their number was typed."""
        return revoke_many(self, request, chosen, REVOKE_TOKENS)

    @admin.display(description="ends", ordering="expires_at")
    def ends(self, row: IssuedToken) -> str:
        """Return how long the token still lives."""
        return ends_in(row.expires_at, row.revoked_at)

    def is_ready(self, request: HttpRequest, form: forms.Form) -> bool:
        """False for a preview, and until warnings were read."""
        if "preview" in request.POST:
            return False
        seen = preview_of(self.add_caller(request, form), form.cleaned_data, now=datetime.now(UTC))
        return not seen.warnings or form.cleaned_data["confirmed"]

    def add_context(self, request: HttpRequest, form: forms.Form) -> dict[str, Any]:
        """Show what the account holds already, and what the token could do."""
        return issue_context(self, request, form)

    def add_asks_again(self, request: HttpRequest, form: forms.Form) -> bool:
        """True for a token that may administrate."""
        return administrates(asked_scopes(self.add_caller(request, form), form.cleaned_data))

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> ShownOnce:
        """Mint the token and show it once."""
        return issue_and_show(caller, fields, now=now)

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


class RotationFilter(admin.SimpleListFilter):
    """Filters keys by what their age or silence asks for."""

    title = "rotation"
    parameter_name = "rotation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return what may be due."""
        return [("due", "due for a new secret"), ("unused", "unused for 90 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the living keys for which it is due."""
        match self.value():
            case "due":
                return queryset.filter(due_for_rotation())
            case "unused":
                return queryset.filter(unused())
            case _:
                return queryset


def due_for_rotation() -> Q:
    """Return the condition of a living key whose secret is older than its environment's policy wants."""
    return Q(revoked_at__isnull=True, rotate_after__lte=timezone.now())


def unused() -> Q:
    """Return the condition of a living key that nobody used for 90 days."""
    long_ago = timezone.now() - timedelta(days=UNUSED_DAYS)
    return Q(revoked_at__isnull=True) & Q(LessThan(Coalesce("last_used_at", "created_at"), long_ago))


@calls_for_attention
def keys_due(operator: Operator, place: Environment | None) -> Attention:
    """Return how many keys and secrets are due for rotation."""
    rows = in_sight(ApiKey.unscoped.filter(due_for_rotation()), operator, place)
    url = reverse("admin:authsvc_apikey_changelist") + "?rotation=due"
    return Attention(rows, "keys and secrets are due for rotation", url, "Every secret is young enough.")


@calls_for_attention
def keys_unused(operator: Operator, place: Environment | None) -> Attention:
    """Return how many keys and secrets nobody used for long."""
    rows = in_sight(ApiKey.unscoped.filter(unused()), operator, place)
    url = reverse("admin:authsvc_apikey_changelist") + "?rotation=unused"
    return Attention(rows, "keys were unused for 90 days: revoke them?", url, "Every key was used lately.")


class RotateForm(forms.Form):
    """How long the old secret still works."""

    overlap_seconds = forms.IntegerField(min_value=0, max_value=30 * 86_400, initial=86_400)


@admin.register(ApiKey)
class ApiKeyAdmin(HouseAdmin):
    """Long opaque proofs: API keys, gateway tokens, client and device secrets. Only keyed hashes are stored."""

    when_empty = "No key or secret is here yet. Issue one on the page of a service account or a gateway."
    list_display = ("looks_like", "kind", "principal", "carries", "where", "ends", "last_used")
    list_filter = (PlaceFilter, LifeFilter, RotationFilter, "kind")
    actions = ("revoke_keys",)
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
        "rotate_after",
        "previous_valid_until",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    readonly_fields = fields

    def get_actions(self, request: HttpRequest) -> Any:
        """Offer bulk actions to those alone who may revoke somewhere."""
        return super().get_actions(request) if self.environments(request, REVOKE_KEYS.scope) else {}

    @admin.action(description="Revoke")
    def revoke_keys(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> TemplateResponse | None:
        """Revoke several keys after their number was typed."""
        return revoke_many(self, request, chosen, REVOKE_KEYS)

    @admin.display(description="looks like", ordering="id")
    def looks_like(self, row: ApiKey) -> str:
        """Return how the secret begins and ends."""
        if row.imported_hash:
            return f"64 hex digits …{row.last_four}"
        beginning = "_".join((TYPE_OF_KIND[row.kind], row.environment.name, row.id.removeprefix("key_")))
        return f"{beginning}_…{row.last_four}"

    @admin.display(description="scopes")
    def carries(self, row: ApiKey) -> str:
        """Return what the key is narrowed to."""
        return " ".join(row.scopes) or "all its owner holds"

    @admin.display(description="ends", ordering="expires_at")
    def ends(self, row: ApiKey) -> str:
        """Return how long the key still lives."""
        return ends_in(row.expires_at, row.revoked_at)

    @admin.display(ordering="last_used_at")
    def last_used(self, row: ApiKey) -> str:
        """Return how long ago the key was used."""
        return f"{timesince(row.last_used_at)} ago" if row.last_used_at else "never"

    @admin.display(ordering="last_four")
    def ends_with(self, row: ApiKey) -> str:
        """Return the last four characters."""
        return f"…{row.last_four}"

    @staticmethod
    def _rotate(caller: Caller, row: ApiKey, fields: Fields, now: datetime) -> ShownOnce:
        issued = rotate_account_key(caller, key=row, overlap_seconds=fields["overlap_seconds"], now=now)
        return shown_key("New secret", issued, str(row.principal))

    @staticmethod
    def _never_expire(caller: Caller, row: ApiKey, fields: Fields, now: datetime) -> str:
        make_key_endless(caller, key=row, reason=fields["reason"], now=now)
        return f"{row} lives until it is revoked."

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
            "never-expire",
            "Let it never expire",
            "service_accounts:write",
            ReasonForm,
            _never_expire,
            is_dangerous=True,
            applies=lambda row: row.revoked_at is None and row.expires_at is not None,
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
