"""Admin page of channel policies: who may speak, for an environment or one gateway, with every kind of rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from authsvc.tenants.admin_base import Fields, HouseAdmin, Panel, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_forms import offer, show_problem
from authsvc.tenants.admin_site import caller_in
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem
from rbac.admin_pages.channel_import import import_page
from rbac.admin_pages.forms import NothingForm, grouped
from rbac.channel_exports import Product
from rbac.channel_lines import FIELDS, lines_of, rules_of
from rbac.channel_rules import ChannelKind, DirectPolicy, Effect, GroupGate, GroupPolicy
from rbac.models import ChannelPolicy, Gateway
from rbac.services.channel_documents import write_channel_document
from rbac.services.channels import create_channel, delete_channel, policy_value, stored_rule, update_channel
from rbac.services.gateways import get_gateway
from rbac.services.pairing import pending_pairings

DIRECT_WORDS = {
    DirectPolicy.PAIRING: "pairing: by a code you approve",
    DirectPolicy.ALLOWLIST: "allowlist: who is listed",
    DirectPolicy.OPEN: "open: all, with a line user *",
    DirectPolicy.DISABLED: "disabled: nobody",
}
GROUP_WORDS = {
    GroupPolicy.ALLOWLIST: "allowlist: who or what is listed",
    GroupPolicy.OPEN: "open: all, with a line ending in *",
    GroupPolicy.DISABLED: "disabled: nobody",
}
GATE_WORDS = {
    GroupGate.EITHER: "either: a listed place or person",
    GroupGate.BOTH: "both: a listed person there",
}


def words(choices: Mapping[Any, str]) -> list[tuple[str, str]]:
    """Return an enum's members as choices with their sentences."""
    return [(member.value, sentence) for member, sentence in choices.items()]


class RuleLines(forms.CharField):
    """Rules, one a line."""

    def __init__(self, help_text: str) -> None:
        widget = forms.Textarea(attrs={"rows": 5, "cols": 60, "spellcheck": "false"})
        super().__init__(required=False, widget=widget, help_text=help_text)


class ChannelChangeForm(forms.Form):
    """Who may speak through a channel."""

    name = forms.CharField(max_length=200, required=False)
    dm_policy = forms.ChoiceField(choices=words(DIRECT_WORDS), label="Direct messages")
    group_policy = forms.ChoiceField(choices=words(GROUP_WORDS), label="Groups")
    group_gate = forms.ChoiceField(choices=words(GATE_WORDS), label="In groups it takes")
    allowed = RuleLines("One a line: user 123456789, guild 81384788, chat -100555, group *, or user 7 direct.")
    denied = RuleLines("The same kinds. Who stands here never speaks, whatever is allowed.")

    def clean(self) -> dict[str, Any]:
        """Add ``rules`` to the cleaned data."""
        cleaned = {**(super().clean() or {})}
        if not self.errors:
            try:
                read = rules_of({effect: cleaned[field] for effect, field in FIELDS.items()})
            except Problem as problem:
                show_problem(self, problem)
            else:
                cleaned["rules"] = [stored_rule(rule) for rule in read]
        return cleaned


class ChannelForm(ChannelChangeForm):
    """A new channel policy."""

    channel = forms.ChoiceField(choices=[(item.value, item.value) for item in ChannelKind])
    gateway = forms.ChoiceField(required=False, help_text="One gateway of the environment chosen above, or all of it.")
    field_order = ("channel", "gateway", "name", "dm_policy", "group_policy", "group_gate")


