"""Admin page of pairings: strangers who were given a code by a channel's gateway, approved by that code or rejected."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_site import Attention, calls_for_attention, in_sight
from authsvc.tenants.models import Environment, Operator
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import NothingForm
from rbac.models import ChannelPairing, PairingState
from rbac.services.pairing import approve_pairing, reject_pairing


class PairingCodeForm(forms.Form):
    """The code the sender reads out."""

    code = forms.CharField(
        max_length=64,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Eight characters, shown to the sender by the gateway.",
    )


def waiting() -> Q:
    """Return the condition of a pairing that can still be decided."""
    return Q(state=PairingState.PENDING, expires_at__gt=timezone.now())


class WaitingFilter(admin.SimpleListFilter):
    """Filters pairings by whether they wait."""

    title = "state"
    parameter_name = "pairing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states, and that of waiting too long."""
        decided = [(state.value, state.value) for state in PairingState if state is not PairingState.PENDING]
        return [("waiting", "waiting"), *decided]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the pairings in that state."""
        if self.value() == "waiting":
            return queryset.filter(waiting())
        return queryset.filter(state=self.value()) if self.value() else queryset


@calls_for_attention
def waiting_senders(operator: Operator, place: Environment | None) -> Attention:
    """Return how many senders were given a code and wait."""
    rows = in_sight(ChannelPairing.unscoped.filter(waiting()), operator, place)
    url = reverse("admin:rbac_channelpairing_changelist") + "?pairing=waiting"
    return Attention(rows, "senders wait with a pairing code", url, "No sender waits with a pairing code.")


@admin.register(ChannelPairing)
class ChannelPairingAdmin(HouseAdmin):
    """Who asked to write through a channel. The codes are stored as hashes and shown to nobody here."""

    when_empty = "Nobody asked to pair. A sender gets a code where a channel policy says pairing."
    list_display = ("sender_id", "name", "policy", "where", "state", "created_at", "expires_at")
    list_filter = (PlaceFilter, WaitingFilter)
    search_fields = ("id", "=sender_id", "name", "=policy__id")
    list_select_related = ("policy", "environment__tenant")
    fields = (
        "id",
        "sender_id",
        "name",
        "policy",
        "environment",
        "state",
        "created_at",
        "expires_at",
        "decided_by",
        "decided_at",
    )
    readonly_fields = fields

    @staticmethod
    def _approve(caller: Caller, row: ChannelPairing, fields: Fields, now: datetime) -> str:
        approved = approve_pairing(caller, policy=row.policy, code=fields["code"], pairing_id=row.id, now=now)
        return f"{approved.sender_id} may write directly through {row.policy}."

    @staticmethod
    def _reject(caller: Caller, row: ChannelPairing, _fields: Fields, now: datetime) -> str:
        reject_pairing(caller, policy=row.policy, pairing_id=row.id, now=now)
        return f"{row.sender_id} is rejected; a new request gets a new code."

    service_actions = (
        ServiceAction(
            "approve",
            "Approve",
            "channels:write",
            PairingCodeForm,
            _approve,
            applies=lambda row: row.state == PairingState.PENDING,
        ),
        ServiceAction(
            "reject",
            "Reject",
            "channels:write",
            NothingForm,
            _reject,
            applies=lambda row: row.state == PairingState.PENDING,
        ),
    )
