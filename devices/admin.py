"""Admin pages of devices: the inbox of requests, and what an administrator may do with a device."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_site import Attention, calls_for_attention, in_sight
from authsvc.tenants.models import Environment, Operator
from authsvc.web.caller import Caller
from authsvc.web.qr import draw
from authsvc.web.qr_codewords import fits
from devices.admin_pages import codes, policy  # noqa: F401 - importing registers the pages
from devices.admin_pages.bulk import SCOPE, reject_many
from devices.admin_pages.story import last_decisions, story_of
from devices.codes import approval_address
from devices.models import Device
from devices.services.clones import look_copied
from devices.services.inbox import MOST_WAITING, assess, riskiest_first
from devices.services.lifecycle import (
    approve_device,
    reject_device,
    resume_device,
    revoke_device,
    set_trust,
    suspend_device,
)
from devices.snapshot import digest
from devices.states import State
from devices.trust import SENTENCES, TrustLevel
from rbac.admin_pages.forms import ReasonForm

MOST_ASSESSED = 100
COPIED = "copied"
UNSEEN_DAYS = (1, 7, 30)
LEVELS = [(int(level), f"{int(level)} {level.name.lower()}: {SENTENCES[level]}") for level in TrustLevel if level > 0]


class ApprovalForm(forms.Form):
    """The code the device shows, and the trust it gets. The snapshot binds the approval to what the page showed."""

    user_code = forms.CharField(
        max_length=64,
        label="Code the device shows",
        help_text="Type it: eight letters, such as BCDF-GHJK.",
        widget=forms.TextInput(attrs={"autofocus": True, "autocapitalize": "characters", "spellcheck": "false"}),
    )
    trust_level = forms.TypedChoiceField(
        choices=LEVELS, coerce=int, initial=int(TrustLevel.BASIC), label="Trust", widget=forms.RadioSelect
    )
    expires_at = forms.DateTimeField(required=False, help_text="UTC; empty means no end.")
    reason = forms.CharField(max_length=2000, required=False)
    snapshot = forms.CharField(max_length=64, widget=forms.HiddenInput)


class TrustForm(forms.Form):
    """A stored trust level and why."""

    trust_level = forms.TypedChoiceField(choices=LEVELS, coerce=int)
    reason = forms.CharField(max_length=2000)


class PendingFirst(admin.SimpleListFilter):
    """Filters by status; the inbox is ``pending``."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return every status, and the suspended ones that look copied."""
        return [*((state.value, state.value) for state in State), (COPIED, "suspended: looks copied")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the devices of the chosen status."""
        if self.value() == COPIED:
            return look_copied(queryset)
        return queryset.filter(status=self.value()) if self.value() else queryset


class UnseenFilter(admin.SimpleListFilter):
    """Filters devices in service by how long nothing was heard of them."""

    title = "not seen"
    parameter_name = "unseen"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the spans, in days."""
        return [(str(days), f"for {days} days" if days > 1 else "for a day") for days in UNSEEN_DAYS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the active devices that were seen before that, or never since they were made."""
        days = {str(days): days for days in UNSEEN_DAYS}.get(self.value() or "")
        if days is None:
            return queryset
        before = timezone.now() - timedelta(days=days)
        unseen = Q(last_seen_at__lt=before) | Q(last_seen_at=None, created_at__lt=before)
        return queryset.filter(unseen, status=State.ACTIVE)


@calls_for_attention
def waiting_devices(operator: Operator, place: Environment | None) -> Attention:
    """Return how many devices wait for approval, and how many of the newest look risky."""
    rows = in_sight(Device.unscoped.filter(status=State.PENDING), operator, place)
    url = reverse("admin:devices_device_changelist") + "?status=pending"
    newest = list(rows.select_related("principal")[:MOST_ASSESSED])
    count = len(newest) if len(newest) < MOST_ASSESSED else rows.count()
    risky = sum(1 for seen in assess(newest).values() if seen.is_high)
    label = f"devices wait for approval{f', {risky} of high risk' if risky else ''}"
    return Attention(count, label, url, "No device waits. One that asks to join appears here.", risky > 0)


@calls_for_attention
def copied_devices(operator: Operator, place: Environment | None) -> Attention:
    """Return how many devices stand suspended because two machines seem to live behind one proof."""
    rows = look_copied(in_sight(Device.unscoped.all(), operator, place))
    url = reverse("admin:devices_device_changelist") + f"?status={COPIED}"
    label = "devices are suspended: they look copied"
    return Attention(rows, label, url, "No device looks copied.", is_urgent=True)


@admin.register(Device)
class DeviceAdmin(HouseAdmin):
    """Machines that ask to join, and those that did."""

    when_empty = "No device is here yet. One that asks to join appears here and waits for approval."
    list_display = (
        "name",
        "status",
        "risk",
        "trust_level",
        "device_type",
        "where",
        "address",
        "created_at",
        "last_seen_at",
    )
    list_filter = (PendingFirst, PlaceFilter, "trust_level", "device_type", UnseenFilter)
    actions = ("reject_devices",)
    panels = (last_decisions,)
    search_fields = ("id", "principal__name")
    list_select_related = ("principal", "environment__tenant")
    fields = (
        "id",
        "name",
        "status",
        "trust_level",
        "environment",
        "device_type",
        "platform",
        "firmware_version",
        "can",
        "asked_for",
        "gateway",
        "address",
        "request_expires_at",
        "decided_by",
        "decided_at",
        "decision_reason",
        "created_at",
        "last_seen_at",
        "expires_at",
    )
    readonly_fields = fields

    @admin.display(ordering="principal__name")
    def name(self, row: Device) -> str:
        """Return the device's name."""
        return row.principal.name

    @admin.display(description="capabilities")
    def can(self, row: Device) -> str:
        """Return what it says it has."""
        return ", ".join(row.capabilities)

    @admin.display(description="asked for")
    def asked_for(self, row: Device) -> str:
        """Return every scope it asked for, operator scopes too."""
        return ", ".join([*row.requested_scopes, *row.operator_scopes])

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Bind an approval form to what this page shows."""
        if action.name == "trust":
            return {"trust_level": row.trust_level}
        return {"snapshot": digest(row.snapshot())}

    def action_context(self, request: HttpRequest, action: ServiceAction, row: Any) -> dict[str, Any]:
        """Show how risky the request looks and why, and the way to decide beside the device."""
        if action.name != "approve":
            return {}
        address = approval_address(settings.AUTHSVC_BASE_URL)
        picture = draw(address, "Approve on a phone") if fits(address) else None
        return {"assessment": assess([row]).get(row.id), "picture": picture}

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Show what happened to the device; what was decided about it stands in a panel of its own."""
        return {"timeline": story_of(row)}

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer bulk actions to those alone who may decide about a device somewhere."""
        return super().get_actions(request) if self.environments(request, SCOPE) else {}

    @admin.action(description="Reject waiting requests")
    def reject_devices(self, request: HttpRequest, chosen: QuerySet[Device]) -> TemplateResponse | None:
        """Reject several requests after their number was typed."""
        return reject_many(self, request, chosen)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Assess the waiting requests of this page at once; the inbox shows all of them, the riskiest first."""
        page = super().get_changelist_instance(request)
        is_inbox = request.GET.get(PendingFirst.parameter_name) == State.PENDING and "o" not in request.GET
        if is_inbox:
            page.list_per_page = MOST_WAITING
            page.get_results(request)
        rows = list(page.result_list)
        if is_inbox:
            rows = [row for row, _ in riskiest_first(rows)]
        found = assess(rows)
        for row in rows:
            row.assessment = found.get(row.id)
        page.result_list = rows
        return page

    @admin.display
    def risk(self, row: Any) -> SafeString | str:
        """Return how risky a waiting request looks."""
        seen = getattr(row, "assessment", None)
        if seen is None:
            return ""
        title = " ".join(seen.reasons)
        return format_html('<span class="tag risk-{}" title="{}">{}</span>', seen.label, title, seen.label)

    def describe(self, row: Any) -> Mapping[str, str]:
        """Return the card an approver reads."""
        return {
            "Name": row.principal.name,
            "Kind": f"{row.device_type} {row.platform} {row.firmware_version}".strip(),
            "Environment": str(row.environment),
            "Address": row.address,
            "Asked": f"{row.created_at:%Y-%m-%d %H:%M} UTC",
            "Capabilities": ", ".join(row.capabilities),
            "Key": row.key_fingerprint,
            "Asks for": ", ".join([*row.requested_scopes, *row.operator_scopes]) or "nothing",
            "Role": row.requested_role,
            "Gateway": str(row.gateway or ""),
        }

    @staticmethod
    def _approve(caller: Caller, row: Device, fields: Fields, now: datetime) -> str:
        approved = approve_device(caller, device=row, **fields, now=now)
        return f"{approved} is approved with trust {approved.trust_level}."

    @staticmethod
    def _reject(caller: Caller, row: Device, fields: Fields, now: datetime) -> str:
        reject_device(caller, device=row, reason=fields["reason"], now=now)
        return f"{row} is rejected."

    @staticmethod
    def _suspend(caller: Caller, row: Device, fields: Fields, now: datetime) -> str:
        suspend_device(caller, device=row, reason=fields["reason"], now=now)
        return f"{row} is suspended."

    @staticmethod
    def _resume(caller: Caller, row: Device, fields: Fields, now: datetime) -> str:
        resume_device(caller, device=row, reason=fields["reason"], now=now)
        return f"{row} is back in service."

    @staticmethod
    def _revoke(caller: Caller, row: Device, fields: Fields, now: datetime) -> str:
        revoke_device(caller, device=row, reason=fields["reason"], now=now)
        return f"{row} is revoked for good."

    @staticmethod
    def _trust(caller: Caller, row: Device, fields: Fields, now: datetime) -> str:
        set_trust(caller, device=row, trust_level=fields["trust_level"], reason=fields["reason"], now=now)
        return f"{row} now has trust {row.trust_level}."

    service_actions = (
        ServiceAction(
            "approve",
            "Approve",
            "devices:approve",
            ApprovalForm,
            _approve,
            applies=lambda row: row.status == State.PENDING,
            template="admin/approve_device.html",
        ),
        ServiceAction(
            "reject",
            "Reject",
            "devices:approve",
            ReasonForm,
            _reject,
            is_dangerous=True,
            applies=lambda row: row.status == State.PENDING,
        ),
        ServiceAction(
            "trust",
            "Set trust",
            "devices:approve",
            TrustForm,
            _trust,
            applies=lambda row: row.status == State.ACTIVE,
        ),
        ServiceAction(
            "suspend",
            "Suspend",
            "devices:approve",
            ReasonForm,
            _suspend,
            applies=lambda row: row.status == State.ACTIVE,
        ),
        ServiceAction(
            "resume",
            "Resume",
            "devices:approve",
            ReasonForm,
            _resume,
            applies=lambda row: row.status == State.SUSPENDED,
        ),
        ServiceAction(
            "revoke",
            "Revoke",
            "devices:approve",
            ReasonForm,
            _revoke,
            is_dangerous=True,
            applies=lambda row: row.status in {State.PENDING, State.ACTIVE, State.SUSPENDED},
        ),
    )
