"""Admin page of an environment's own providers: what their keys look like, and the only addresses secrets may go to.

Whoever names an address decides where refresh tokens and keys are sent; so it asks for authsvc:admin, and for a fresh
second factor when an address is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from authsvc.audit.models import AuditEvent
from authsvc.tenants.admin_base import Fields, HouseAdmin, Panel, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_forms import lines
from authsvc.tenants.admin_history import MOST_EVENTS
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed
from profiles.models import BILLING_CHOICES, ProbeStyle, ProviderEntry, TokenBody
from profiles.services.providers import FIELDS, delete_provider, find_entry, set_provider
from rbac.admin_pages.forms import NothingForm
from rbac.scopes import AUTHSVC_ADMIN

ADDRESSES = ("token_url", "probe_url")
CHANGES = ("provider.updated", "provider.deleted")
SHOWN_AS = {"env_names": "variables", "prefixes": "key_prefixes"}
DETAILS: tuple[str, ...] = ("slug", "environment", *(SHOWN_AS.get(name, name) for name in FIELDS), "created_at")
ONLY_HERE = (
    "Outbound requests go to this one address and no other: https, no redirect, no proxy, and in production never "
    "to a private network. An address that an imported file names is not used."
)


class WordsField(forms.CharField):
    """A few words, separated by spaces, commas or new lines."""

    def clean(self, value: Any) -> Any:
        """Return the words."""
        return lines(super().clean(value))


class EntryForm(forms.Form):
    """What an environment says of one provider; what is left empty is as built in."""

    label = forms.CharField(max_length=200, required=False, help_text="How people read it.")
    env_names = WordsField(
        max_length=1300, required=False, label="Variables", help_text="Such as ACME_API_KEY; the first is written."
    )
    prefixes = WordsField(
        max_length=700, required=False, help_text="What an API key begins with, any of them; empty: anything."
    )
    minimum_length = forms.IntegerField(min_value=1, max_value=4096, initial=1, label="Shortest API key")
    billing = forms.ChoiceField(choices=[("", "as built in"), *BILLING_CHOICES], required=False)
    dashboard_url = forms.CharField(max_length=500, required=False, label="Dashboard", help_text="A link for people.")
    endpoint_url = forms.CharField(
        max_length=500, required=False, label="Endpoint", help_text="Where programs call it. This service never does."
    )
    token_url = forms.CharField(
        max_length=500,
        required=False,
        label="Token endpoint",
        help_text=f"Where logins are refreshed; empty: they are not. {ONLY_HERE}",
    )
    token_client_id = forms.CharField(max_length=200, required=False, label="Client id there")
    token_body = forms.ChoiceField(choices=TokenBody.choices, initial=TokenBody.FORM.value, label="Body it wants")
    probe_url = forms.CharField(
        max_length=500,
        required=False,
        label="Probe address",
        help_text=f"Where a credential may be tried with Probe now; empty: never. {ONLY_HERE}",
    )
    probe_style = forms.ChoiceField(
        choices=ProbeStyle.choices, initial=ProbeStyle.BEARER.value, label="How it wants the credential"
    )


class NewEntryForm(EntryForm):
    """The same, and which provider."""

    provider = forms.CharField(max_length=64, help_text="A built-in one, such as anthropic, or one of your own.")
    field_order = ("provider",)


def names_new_address(row: ProviderEntry | None, fields: Fields) -> bool:
    """True when secrets would go somewhere they may not go yet."""
    return any(fields[name] and fields[name] != getattr(row, name, "") for name in ADDRESSES)


def where_secrets_go(_request: HttpRequest, row: ProviderEntry) -> list[Panel]:
    """Return the panel that says where this provider's secrets may be sent."""
    what = {
        "token_url": "refresh tokens, to refresh logins",
        "probe_url": "a credential, when somebody presses Probe now",
    }
    sent = [f"{getattr(row, name)}: {text}" for name, text in what.items() if getattr(row, name)]
    empty = "Nowhere: no login of it is refreshed and no credential tried."
    return [Panel("Where its secrets may be sent", sent, when_empty=empty)]


@admin.register(ProviderEntry)
class ProviderEntryAdmin(HouseAdmin):
    """Providers of an environment's own, and what it says of built-in ones."""

    list_display = ("slug", "label", "where", "billing", "refreshes_at", "probes_at")
    list_filter = (PlaceFilter,)
    search_fields = ("slug", "label")
    list_select_related = ("environment__tenant",)
    fields = DETAILS
    readonly_fields = fields
    panels = (where_secrets_go,)
    service_add_form = NewEntryForm
    add_scope = AUTHSVC_ADMIN
    add_title = "Add provider"

    @admin.display
    def variables(self, row: ProviderEntry) -> str:
        """Return the variables a gateway reads it from."""
        return ", ".join(row.env_names)

    @admin.display
    def key_prefixes(self, row: ProviderEntry) -> str:
        """Return what an API key begins with."""
        return ", ".join(row.prefixes)

    @admin.display(description="refreshes at")
    def refreshes_at(self, row: ProviderEntry) -> str:
        """Return the host that is sent refresh tokens."""
        return urlsplit(row.token_url).netloc

    @admin.display(description="probes at")
    def probes_at(self, row: ProviderEntry) -> str:
        """Return the host that credentials are tried at."""
        return urlsplit(row.probe_url).netloc

    def add_asks_again(self, request: HttpRequest, form: forms.Form) -> bool:
        """True when the new entry lets secrets out."""
        return names_new_address(None, form.cleaned_data)

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Add an entry; one that is there already is changed on its own page."""
        slug = fields["provider"].strip().lower()
        if find_entry(caller, slug=slug) is not None:
            raise ValidationFailed(errors={"provider": ["It has an entry here already: change that."]})
        set_provider(caller, slug=slug, fields=_own(fields), now=now)
        return f"{slug} is in the catalogue of this environment."

    def initial_for(self, action: ServiceAction, row: ProviderEntry) -> Mapping[str, Any]:
        """Start from the entry as it is."""
        words = {name: " ".join(getattr(row, name)) for name in ("env_names", "prefixes")}
        return {name: getattr(row, name) for name in FIELDS} | words

    @staticmethod
    def _change(caller: Caller, row: ProviderEntry, fields: Fields, now: datetime) -> str:
        set_provider(caller, slug=row.slug, fields=_own(fields), now=now)
        return f"{row.slug} is changed."

    @staticmethod
    def _remove(caller: Caller, row: ProviderEntry, _fields: Fields, now: datetime) -> str:
        delete_provider(caller, slug=row.slug, now=now)
        return f"The entry for {row.slug} is gone; no secret of it is sent anywhere."

    def row_context(self, request: HttpRequest, row: ProviderEntry) -> dict[str, Any]:
        """Show who changed the entry; a provider's name is its subject, so the environment has to be asked for, too."""
        events = AuditEvent.objects.filter(tenant_id=row.tenant_id, subject_id=row.slug, event_type__in=CHANGES)
        return {"timeline": list(events.filter(environment_id=row.environment_id).order_by("-sequence")[:MOST_EVENTS])}

    service_actions = (
        ServiceAction("change", "Change", AUTHSVC_ADMIN, EntryForm, _change, asks_again=names_new_address),
        ServiceAction("remove", "Remove", AUTHSVC_ADMIN, NothingForm, _remove, is_dangerous=True),
    )


def _own(fields: Fields) -> dict[str, object]:
    return {name: fields[name] for name in FIELDS}
