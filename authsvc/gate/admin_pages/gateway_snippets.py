"""The panels of a gateway's page: ready text that makes it trust our tokens, and which keys it says it has."""

from __future__ import annotations

from django.http import HttpRequest

from authsvc.gate.snippets import snippets_of
from authsvc.tenants.admin_base import Panel
from authsvc.tenants.admin_site import caller_in
from rbac.admin_pages.gateways import GatewayAdmin
from rbac.models import Gateway


def snippet_panels(request: HttpRequest, row: Gateway) -> list[Panel]:
    """Return one panel for each text; none of them holds a secret."""
    return [
        Panel(f"Connect: {item.name}", [item.note] if item.note else [], item.text)
        for item in snippets_of(caller_in(request, row.environment), row)
    ]


def key_set_panel(_request: HttpRequest, row: Gateway) -> list[Panel]:
    """Return what the gateway acknowledged."""
    when = f"{row.acknowledged_at:%Y-%m-%d %H:%M:%S} UTC" if row.acknowledged_at else ""
    lines = [f"{kid} · said {when}" for kid in row.acknowledged_kids]
    return [Panel("Keys the gateway says it has", lines, when_empty="It has acknowledged no key set yet.")]


GatewayAdmin.panels = (*GatewayAdmin.panels, key_set_panel, snippet_panels)