@admin.register(ChannelPolicy)
class ChannelPolicyAdmin(HouseAdmin):
    """Who outside may speak through which channel."""

    when_empty = (
        "No channel has a policy, so nobody may speak through any. Add one, or import the settings of a gateway."
    )
    change_list_template = "admin/channel_list.html"
    list_display = ("__str__", "gateway", "where", "dm_policy", "group_policy", "listed")
    list_filter = (PlaceFilter, "channel")
    search_fields = ("id", "name")
    list_select_related = ("gateway", "environment__tenant")
    fields = (
        "id",
        "channel",
        "name",
        "gateway",
        "environment",
        "dm_policy",
        "group_policy",
        "group_gate",
        "allowed",
        "denied",
        "created_at",
    )
    readonly_fields = fields
    service_add_form = ChannelForm
    add_scope = "channels:write"
    add_title = "Add channel policy"

    def get_urls(self) -> list[URLPattern]:
        """Add the page that takes over another product's settings."""
        moving_in = path("import/", self.admin_site.admin_view(self.import_view), name="rbac_channelpolicy_import")
        return [moving_in, *super().get_urls()]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Preview and import one channel's settings."""
        return import_page(self, request)

    def prepare_add(self, request: HttpRequest, form: forms.Form) -> None:
        """Offer the gateways of the operator's environments."""
        super().prepare_add(request, form)
        places = self.environments(request, self.add_scope)
        offer(form, "gateway", [("", "the whole environment"), *grouped(Gateway, places)])

    @admin.display
    def allowed(self, row: ChannelPolicy) -> str:
        """Return who may speak, a line each."""
        return lines_of(policy_value(row).rules, Effect.ALLOW) or "nobody is listed"

    @admin.display
    def denied(self, row: ChannelPolicy) -> str:
        """Return who never speaks, a line each."""
        return lines_of(policy_value(row).rules, Effect.DENY) or "nobody"

    @admin.display
    def listed(self, row: ChannelPolicy) -> str:
        """Return how many rules there are."""
        denied = sum(rule["effect"] == Effect.DENY for rule in row.rules)
        return f"{len(row.rules) - denied} allowed, {denied} denied"

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Create the policy."""
        names = ("channel", "name", "dm_policy", "group_policy", "group_gate", "rules")
        gateway = get_gateway(caller, fields["gateway"]) if fields["gateway"] else None
        made = create_channel(caller, gateway=gateway, **{name: fields[name] for name in names}, now=now)
        return f"The policy of {made} is set."

    @staticmethod
    def _delete(caller: Caller, row: ChannelPolicy, _fields: Fields, now: datetime) -> str:
        delete_channel(caller, policy=row, now=now)
        return "The policy is deleted; nobody may speak through this channel."

    @staticmethod
    def _edit(caller: Caller, row: ChannelPolicy, fields: Fields, now: datetime) -> str:
        names = ("name", "dm_policy", "group_policy", "group_gate", "rules")
        update_channel(caller, policy=row, **{name: fields[name] for name in names}, now=now)
        return f"The policy of {row} is changed."

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Show the policy as it is."""
        kept = {name: getattr(row, name) for name in ("name", "dm_policy", "group_policy", "group_gate")}
        rules = policy_value(row).rules
        return {**kept, **{field: lines_of(rules, effect) for effect, field in FIELDS.items()}}

    service_actions = (
        ServiceAction("edit", "Edit", "channels:write", ChannelChangeForm, _edit),
        ServiceAction("delete", "Delete", "channels:write", NothingForm, _delete, is_dangerous=True),
    )


def waiting_panel(request: HttpRequest, row: ChannelPolicy) -> list[Panel]:
    """Return who was given a pairing code and waits."""
    if row.dm_policy != DirectPolicy.PAIRING:
        return []
    waiting = pending_pairings(caller_in(request, row.environment), policy=row, now=timezone.now())
    lines = [f"{each.sender_id} {each.name} until {each.expires_at:%H:%M} UTC" for each in waiting]
    url = reverse("admin:rbac_channelpairing_changelist") + f"?q={row.id}"
    return [Panel("Waits with a code", lines, when_empty="Nobody waits.", url=url if lines else "")]


def export_panels(_request: HttpRequest, row: ChannelPolicy) -> list[Panel]:
    """Return the policy in each product's own shape, with what that product cannot say."""
    if row.channel == ChannelKind.GENERIC:
        return []
    panels = []
    for product in Product:
        exported = write_channel_document(row, product=product)
        text = json.dumps({"channels": {row.channel: exported.document}}, indent=2)
        notes = [f"{finding.code.value.replace('_', ' ')}: {finding.path[:200]}" for finding in exported.findings]
        panels.append(Panel(f"For {product.value}", notes, text))
    return panels


ChannelPolicyAdmin.panels = (waiting_panel, export_panels)
