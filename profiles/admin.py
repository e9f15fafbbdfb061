"""Admin pages of provider credentials: values go in and never come back; fingerprint and last four tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from authsvc.tenants.admin_base import Fields, HouseAdmin, Panel, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_site import Attention, caller_in, calls_for_attention, in_sight
from authsvc.tenants.models import Environment, Operator
from authsvc.web.caller import Caller
from authsvc.web.secret_text import SecretText
from profiles.admin_pages import provider_entries, settings  # noqa: F401 - importing registers the pages
from profiles.admin_pages.figures import LivingFilter, ProviderFilter
from profiles.admin_pages.health import status_page
from profiles.admin_pages.moving_in import import_page
from profiles.admin_pages.outlook import outlook_page
from profiles.admin_pages.shape_hint import hint_of
from profiles.models import (
    DEFAULT_AGENT,
    KIND_CHOICES,
    Credential,
    CredentialState,
    Lease,
    OAuthRefresh,
    Profile,
    ProfileState,
)
from profiles.providers import Kind
from profiles.services.ledger import LEDGER_DAYS, usage_ledger
from profiles.services.probe import ProbeOutcome, probe_profile
from profiles.services.providers import find_entry
from profiles.services.store import (
    MAIN_FIELD,
    MAXIMUM_SECRET,
    ProfileRules,
    SecretMaterial,
    create_profile,
    delete_profile,
    require_shape,
    retire_profile,
    store_version,
)
from profiles.services.usage import clear_cooldown
from profiles.write_ranges import require_write_address
from rbac.admin_pages.forms import NothingForm, ReasonForm

SOON_SECONDS = 86_400
MOST_LEASES = 20


class SecretForm(forms.Form):
    """A pasted secret; it is never rendered back, also not after an error."""

    kind = forms.ChoiceField(choices=KIND_CHOICES)
    value = forms.CharField(
        max_length=MAXIMUM_SECRET,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "size": 60}),
        help_text="Write-only. It is sealed at once and shown to nobody.",
    )
    expires_at = forms.DateTimeField(required=False, help_text="UTC; empty means unknown or never.")


class ProfileForm(SecretForm):
    """A new profile with its first secret."""

    provider = forms.CharField(max_length=64, help_text="For example anthropic, openai, openrouter.")
    name = forms.CharField(max_length=128, initial="default")
    agent = forms.CharField(max_length=128, initial=DEFAULT_AGENT)
    description = forms.CharField(max_length=2000, required=False)
    minimum_trust = forms.IntegerField(min_value=0, max_value=3, initial=0)
    field_order = ("provider", "name", "agent", "kind", "value", "expires_at", "minimum_trust", "description")


class HealthFilter(admin.SimpleListFilter):
    """Filters profiles by what their current version needs."""

    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return what a credential may need."""
        return [("expired", "expired"), ("expiring", "ends within a day"), ("failed", "can no longer be refreshed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the profiles in that state."""
        if self.value() == "failed":
            return queryset.filter(id__in=failed_logins().values("id"))
        if self.value() not in {"expired", "expiring"}:
            return queryset
        return queryset.filter(id__in=ending(is_over=self.value() == "expired").values("profile_id"))


def refreshless() -> QuerySet[Credential]:
    """Return the current credentials of active profiles that cannot refresh themselves."""
    current = Credential.unscoped.filter(state=CredentialState.CURRENT, has_refresh=False)
    return current.filter(profile__state=ProfileState.ACTIVE)


def ending(*, is_over: bool) -> QuerySet[Credential]:
    """Return the current credentials that ended, or end within a day, and cannot refresh themselves."""
    now_ms = int(timezone.now().timestamp() * 1000)
    current = refreshless()
    if is_over:
        return current.filter(expires_at_ms__lt=now_ms)
    return current.filter(expires_at_ms__gte=now_ms, expires_at_ms__lt=now_ms + SOON_SECONDS * 1000)


def failed_logins() -> QuerySet[Profile]:
    """Return the active profiles whose present login its provider will not refresh any more."""
    versions = Credential.unscoped.filter(profile=OuterRef("profile"), version=OuterRef("failed_version"))
    ended = OAuthRefresh.unscoped.filter(Exists(versions.filter(state=CredentialState.CURRENT)), is_terminal=True)
    return Profile.unscoped.filter(state=ProfileState.ACTIVE, id__in=ended.values("profile"))


@calls_for_attention
def ending_credentials(operator: Operator, place: Environment | None) -> list[Attention]:
    """Return how many credentials have ended, end within a day, or can no longer be refreshed."""
    url = reverse("admin:profiles_profile_changelist") + "?health="
    expired, expiring, failed = (
        in_sight(rows, operator, place) for rows in (ending(is_over=True), ending(is_over=False), failed_logins())
    )
    none_failed = "Every login can be refreshed."
    return [
        Attention(expired, "credentials have expired", f"{url}expired", "No credential has expired.", is_urgent=True),
        Attention(expiring, "credentials end within a day", f"{url}expiring", "No credential ends within a day."),
        Attention(failed, "logins can no longer be refreshed", f"{url}failed", none_failed, is_urgent=True),
    ]


@admin.register(Profile)
class ProfileAdmin(HouseAdmin):
    """Named slots of provider credentials."""

    when_empty = "No credential is stored here yet. Paste one, or import the file of a gateway."
    list_display = ("key", "kind", "fingerprint", "last_four", "where", "agent", "state", "last_used_at")
    list_filter = (PlaceFilter, HealthFilter, "state", "kind")
    search_fields = ("id", "key", "provider")
    list_select_related = ("environment__tenant",)
    fields = (
        "id",
        "key",
        "provider",
        "agent",
        "environment",
        "kind",
        "state",
        "description",
        "minimum_trust",
        "origin",
        "created_at",
        "last_used_at",
        "lease_count",
        "success_count",
        "failure_count",
        "versions",
    )
    readonly_fields = fields
    service_add_form = ProfileForm
    add_scope = "profiles:write"
    add_title = "Store credential"
    service_add_template = "admin/store_credential.html"

    def is_ready(self, request: HttpRequest, form: forms.Form) -> bool:
        """False while only a hint is asked for."""
        return "preview" not in request.POST

    def add_context(self, request: HttpRequest, form: forms.Form) -> dict[str, Any]:
        """Say whether what was pasted has the shape of what it is meant to be."""
        typed = request.POST
        provider, place = typed.get("provider", ""), self._typed_place(request)
        entry = find_entry(caller_in(request, place), slug=provider.strip().lower()) if place else None
        return {"hint": hint_of(provider, typed.get("kind", ""), typed.get("value", ""), entry)}

    def _typed_place(self, request: HttpRequest) -> Environment | None:
        wanted = request.POST.get("environment", "")
        return next((row for row in self.environments(request, self.add_scope) if row.id == wanted), None)

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that import, that say who gets what, and how everything stands."""
        moving_in = path("import/", self.admin_site.admin_view(self.import_view), name="profiles_profile_import")
        outlook = path("outlook/", self.admin_site.admin_view(self.outlook_view), name="profiles_profile_outlook")
        status = path("status/", self.admin_site.admin_view(self.status_view), name="profiles_profile_status")
        return [moving_in, outlook, status, *super().get_urls()]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Preview and import a foreign file."""
        return import_page(self, request)

    def outlook_view(self, request: HttpRequest) -> HttpResponse:
        """Show which credential an agent would get now."""
        return outlook_page(self, request)

    def status_view(self, request: HttpRequest) -> HttpResponse:
        """Show how an environment's credentials stand."""
        return status_page(self, request)

    def get_queryset(self, request: Any) -> Any:
        """Return the profiles with their current versions at hand."""
        return super().get_queryset(request).prefetch_related("credentials")

    @admin.display
    def fingerprint(self, row: Profile) -> str:
        """Return the fingerprint of the current version."""
        return next((item.fingerprint for item in _current(row)), "")

    @admin.display
    def last_four(self, row: Profile) -> str:
        """Return the last four characters of the current version."""
        return next((f"…{item.last_four}" for item in _current(row) if item.last_four), "")

    @admin.display
    def versions(self, row: Profile) -> SafeString:
        """Return every version with its fingerprint."""
        rows = sorted(row.credentials.all(), key=lambda item: -item.version)
        return format_html_join(
            "",
            "<div>v{} · {} · {} · {} · {}</div>",
            ((item.version, item.state, item.kind, item.fingerprint, f"{item.created_at:%Y-%m-%d}") for item in rows),
        )

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Seal the first version."""
        require_write_address(caller)
        profile = create_profile(
            caller,
            provider=fields["provider"],
            name=fields["name"],
            agent=fields["agent"],
            material=material_of(fields),
            rules=ProfileRules(description=fields["description"], minimum_trust=fields["minimum_trust"]),
            origin="admin",
            now=now,
        )
        return f"{profile.key} is stored; only its fingerprint is shown from now on."

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Propose the present kind for a new version."""
        return {"kind": row.kind}

    @staticmethod
    def _replace(caller: Caller, row: Profile, fields: Fields, now: datetime) -> str:
        require_write_address(caller)
        material = material_of(fields)
        require_shape(caller, row.provider, material)
        version = store_version(caller, profile=row, material=material, origin="admin", now=now)
        return f"{row.key} has a new version, v{version.version}; the old one is retired."

    def history_ids(self, row: Profile) -> list[str]:
        """Return the profile and its versions: together they are the timeline of its rotation."""
        return [row.id, *(item.id for item in row.credentials.all())]

    @staticmethod
    def _retire(caller: Caller, row: Profile, fields: Fields, now: datetime) -> str:
        retire_profile(caller, profile=row, reason=fields["reason"], now=now)
        return f"{row.key} is retired."

    @staticmethod
    def _delete(caller: Caller, row: Profile, _fields: Fields, now: datetime) -> str:
        key = row.key
        delete_profile(caller, profile=row, now=now)
        return f"{key} is deleted with every version."

    @staticmethod
    def _clear_cooldown(caller: Caller, row: Profile, _fields: Fields, now: datetime) -> str:
        clear_cooldown(caller, profile_id=row.id, now=now)
        return f"{row.key} may be used again; its failures are forgotten."

    @staticmethod
    def _probe(caller: Caller, row: Profile, _fields: Fields, now: datetime) -> str:
        probe = probe_profile(caller, profile_id=row.id, now=now)
        if probe.outcome is ProbeOutcome.ACCEPTED:
            return f"{row.key} was accepted by its provider; it may be used again."
        what = "was refused by its provider" if probe.outcome is ProbeOutcome.REFUSED else "could not be tried"
        why = probe.reason or f"HTTP {probe.http_status}"
        return f"{row.key} {what}: {why}. {probe.hint}".strip()

    service_actions = (
        ServiceAction("probe", "Probe now", "profiles:write", NothingForm, _probe),
        ServiceAction("new-version", "Store new version", "credentials:write", SecretForm, _replace),
        ServiceAction(
            "clear-cooldown",
            "Clear cooldown",
            "profiles:write",
            NothingForm,
            _clear_cooldown,
            applies=lambda row: bool(row.usage),
        ),
        ServiceAction(
            "retire",
            "Retire",
            "profiles:write",
            ReasonForm,
            _retire,
            applies=lambda row: row.state == ProfileState.ACTIVE,
        ),
        ServiceAction("delete", "Delete", "profiles:write", NothingForm, _delete, is_dangerous=True),
    )


@admin.register(Lease)
class LeaseAdmin(HouseAdmin):
    """Who was handed which credential, and until when."""

    when_empty = "Nothing was handed out yet. A gateway gets a credential from POST /api/v1/credentials/resolve."
    list_display = ("profile", "principal_id", "agent", "purpose", "where", "created_at", "expires_at")
    list_filter = (PlaceFilter, LivingFilter, ProviderFilter)
    search_fields = ("id", "=principal_id", "=profile__id", "=profile__key")
    list_select_related = ("profile", "environment__tenant")
    fields = ("id", "profile", "principal_id", "agent", "session", "purpose", "environment", "created_at", "expires_at")
    readonly_fields = fields


def handed_out(_request: HttpRequest, row: Profile) -> list[Panel]:
    """Return who was handed this profile's secret, when and for what."""
    leases = Lease.objects.for_tenant(row.tenant_id).filter(profile=row).select_related("credential")
    lines = [
        f"{lease.created_at:%Y-%m-%d %H:%M:%S} v{lease.credential.version} to {lease.principal_id}"
        f" for {lease.agent or 'any agent'}{f' · {lease.purpose}' if lease.purpose else ''}"
        f" until {lease.expires_at:%Y-%m-%d %H:%M}"
        for lease in leases[:MOST_LEASES]
    ]
    url = reverse("admin:profiles_lease_changelist") + f"?q={row.id}"
    return [Panel("Who was handed its secret, and when", lines, when_empty="Nobody yet.", url=url if lines else "")]


def used_by(request: HttpRequest, row: Profile) -> list[Panel]:
    """Return which gateways, devices and accounts used this profile, how often, and how that ended."""
    used = usage_ledger(caller_in(request, row.environment), profile=row, now=timezone.now())
    lines = [
        f"{each.kind.replace('_', ' ')} {each.name or each.principal_id}: {each.leases} hand-outs"
        f", {each.successes} successes and {each.failures} failures reported"
        for each in used[:MOST_LEASES]
    ]
    return [Panel(f"Who used it within {LEDGER_DAYS} days", lines, when_empty="Nobody.")]


ProfileAdmin.panels = (handed_out, used_by)


def material_of(fields: Fields) -> SecretMaterial:
    """Return what is to be sealed."""
    kind = Kind(fields["kind"])
    expires_at = fields["expires_at"]
    return SecretMaterial(
        kind,
        {MAIN_FIELD[kind]: SecretText(fields["value"].strip())},
        int(expires_at.timestamp() * 1000) if expires_at else None,
    )


def _current(row: Profile) -> list[Credential]:
    return [item for item in row.credentials.all() if item.state == CredentialState.CURRENT]
