"""Admin page of enrolment codes: made for a fleet, shown once as text and as a QR code, revoked."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction, ShownOnce
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_forms import lines, offer
from authsvc.web.caller import Caller
from authsvc.web.qr import draw
from devices.models import EnrolmentCode
from devices.services.enrolment_codes import create_enrolment_code, revoke_enrolment_code
from devices.trust import SENTENCES, TrustLevel
from rbac.admin_pages.forms import ONCE, NothingForm, ScopesText, grouped
from rbac.models import Gateway
from rbac.services.gateways import get_gateway

LEVELS = [
    (int(level), f"{int(level)} {level.name.lower()}: {SENTENCES[level]}")
    for level in (TrustLevel.BASIC, TrustLevel.VERIFIED)
]


class EnrolmentCodeForm(forms.Form):
    """What a code gives, to how many, from where and for how long."""

    name = forms.CharField(max_length=200)
    maximum_uses = forms.IntegerField(min_value=1, max_value=10_000, initial=1, label="Devices that may join with it")
    expires_in = forms.IntegerField(
        min_value=60, max_value=7 * 86_400, initial=600, label="Seconds until it ends", help_text="At most seven days."
    )
    trust_level = forms.TypedChoiceField(
        choices=LEVELS, coerce=int, initial=int(TrustLevel.BASIC), label="Trust", widget=forms.RadioSelect
    )
    scopes = ScopesText(required=False, help_text="You must hold each of them yourself.")
    gateway = forms.ChoiceField(required=False)
    address_ranges = forms.CharField(
        required=False, max_length=2000, help_text="Such as 192.0.2.0/24; empty means from anywhere."
    )


@admin.register(EnrolmentCode)
class EnrolmentCodeAdmin(HouseAdmin):
    """Permission, given beforehand, for devices to join without anybody watching."""

    when_empty = "No enrolment code is here yet. Make one to let several devices join without waiting."
    list_display = ("name", "where", "last_four", "uses", "maximum_uses", "trust_level", "expires_at", "revoked_at")
    list_filter = (PlaceFilter,)
    search_fields = ("id", "name")
    list_select_related = ("environment__tenant", "gateway")
    fields = (
        "id",
        "name",
        "environment",
        "last_four",
        "uses",
        "maximum_uses",
        "scopes",
        "gateway",
        "trust_level",
        "address_ranges",
        "created_by",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    readonly_fields = fields
    service_add_form = EnrolmentCodeForm
    add_scope = "devices:approve"
    add_title = "Make an enrolment code"

    def prepare_add(self, request: HttpRequest, form: forms.Form) -> None:
        """Offer the gateways of the operator's environments."""
        super().prepare_add(request, form)
        offer(form, "gateway", [("", "no gateway"), *grouped(Gateway, self.environments(request, self.add_scope))])

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> ShownOnce:
        """Make the code and show it once."""
        issued = create_enrolment_code(
            caller,
            name=fields["name"],
            maximum_uses=fields["maximum_uses"],
            expires_in=fields["expires_in"],
            trust_level=fields["trust_level"],
            scopes=fields["scopes"],
            address_ranges=lines(fields["address_ranges"]),
            gateway=get_gateway(caller, fields["gateway"]) if fields["gateway"] else None,
            now=now,
        )
        code = issued.code.reveal()
        facts = {
            "Name": issued.row.name,
            "Devices": str(issued.row.maximum_uses),
            "Gives": ", ".join(issued.row.scopes) or "no scope",
            "Ends": f"{issued.row.expires_at:%Y-%m-%d %H:%M} UTC",
        }
        return ShownOnce("Enrolment code made", ONCE, code, facts, picture=draw(code, "The code for a scanner"))

    @staticmethod
    def _revoke(caller: Caller, row: EnrolmentCode, _fields: Fields, now: datetime) -> str:
        revoke_enrolment_code(caller, row=row, now=now)
        return f"{row} is revoked; devices that joined with it stay."

    service_actions = (
        ServiceAction(
            "revoke",
            "Revoke",
            "devices:approve",
            NothingForm,
            _revoke,
            is_dangerous=True,
            applies=lambda row: row.revoked_at is None,
        ),
    )
