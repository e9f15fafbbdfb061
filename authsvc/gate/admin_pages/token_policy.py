"""Admin page of token policies: how long proofs live in an environment, and when its signing keys rotate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin

from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tokens.models import TokenPolicy
from authsvc.tokens.policy import LIMITS, RSA_BITS, set_token_policy
from authsvc.web.caller import Caller

SHOWN: Any = ("environment", *LIMITS)


class TokenPolicyForm(forms.Form):
    """Every setting of the policy; the two that may be empty say what that means."""

    access_token_seconds = forms.IntegerField(required=False, help_text="Empty: the tenant's own lifetime.")
    refresh_idle_days = forms.IntegerField(help_text="A refresh token that is not used ends after this.")
    refresh_total_days = forms.IntegerField(help_text="A refresh family ends after this whatever happens.")
    api_key_days = forms.IntegerField(help_text="The longest life of an API key.")
    gateway_token_days = forms.IntegerField(help_text="The longest life of a gateway token.")
    device_secret_days = forms.IntegerField(help_text="The life of a device secret.")
    rotation_due_days = forms.IntegerField(help_text="From this age on a new secret is due.")
    rotate_keys_after_days = forms.IntegerField(
        required=False, help_text="Signing keys rotate by themselves at this age; empty: by hand."
    )
    key_lead_days = forms.IntegerField(help_text="How long the next signing key is published before it signs.")
    rsa_bits = forms.TypedChoiceField(
        coerce=int, choices=[(bits, bits) for bits in RSA_BITS], help_text="The size of new RS256 keys."
    )


@admin.register(TokenPolicy)
class TokenPolicyAdmin(HouseAdmin):
    """Lifetimes and key rotation, one row for each environment."""

    list_display = ("where", "access_token_seconds", "refresh_idle_days", "api_key_days", "rotate_keys_after_days")
    list_filter = (PlaceFilter,)
    list_select_related = ("environment__tenant",)
    fields = SHOWN
    readonly_fields = SHOWN

    def initial_for(self, action: ServiceAction, row: Any) -> Mapping[str, Any]:
        """Return the present settings."""
        return {name: getattr(row, name) for name in LIMITS}

    @staticmethod
    def _change(caller: Caller, row: TokenPolicy, fields: Fields, now: datetime) -> str:
        set_token_policy(caller, changes=dict(fields), now=now)
        return f"The token policy of {row.environment} is changed."

    service_actions = (ServiceAction("change", "Change", "authsvc:admin", TokenPolicyForm, _change),)
