"""Reads what an environment has that can be taken over: never a secret, never an id, nothing that names a person."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from authsvc.gate.promotion_plan import Document, ItemKind, State
from authsvc.tenants.models import Environment
from profiles.models import Profile, ProfileOrder, ProfileSettings, ProfileState
from profiles.services.settings import SETTINGS
from rbac.models import ChannelPolicy, Gateway, Role, TenantScope

PROFILE_RULES = ("description", "minimum_trust", "allowed_channels", "warn_after_seconds", "rotate_after_days")
CHANNEL_RULES = ("name", "dm_policy", "group_policy", "group_gate", "rules")
EVERY_AGENT = "every agent"
THE_SETTINGS = "credential settings"


def state_of(place: Environment) -> State:
    """Return an environment as the plan compares it."""
    gateways = {row.name: row for row in Gateway.objects.for_tenant(place.tenant_id).filter(environment=place)}
    return State(
        items={
            ItemKind.SCOPE: {row.scope: {"sentence": row.sentence} for row in _rows(TenantScope, place)},
            ItemKind.ROLE: {row.name: _fields(row, ("description", "scopes")) for row in _rows(Role, place)},
            ItemKind.ROUTES: {
                name: {"rules": row.routes, "unmapped": row.unmapped}
                for name, row in gateways.items()
                if row.routes or row.unmapped != "deny"
            },
            ItemKind.CHANNEL: {_channel_name(row): _fields(row, CHANNEL_RULES) for row in _rows(ChannelPolicy, place)},
            ItemKind.PROFILE: {
                f"{row.agent}/{row.key}": {**_fields(row, PROFILE_RULES), "provider": row.provider}
                for row in _rows(Profile, place)
                if row.state == ProfileState.ACTIVE
            },
            ItemKind.ORDER: {
                f"{row.provider} for {row.agent or EVERY_AGENT}": {"profiles": row.profile_keys}
                for row in _rows(ProfileOrder, place)
            },
            ItemKind.SETTINGS: _settings(place),
        },
        gateways=frozenset(gateways),
    )


def _rows(model: Any, place: Environment) -> QuerySet[Any]:
    rows: QuerySet[Any] = model.objects.for_tenant(place.tenant_id).filter(environment=place)
    return rows.select_related("gateway") if model is ChannelPolicy else rows


def _settings(place: Environment) -> dict[str, Document]:
    stored = _rows(ProfileSettings, place).first()
    return {} if stored is None else {THE_SETTINGS: _fields(stored, SETTINGS)}


def _channel_name(row: ChannelPolicy) -> str:
    return f"{row.channel} at {row.gateway.name}" if row.gateway else row.channel


def _fields(row: object, names: tuple[str, ...]) -> Document:
    return {name: getattr(row, name) for name in names}
