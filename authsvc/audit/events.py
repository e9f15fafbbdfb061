"""Which events exist and which detail keys each may carry; no secret can be one. PURE.

An event type is ``noun.verb`` in the past tense. Values are short texts, numbers, booleans, or lists of texts.
``docs/reference/events.md`` lists them; a test keeps the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

MAXIMUM_TEXT = 500
MAXIMUM_LIST = 100

Detail = Mapping[str, object]

_TYPES: dict[str, tuple[str, ...]] = {
    "access.denied": ("code", "required_scope", "method", "route"),
    "api_key.issued": ("kind", "principal_id", "name", "fingerprint", "expires_at"),
    "api_key.revoked": ("kind", "principal_id", "reason"),
    "api_key.rotated": ("kind", "principal_id", "fingerprint", "overlap_until"),
    "audit.checkpoint_signed": ("sequence", "hash"),
    "channel.created": ("channel", "gateway_id", "dm_policy"),
    "channel.deleted": ("channel", "gateway_id"),
    "channel.updated": ("channel", "gateway_id", "changed"),
    "client.authentication_failed": ("client_id", "method", "reason"),
    "credential.deleted": ("profile_id", "version"),
    "credential.leased": (
        "lease_id",
        "profile_id",
        "version",
        "provider",
        "agent",
        "purpose",
        "gateway_id",
        "expires_at",
    ),
    "credential.open_failed": ("profile_id", "version", "reason"),
    "credential.refused": ("provider", "code", "agent", "purpose"),
    "credential.stored": ("profile_id", "version", "kind", "fingerprint", "origin", "expires_at"),
    "data_key.created": ("kek_id",),
    "data_key.destroyed": ("reason",),
    "data_key.rewrapped": ("kek_id", "previous_kek_id"),
    "decision.denied": ("subject_id", "action", "code", "gateway_id"),
    "decision.made": ("subject_id", "action", "allowed", "code", "gateway_id"),
    "device.approved": ("trust_level", "snapshot", "expires_at"),
    "device.authenticated": ("proof", "trust_level"),
    "device.authentication_failed": ("proof", "reason"),
    "device.deleted": ("reason",),
    "device.enrolled": ("device_type", "name", "requested_scopes", "key_fingerprint"),
    "device.rejected": ("reason",),
    "device.resumed": ("reason",),
    "device.revoked": ("reason",),
    "device.secret_rotated": ("overlap_until",),
    "device.suspended": ("reason",),
    "device.trust_changed": ("old_level", "new_level", "reason"),
    "device.updated": ("changed",),
    "environment.created": ("name",),
    "gateway.created": ("kind", "audience", "name"),
    "gateway.deleted": ("audience",),
    "gateway.updated": ("changed",),
    "grant.created": ("principal_id", "role_id", "scopes", "gateway_id", "expires_at", "reason"),
    "grant.revoked": ("principal_id", "role_id", "reason"),
    "membership.changed": ("operator_id", "role"),
    "membership.created": ("operator_id", "role"),
    "membership.removed": ("operator_id", "role"),
    "operator.created": ("username", "is_platform"),
    "operator.disabled": (),
    "operator.enabled": (),
    "operator.logged_in": ("address",),
    "operator.login_failed": ("username", "address"),
    "operator.password_changed": (),
    "operator.second_factor_enabled": (),
    "operator.second_factor_failed": (),
    "operator.second_factor_removed": (),
    "operator.sessions_ended": ("count",),
    "order.cleared": ("provider", "agent"),
    "order.set": ("provider", "agent", "profile_ids"),
    "principal.created": ("kind", "name"),
    "principal.deleted": ("kind", "name"),
    "principal.disabled": ("reason",),
    "principal.enabled": ("reason",),
    "principal.updated": ("changed",),
    "profile.created": ("provider", "name", "agent"),
    "profile.deleted": ("provider", "name", "agent"),
    "profile.retired": ("provider", "name", "agent", "reason"),
    "profile.updated": ("changed",),
    "profiles.exported": ("format", "secrets", "count"),
    "profiles.imported": ("format", "created", "updated", "refused"),
    "role.created": ("name", "scopes"),
    "role.deleted": ("name",),
    "role.updated": ("name", "scopes"),
    "route.set": ("gateway_id", "count"),
    "signing_key.activated": ("kid", "algorithm"),
    "signing_key.created": ("kid", "algorithm", "state"),
    "signing_key.retired": ("kid", "algorithm"),
    "tenant.created": ("slug",),
    "tenant.destroyed": ("slug", "reason"),
    "tenant.resumed": ("slug", "reason"),
    "tenant.suspended": ("slug", "reason"),
    "tenant.updated": ("changed",),
    "token.issued": ("jti", "principal_id", "audience", "scopes", "grant_type", "expires_at"),
    "token.refreshed": ("jti", "family_id", "principal_id"),
    "token.refused": ("client_id", "grant_type", "error"),
    "token.reuse_detected": ("family_id", "principal_id"),
    "token.revoked": ("jti", "principal_id", "reason"),
    "tokens.revoked_all": ("principal_id", "count", "reason"),
    "usage.cooldown_cleared": ("profile_id",),
    "usage.reported": ("profile_id", "lease_id", "outcome", "reason"),
}

EVENT_TYPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {name: frozenset(keys) for name, keys in sorted(_TYPES.items())}
)


class UnknownEvent(ValueError):
    """The event type or one of its detail keys is not in the table: a mistake in our code, never an input error."""


def checked_detail(event_type: str, detail: Detail) -> dict[str, object]:
    """Return ``detail`` cut to the allowed lengths; raises ``UnknownEvent`` for what the table does not allow."""
    if event_type not in EVENT_TYPES:
        raise UnknownEvent(event_type)
    unknown = set(detail) - EVENT_TYPES[event_type]
    if unknown:
        raise UnknownEvent(f"{event_type}: {sorted(unknown)}")
    return {key: _cut(value) for key, value in detail.items()}


def _cut(value: object) -> object:
    if isinstance(value, str):
        return value[:MAXIMUM_TEXT]
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return [item[:MAXIMUM_TEXT] for item in value[:MAXIMUM_LIST]]
    if value is None or isinstance(value, int):
        return value
    raise UnknownEvent(f"A detail cannot hold a {type(value).__name__}.")
