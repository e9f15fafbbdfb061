"""Admin page of channel policies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin

from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import NothingForm, ScopesText
from rbac.channel_rules import ChannelKind, DirectPolicy, GroupPolicy
from rbac.models import ChannelPolicy
from rbac.services.channels import create_channel, delete_channel, update_channel


class ChannelChangeForm(forms.Form):
    """Who may speak through a channel."""

    name = forms.CharField(max_length=200, required=False)
    dm_policy = forms.ChoiceField(choices=[(item.value, item.value) for item in DirectPolicy], label="Direct messages")
    group_policy = forms.ChoiceField(choices=[(item.value, item.value) for item in GroupPolicy], label="Groups")
    allowed_users = ScopesText(required=False, help_text="User ids that may speak, one a line.")
    denied_users = ScopesText(required=False, help_text="User ids that may never speak.")

    def rules(self) -> list[dict[str, object]]:
        """Return the rules the two lists stand for."""
        pairs = (("allowed_users", "allow"), ("denied_users", "deny"))
        return [
            {"subject_kind": "user", "subject_id": subject, "effect": effect}
            for field, effect in pairs
            for subject in self.cleaned_data[field]
        ]

    def clean(self) -> dict[str, Any]:
        """Add ``rules`` to the cleaned data."""
        cleaned = {**(super().clean() or {})}
        if not self.errors:
            cleaned["rules"] = self.rules()
        return cleaned


class ChannelForm(ChannelChangeForm):
    """A new channel policy."""

    channel = forms.ChoiceField(choices=[(item.value, item.value) for item in ChannelKind])
    field_order = ("channel", "name", "dm_policy", "group_policy")


@admin.register(ChannelPolicy)
class ChannelPolicyAdmin(HouseAdmin):
    """Who outside may speak through which channel."""

    list_display = ("channel", "name", "gateway", "where", "dm_policy", "group_policy")
    list_filter = (PlaceFilter,)
    search_fields = ("id", "name")
    list_select_related = ("gateway", "environment__tenant")
    fields = ("id", "channel", "name", "gateway", "environment", "dm_policy", "group_policy", "rules", "created_at")
    readonly_fields = fields
    service_add_form = ChannelForm
    add_scope = "channels:write"
    add_title = "Add channel policy"

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Create the policy."""
        kept = {name: fields[name] for name in ("channel", "name", "dm_policy", "group_policy", "rules")}
        return f"The policy of {create_channel(caller, **kept, now=now)} is set."

    @staticmethod
    def _delete(caller: Caller, row: ChannelPolicy, _fields: Fields, now: datetime) -> str:
        delete_channel(caller, policy=row, now=now)
        return "The policy is deleted; nobody may speak through this channel."

    @staticmethod
    def _edit(caller: Caller, row: ChannelPolicy, fields: Fields, now: datetime) -> str:
        others = [rule for rule in row.rules if rule["subject_kind"] != "user"]
        kept = {name: fields[name] for name in ("name", "dm_policy", "group_policy")}
        update_channel(caller, policy=row, **kept, rules=[*others, *fields["rules"]], now=now)
        return f"The policy of {row} is changed."

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Show the policy as it is."""
        users = [rule for rule in row.rules if rule["subject_kind"] == "user"]
        return {
            "name": row.name,
            "dm_policy": row.dm_policy,
            "group_policy": row.group_policy,
            "allowed_users": "\n".join(rule["subject_id"] for rule in users if rule["effect"] == "allow"),
            "denied_users": "\n".join(rule["subject_id"] for rule in users if rule["effect"] == "deny"),
        }

    service_actions = (
        ServiceAction("edit", "Edit", "channels:write", ChannelChangeForm, _edit),
        ServiceAction("delete", "Delete", "channels:write", NothingForm, _delete, is_dangerous=True),
    )
