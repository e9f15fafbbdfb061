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
    "api_key.imported": ("kind", "principal_id", "name", "fingerprint", "expires_at"),
    "api_key.issued": ("kind", "principal_id", "name", "fingerprint", "expires_at"),
    "api_key.made_endless": ("kind", "principal_id", "reason"),
    "api_key.revoked": ("kind", "principal_id", "reason"),
    "api_key.rotated": ("kind", "principal_id", "fingerprint", "overlap_until"),
    "audit.checkpoint_signed": ("sequence", "hash"),
    "audit.purged": ("sequence", "hash", "count"),
    "authentication.threshold_reached": ("counted", "count", "seconds", "proof"),
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
    "credential.probed": ("profile_id", "version", "outcome", "reason", "http_status"),
    "credential.refresh_failed": ("profile_id", "version", "reason", "is_terminal"),
    "credential.refreshed": ("profile_id", "version", "expires_at"),
    "credential.refused": ("provider", "code", "agent", "purpose"),
    "credential.stored": ("profile_id", "version", "kind", "fingerprint", "origin", "expires_at"),
    "data_key.created": ("kek_id",),
    "data_key.destroyed": ("reason",),
    "data_key.rewrapped": ("kek_id", "previous_kek_id"),
    "decision.denied": ("decision_id", "subject_id", "action", "code", "gateway_id", "repeats"),
    "decision.made": ("subject_id", "action", "allowed", "code", "gateway_id"),
    "device.approval_refused": ("code",),
    "device.approved": ("trust_level", "snapshot", "expires_at", "old_level", "new_level", "reason"),
    "device.authenticated": ("proof", "trust_level"),
    "device.authentication_failed": ("proof", "reason"),
    "device.clone_suspected": ("reason", "family_id"),
    "device.deleted": ("reason",),
    "device.code_mistyped": ("count",),
    "device.confirmed": ("reason",),
    "device.enrolled": ("device_type", "name", "requested_scopes", "key_fingerprint", "replaces", "enrolment_code"),
    "device.rejected": ("reason", "old_level", "new_level"),
    "device.resumed": ("reason", "old_level", "new_level"),
    "device.revoked": ("reason", "old_level", "new_level"),
    "device.secret_rotated": ("overlap_until",),
    "device.suspended": ("reason", "old_level", "new_level"),
    "device.trust_changed": ("old_level", "new_level", "reason"),
    "device.updated": ("changed",),
    "device_policy.updated": ("changed",),
    "enrolment_code.created": ("name", "maximum_uses", "scopes", "gateway_id", "trust_level", "expires_at"),
    "enrolment_code.revoked": ("name", "uses"),
    "enrolment_code.used": ("device_id", "uses", "maximum_uses"),
    "environment.created": ("name",),
    "environment.promoted": ("source", "digest", "count", "kinds"),
    "gateway.created": ("kind", "audience", "name"),
    "gateway.deleted": ("audience",),
    "gateway.key_set_acknowledged": ("kids",),
    "gateway.key_set_fetched": ("kids",),
    "gateway.updated": ("changed",),
    "grant.created": ("principal_id", "role_id", "scopes", "gateway_id", "expires_at", "reason"),
    "grant.revoked": ("principal_id", "role_id", "reason"),
    "invitation.accepted": ("operator_id", "role"),
    "invitation.created": ("invited", "role", "expires_at"),
    "invitation.withdrawn": ("invited", "role"),
    "membership.changed": ("operator_id", "role"),
    "membership.created": ("operator_id", "role"),
    "membership.removed": ("operator_id", "role"),
    "operator.created": ("username", "is_platform"),
    "operator.disabled": ("reason",),
    "operator.enabled": ("reason",),
    "operator.logged_in": ("address",),
    "operator.login_failed": ("username", "address"),
    "operator.passkey_added": ("name",),
    "operator.passkey_removed": ("name",),
    "operator.password_changed": ("reason",),
    "operator.recovery_codes_renewed": ("reason",),
    "operator.second_factor_enabled": ("reason",),
    "operator.second_factor_failed": ("reason",),
    "operator.second_factor_removed": ("reason",),
    "operator.second_factor_rewrapped": ("reason",),
    "operator.sessions_ended": ("count",),
    "order.cleared": ("provider", "agent"),
    "order.set": ("provider", "agent", "profile_ids"),
    "pin.cleared": ("session", "profile"),
    "pin.set": ("session", "profile", "source"),
    "pairing.approved": ("channel_id", "sender_id"),
    "pairing.rejected": ("channel_id", "sender_id"),
    "pairing.requested": ("channel_id", "sender_id"),
    "principal.created": ("kind", "name"),
    "principal.deleted": ("kind", "name"),
    "principal.disabled": ("reason",),
    "principal.enabled": ("reason",),
    "principal.updated": ("changed",),
    "profile.created": ("provider", "name", "agent"),
    "profile.deleted": ("provider", "name", "agent"),
    "profile.retired": ("provider", "name", "agent", "reason"),
    "profile.updated": ("changed",),
    "profile_settings.updated": ("changed",),
    "profiles.exported": ("format", "secrets", "count", "agent", "with_refresh_tokens"),
    "profiles.imported": ("format", "created", "updated", "refused"),
    "provider.deleted": ("provider",),
    "provider.updated": ("provider", "changed"),
    "retention.purged": ("rows", "before"),
    "review.applied": ("act", "digest", "requested_by", "reason"),
    "review.refused": ("code",),
    "review.rejected": ("act", "reason"),
    "review.requested": ("act", "digest", "reason", "expires_at"),
    "review.withdrawn": ("act", "reason"),
    "role.created": ("name", "scopes"),
    "role.deleted": ("name",),
    "role.updated": ("name", "scopes"),
    "route.set": ("gateway_id", "count"),
    "scope.defined": ("scope", "sentence"),
    "scope.removed": ("scope",),
    "signing_key.activated": ("kid", "algorithm", "reason"),
    "signing_key.created": ("kid", "algorithm", "state"),
    "signing_key.retired": ("kid", "algorithm", "reason"),
    "tenant.created": ("slug",),
    "tenant.destroyed": ("slug", "reason"),
    "tenant.resumed": ("slug", "reason"),
    "tenant.suspended": ("slug", "reason"),
    "tenant.updated": ("changed",),
    "token_policy.updated": ("changed",),
    "token.issued": ("jti", "principal_id", "audience", "scopes", "grant_type", "expires_at"),
    "token.refreshed": ("jti", "family_id", "principal_id"),
    "token.refused": ("client_id", "grant_type", "error"),
    "token.exchanged": ("jti", "principal_id", "actor_id", "audience", "scopes", "subject_token_type"),
    "token.family_ended": ("family_id", "principal_id", "count", "reason"),
    "token.family_started": ("family_id", "principal_id", "client_id", "audience", "expires_at"),
    "token.reuse_detected": ("family_id", "principal_id"),
    "token.revoked": ("jti", "principal_id", "reason"),
    "tokens.revoked_all": ("principal_id", "count", "reason"),
    "usage.cooldown_cleared": ("profile_id",),
    "usage.reported": ("profile_id", "lease_id", "outcome", "reason", "model", "until"),
    "usage.threshold_reached": ("profile_id", "counter", "count"),
}

