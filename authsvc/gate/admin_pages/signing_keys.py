"""Admin page of signing keys: where each is in its rotation, which gateways have it, and the buttons.

In prod each button asks who it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authsvc.tenants.admin_base import Fields, HouseAdmin, ServiceAction
from authsvc.tenants.admin_filters import PlaceFilter
from authsvc.tenants.admin_site import Attention, calls_for_attention, in_sight
from authsvc.tenants.models import Environment, Operator
from authsvc.tokens.issuer import issuer_of
from authsvc.tokens.jwt import ALGORITHMS, public_pem
from authsvc.tokens.keys import retire_key
from authsvc.tokens.models import SigningKey, SigningKeyState
from authsvc.web.caller import Caller
from rbac.admin_pages.forms import NothingForm
from rbac.models import Gateway
from rbac.services.key_rotation import activate_key, has_key, rotate_key


class RequiredReasonForm(forms.Form):
    """Why; it stands in the audit."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2, "cols": 60}))


def in_prod(row: Any, _fields: Fields) -> bool:
    """True for what lies in an environment called prod."""
    return bool(row.environment.name == "prod")


@admin.register(SigningKey)
class SigningKeyAdmin(HouseAdmin):
    """Keys that sign access tokens; the private half is sealed and shown nowhere."""

    when_empty = "No signing key is here yet. One is made with the environment."
    list_display = ("kid", "algorithm", "state", "where", "created_at", "activated_at", "retire_at")
    list_filter = (PlaceFilter, "state", "algorithm")
    list_select_related = ("environment__tenant",)
    fields = (
        "id",
        "kid",
        "algorithm",
        "state",
        "environment",
        "gateways",
        "download",
        "public_pem",
        "public_jwk",
        "created_at",
        "activated_at",
        "retire_at",
    )
    readonly_fields = fields

    @admin.display(description="who has it")
    def gateways(self, row: SigningKey) -> SafeString | str:
        """Return one line for each gateway that checks with this algorithm."""
        lines = [(text,) for text in _who_has(row)]
        return format_html_join("", "<div>{}</div>", lines) or "No gateway checks with this algorithm."

    @admin.display(description="download")
    def download(self, row: SigningKey) -> SafeString:
        """Return links to the environment's published keys."""
        issuer = issuer_of(row.environment.tenant.slug, row.environment.name)
        text = '<a href="{0}/.well-known/jwks.json">Key set</a> · <a href="{0}/jwks.pem" download>PEM</a>'
        return format_html(text, issuer)

    @admin.display(description="public key (PEM)")
    def public_pem(self, row: SigningKey) -> SafeString | str:
        """Return the public half as PEM; a shared secret has none."""
        return format_html("<pre>{}</pre>", public_pem(row.public_jwk)) if row.public_jwk else "—"

    @staticmethod
    def _rotate(caller: Caller, row: SigningKey, _fields: Fields, now: datetime) -> str:
        key = rotate_key(caller, algorithm=row.algorithm, now=now)
        return f"Key {key.kid} is published; it signs nothing until it is activated."

    @staticmethod
    def _activate(caller: Caller, row: SigningKey, _fields: Fields, now: datetime) -> str:
        return f"Key {activate_key(caller, algorithm=row.algorithm, now=now).kid} signs from now on."

    @staticmethod
    def _force(caller: Caller, row: SigningKey, fields: Fields, now: datetime) -> str:
        key = activate_key(caller, algorithm=row.algorithm, force_reason=fields["reason"], now=now)
        return f"Key {key.kid} signs from now on, although not everybody has it."

    @staticmethod
    def _retire(caller: Caller, row: SigningKey, fields: Fields, now: datetime) -> str:
        retire_key(caller, key=row, reason=fields["reason"], now=now)
        return f"Key {row.kid} is retired; what it signed is refused."

    service_actions = (
        ServiceAction(
            "rotate",
            "Publish the next key",
            "keys:write",
            NothingForm,
            _rotate,
            applies=lambda row: row.state == SigningKeyState.ACTIVE and row.algorithm in ALGORITHMS,
            asks_again=in_prod,
        ),
        ServiceAction(
            "activate",
            "Sign with this key",
            "keys:write",
            NothingForm,
            _activate,
            applies=lambda row: row.state == SigningKeyState.NEXT,
            asks_again=in_prod,
        ),
        ServiceAction(
            "force",
            "Sign with this key although a gateway lacks it",
            "keys:write",
            RequiredReasonForm,
            _force,
            is_dangerous=True,
            applies=lambda row: row.state == SigningKeyState.NEXT,
            asks_again=in_prod,
        ),
        ServiceAction(
            "retire",
            "Retire now",
            "keys:write",
            RequiredReasonForm,
            _retire,
            is_dangerous=True,
            applies=lambda row: row.state != SigningKeyState.RETIRED,
            asks_again=in_prod,
        ),
    )

    def describe(self, row: Any) -> dict[str, str]:
        """Return who has the key, to read before it signs."""
        return {"Who has it": "; ".join(_who_has(row)) or "no gateway checks with this algorithm"}


@calls_for_attention
def keys_waiting(operator: Operator, place: Environment | None) -> Attention:
    """Return how many next keys wait to sign."""
    rows = in_sight(SigningKey.unscoped.filter(state=SigningKeyState.NEXT), operator, place)
    url = reverse("admin:authsvc_signingkey_changelist") + "?state__exact=next"
    return Attention(rows, "signing keys wait to be used", url, "No signing key waits.")


def _who_has(key: SigningKey) -> list[str]:
    gateways = Gateway.objects.for_tenant(key.tenant_id).filter(
        environment_id=key.environment_id, algorithm=key.algorithm
    )
    return [_standing(gateway, key.kid) for gateway in gateways.order_by("name", "id")]


def _standing(gateway: Gateway, kid: str) -> str:
    verdict = "has it" if has_key(gateway, kid) else "LACKS IT"
    fetched = _when("fetched", kid, gateway.fetched_kids, gateway.fetched_at)
    told = _when("acknowledged", kid, gateway.acknowledged_kids, gateway.acknowledged_at)
    return f"{gateway.name}: {verdict} ({fetched}, {told})"


def _when(verb: str, kid: str, kids: list[str], at: datetime | None) -> str:
    if at is None:
        return f"never {verb} a key set"
    return f"{verb} a key set {'with' if kid in kids else 'without'} it {at:%Y-%m-%d %H:%M}"
