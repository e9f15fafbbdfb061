"""Admin page of an environment's credential settings: how they are chosen, rested, watched and handed out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin

from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed
from profiles.backoff import OPENCLAW_2026_9
from profiles.models import KIND_CHOICES, PRESET_CHOICES, STRATEGY_CHOICES, ProfileSettings
from profiles.services.settings import SETTINGS, profile_settings, update_profile_settings
from profiles.usage_serializers import A_YEAR_SECONDS, LONGEST_LEASE, MAXIMUM_COUNT, SHORTEST_LEASE

SCOPE = "profiles:write"


class SettingsForm(forms.Form):
    """The settings, as the API has them; two that are empty are as the tenant says."""

    preferred_kind = forms.ChoiceField(
        choices=[("", "none: the upstream order"), *KIND_CHOICES],
        required=False,
        help_text="Goes first where no order is set. Advice never blocks: another kind is still used.",
    )
    strategy = forms.ChoiceField(
        choices=STRATEGY_CHOICES,
        initial="current",
        help_text="classic orders as openclaw 2026.4 does, current as 2026.9.",
    )
    backoff_preset = forms.ChoiceField(
        choices=PRESET_CHOICES, initial=OPENCLAW_2026_9.name, label="Backoff", help_text="How long a failing one rests."
    )
    failure_threshold = forms.IntegerField(
        min_value=0, max_value=MAXIMUM_COUNT, initial=5, help_text="Failures in a row that raise an event; 0: none."
    )
    lease_threshold = forms.IntegerField(
        min_value=0, max_value=MAXIMUM_COUNT, initial=0, help_text="Hand-outs in an hour that raise an event; 0: none."
    )
    warn_after_seconds = forms.IntegerField(
        min_value=0,
        max_value=A_YEAR_SECONDS,
        required=False,
        label="Warn before the end",
        help_text="Seconds before its end from which a credential counts as expiring; empty: as the tenant says.",
    )
    lease_ttl_seconds = forms.IntegerField(
        min_value=SHORTEST_LEASE,
        max_value=LONGEST_LEASE,
        required=False,
        label="Life of a hand-out",
        help_text="Seconds a gateway may use what it was handed; empty: as the tenant says.",
    )


@admin.register(ProfileSettings)
class ProfileSettingsAdmin(HouseAdmin):
    """What an environment decides about its credentials; without a row, everything is as built in."""

    list_display = ("environment", "preferred_kind", "strategy", "backoff_preset")
    list_filter = (PlaceFilter,)
    list_select_related = ("environment__tenant",)
    fields = ("environment", *SETTINGS)
    readonly_fields = fields
    service_add_form = SettingsForm
    add_scope = SCOPE
    add_title = "Set rules for credentials"

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Set the first settings of an environment; existing ones are changed on their own page."""
        if profile_settings(caller).pk is not None:
            raise ValidationFailed(errors={"environment": ["It has settings already: change those."]})
        return self._change(caller, None, fields, now)

    def initial_for(self, action: ServiceAction, row: ProfileSettings) -> Mapping[str, Any]:
        """Start from the settings as they are."""
        return {name: getattr(row, name) for name in SETTINGS}

    def history_ids(self, row: ProfileSettings) -> list[str]:
        """Return the environment: its settings' events are about it."""
        return [row.environment_id]

    @staticmethod
    def _change(caller: Caller, _row: ProfileSettings | None, fields: Fields, now: datetime) -> str:
        update_profile_settings(caller, changes={name: fields[name] for name in SETTINGS}, now=now)
        return "The settings hold from the next resolution on."

    service_actions = (ServiceAction("change", "Change", SCOPE, SettingsForm, _change),)