EVENT_TYPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {name: frozenset(keys) for name, keys in sorted(_TYPES.items())}
)


# After these an earlier answer about somebody's rights is still right. Everything else makes workers ask again, so an
# event nobody thought of here costs a little time and no safety.
_LEAVES_RIGHTS_ALONE = frozenset(
    {
        "access.denied",
        "api_key.issued",
        "audit.checkpoint_signed",
        "client.authentication_failed",
        "data_key.created",
        "decision.denied",
        "decision.made",
        "device.authenticated",
        "device.authentication_failed",
        "device.enrolled",
        "environment.created",
        "gateway.key_set_acknowledged",
        "gateway.key_set_fetched",
        "principal.created",
        "signing_key.created",
        "tenant.created",
        "token.exchanged",
        "token.family_started",
        "token.issued",
        "token.refreshed",
        "token.refused",
    }
)
_AREAS_WITHOUT_RIGHTS = (
    "channel.",
    "credential.",
    "invitation.",
    "membership.",
    "operator.",
    "profile.",
    "profiles.",
    "review.",
    "usage.",
)


def changes_rights(event_type: str) -> bool:
    """True when an event may change who is accepted or what they may do."""
    return event_type not in _LEAVES_RIGHTS_ALONE and not event_type.startswith(_AREAS_WITHOUT_RIGHTS)


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
