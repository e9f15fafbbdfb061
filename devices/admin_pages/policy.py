"""Admin page of an environment's own rules for its devices: what is kept of them, and what trust asks and opens."""

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
from devices.models import DevicePolicy
from devices.services.policy import find_policy, set_policy
from devices.trust import TrustLevel
from rbac.scopes import AUTHSVC_ADMIN

CHOSEN = [(int(level), f"{int(level)} {level.name.lower()}") for level in (TrustLevel.BASIC, TrustLevel.VERIFIED)]


class PolicyForm(forms.Form):
    """The rules; thresholds and ceilings hold only what differs from the defaults."""

    store_ip = forms.BooleanField(required=False, initial=True, label="Keep addresses of devices")
    store_user_agent = forms.BooleanField(required=False, initial=True, label="Keep what devices call themselves")
    store_transcripts = forms.BooleanField(required=False, initial=True, label="Gateways may keep transcripts")
    store_audio = forms.BooleanField(
        required=False,
        label="Gateways may keep audio",
        help_text="Told to gateways whose tokens carry the claim; neither passes through this service.",
    )
    chosen_secret_level = forms.TypedChoiceField(
        choices=CHOSEN, coerce=int, initial=int(TrustLevel.VERIFIED), label="Most trust for a secret it chose itself"
    )
    thresholds = forms.JSONField(
        required=False,
        initial=dict,
        help_text='Such as {"successful_proofs": 20, "silence": 604800}; times in seconds.',
    )
    ceilings = forms.JSONField(
        required=False, initial=dict, help_text='Such as {"2": {"own": ["status:read"], "gateway_actions": ["read"]}}.'
    )


RULES: tuple[str, ...] = ("environment", *PolicyForm.base_fields)


@admin.register(DevicePolicy)
class DevicePolicyAdmin(HouseAdmin):
    """What an environment decides differently from the defaults."""

    list_display = ("environment", "store_ip", "store_user_agent", "chosen_secret_level")
    list_filter = (PlaceFilter,)
    list_select_related = ("environment__tenant",)
    fields = RULES
    readonly_fields = fields
    service_add_form = PolicyForm
    add_scope = AUTHSVC_ADMIN
    add_title = "Set rules for devices"

    def perform_add(self, caller: Caller, fields: Fields, now: datetime) -> str:
        """Set the first rules of an environment; existing ones are changed on their own page."""
        if find_policy(caller) is not None:
            raise ValidationFailed(errors={"environment": ["It has rules already: change those."]})
        return self._change(caller, None, fields, now)

    def initial_for(self, action: ServiceAction, row: DevicePolicy) -> Mapping[str, Any]:
        """Start from the rules as they are."""
        return {name: getattr(row, name) for name in PolicyForm.base_fields}

    @staticmethod
    def _change(caller: Caller, _row: DevicePolicy | None, fields: Fields, now: datetime) -> str:
        changes = {name: fields[name] for name in PolicyForm.base_fields}
        changes |= {name: fields[name] or {} for name in ("thresholds", "ceilings")}
        _require_objects(changes)
        set_policy(caller, changes=changes, now=now)
        return "The rules are set; they hold from now on."

    service_actions = (ServiceAction("change", "Change", AUTHSVC_ADMIN, PolicyForm, _change),)


def _require_objects(changes: Mapping[str, object]) -> None:
    wrong = {name: ["Give an object."] for name in ("thresholds", "ceilings") if not isinstance(changes[name], dict)}
    if wrong:
        raise ValidationFailed(errors=wrong)
