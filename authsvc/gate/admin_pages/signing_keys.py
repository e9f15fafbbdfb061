"""Admin page of signing keys: publish the next one, sign with it, retire one. In prod each asks who it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin

from authsvc.gate.key_rotation import activate_key, rotate_key
from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tokens.keys import retire_key
from authsvc.tokens.models import SigningKey, SigningKeyState
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import NothingForm


class ActivationForm(forms.Form):
    """Empty while every gateway has the key; a reason when it cannot wait."""

    force_reason = forms.CharField(
        required=False,
        max_length=500,
        label="Cannot wait because",
        help_text="Empty: refused while a gateway lacks the key. With a reason the key signs at once; it is audited.",
    )


class RetirementForm(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=500, help_text="What this key signed is refused from now on.")


def in_prod(row: Any, _fields: Fields) -> bool:
    """True for what lies in an environment called prod."""
    return bool(row.environment.name == "prod")


@admin.register(SigningKey)
class SigningKeyAdmin(HouseAdmin):
    """Keys that sign access tokens; the private half is sealed and shown nowhere."""

    list_display = ("kid", "algorithm", "state", "where", "created_at", "activated_at", "retire_at")
    list_filter = (PlaceFilter, "state", "algorithm")
    list_select_related = ("environment__tenant",)
    fields = ("id", "kid", "algorithm", "state", "environment", "public_jwk", "created_at", "activated_at", "retire_at")
    readonly_fields = fields

    @staticmethod
    def _rotate(caller: Caller, row: SigningKey, _fields: Fields, now: datetime) -> str:
        upcoming = rotate_key(caller, algorithm=row.algorithm, now=now)
        return f"The next key {upcoming.kid} is published; activate it once every gateway has it."

    @staticmethod
    def _activate(caller: Caller, row: SigningKey, fields: Fields, now: datetime) -> str:
        reason = fields["force_reason"].strip()
        return f"{activate_key(caller, algorithm=row.algorithm, force_reason=reason, now=now).kid} signs from now on."

    @staticmethod
    def _retire(caller: Caller, row: SigningKey, fields: Fields, now: datetime) -> str:
        return f"{retire_key(caller, key=row, reason=fields['reason'], now=now).kid} is retired."

    service_actions = (
        ServiceAction(
            "rotate",
            "Publish the next key",
            "keys:write",
            NothingForm,
            _rotate,
            applies=lambda row: row.state == SigningKeyState.ACTIVE,
            asks_again=in_prod,
        ),
        ServiceAction(
            "activate",
            "Sign with this key",
            "keys:write",
            ActivationForm,
            _activate,
            applies=lambda row: row.state == SigningKeyState.NEXT,
            asks_again=in_prod,
        ),
        ServiceAction(
            "retire",
            "Retire",
            "keys:write",
            RetirementForm,
            _retire,
            is_dangerous=True,
            applies=lambda row: row.state != SigningKeyState.RETIRED,
            asks_again=in_prod,
        ),
    )
