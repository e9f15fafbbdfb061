"""How far a device is trusted right now, and which scopes that opens at most. PURE.

The stored level is what an administrator or the history gave; the effective level is never above what the status and
the proof of this very request carry. Refuses by default: an unknown scope form, a wildcard in the resource or the
action, and the scopes that administer authsvc itself are outside every ceiling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType

from devices.states import State


class TrustLevel(IntEnum):
    """The four levels; a higher number opens more."""

    ANONYMOUS = 0
    BASIC = 1
    VERIFIED = 2
    TRUSTED = 3


SENTENCES: Mapping[TrustLevel, str] = MappingProxyType(
    {
        TrustLevel.ANONYMOUS: "Nothing is known about this device; it may only ask to join.",
        TrustLevel.BASIC: "It came with a key of the tenant, but has not shown which device it is.",
        TrustLevel.VERIFIED: "An administrator approved it and it proved its own secret or key.",
        TrustLevel.TRUSTED: "It is verified and has behaved well for long enough, or an administrator vouched for it.",
    }
)


class ProofKind(StrEnum):
    """What the device showed in this request."""

    NONE = "none"
    API_KEY = "api_key"
    CHOSEN_SECRET = "chosen_secret"
    SERVER_SECRET = "server_secret"
    SIGNATURE = "signature"


# A device without a secret of its own can only show an API key, so it ends at basic like everyone who holds that key.
PROOF_LIMITS: Mapping[ProofKind, TrustLevel] = MappingProxyType(
    {
        ProofKind.NONE: TrustLevel.ANONYMOUS,
        ProofKind.API_KEY: TrustLevel.BASIC,
        ProofKind.CHOSEN_SECRET: TrustLevel.VERIFIED,
        ProofKind.SERVER_SECRET: TrustLevel.TRUSTED,
        ProofKind.SIGNATURE: TrustLevel.TRUSTED,
    }
)

STATUS_LIMITS: Mapping[State, TrustLevel] = MappingProxyType(
    {
        State.PENDING: TrustLevel.BASIC,
        State.ACTIVE: TrustLevel.TRUSTED,
        State.SUSPENDED: TrustLevel.ANONYMOUS,
        State.REVOKED: TrustLevel.ANONYMOUS,
        State.REJECTED: TrustLevel.ANONYMOUS,
    }
)


def effective_trust(
    status: State,
    stored_level: TrustLevel,
    proof: ProofKind,
    chosen_secret_limit: TrustLevel = TrustLevel.VERIFIED,
) -> TrustLevel:
    """Return the level that counts now: the lowest of what is stored, what the status and what the proof allow.

    ``chosen_secret_limit`` is the tenant's cap for secrets the client made up; it can only lower the built-in one.
    """
    limits = [stored_level, STATUS_LIMITS[status], PROOF_LIMITS[proof]]
    if proof is ProofKind.CHOSEN_SECRET:
        limits.append(max(TrustLevel.BASIC, chosen_secret_limit))
    return min(limits)


OWN_RESOURCES = frozenset(
    {
        "audit",
        "authsvc",
        "channels",
        "credentials",
        "decisions",
        "devices",
        "gateways",
        "grants",
        "keys",
        "profiles",
        "roles",
        "service_accounts",
        "status",
        "tokens",
    }
)

# authsvc:admin and its like in a gateway's own vocabulary: no device and no tenant setting reaches them.
NEVER = ("authsvc:*", "*:admin")

# What hands rights to somebody else; left out for trusted devices unless the tenant decides otherwise.
RIGHTS_GIVING = (
    "channels:write",
    "devices:approve",
    "devices:write",
    "gateways:write",
    "grants:write",
    "keys:write",
    "roles:write",
    "service_accounts:write",
    "tokens:issue",
    "tokens:write",
)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The scopes a level may carry at most, as ``resource:action`` patterns in which either part may be ``*``.

    ``own`` and ``refused`` speak of authsvc's scopes; ``gateway_actions`` of everything a gateway defines itself.
    """

    own: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    gateway_actions: tuple[str, ...] = ()

    def permits(self, scope: str) -> bool:
        """Say whether ``scope`` (``resource[:id]:action``) may be carried; what it cannot read it refuses."""
        resource, action = _resource_and_action(scope)
        if not resource or _matches_any(NEVER, resource, action) or _matches_any(self.refused, resource, action):
            return False
        if resource in OWN_RESOURCES:
            return _matches_any(self.own, resource, action)
        return action in self.gateway_actions or "*" in self.gateway_actions


DEFAULT_CEILINGS: Mapping[TrustLevel, Ceiling] = MappingProxyType(
    {
        TrustLevel.ANONYMOUS: Ceiling(),
        TrustLevel.BASIC: Ceiling(own=("status:read",)),
        TrustLevel.VERIFIED: Ceiling(
            own=("credentials:report", "credentials:resolve", "decisions:make", "profiles:read", "status:read"),
            gateway_actions=("read", "run"),
        ),
        TrustLevel.TRUSTED: Ceiling(own=("*:*",), refused=RIGHTS_GIVING, gateway_actions=("*",)),
    }
)


def ceiling(level: TrustLevel, overrides: Mapping[TrustLevel, Ceiling] | None = None) -> Ceiling:
    """Return the ceiling of ``level``: the tenant's own when it has one, else the default; anonymous stays empty."""
    if level is TrustLevel.ANONYMOUS:
        return DEFAULT_CEILINGS[level]
    return (overrides or {}).get(level, DEFAULT_CEILINGS[level])


def _resource_and_action(scope: str) -> tuple[str, str]:
    parts = scope.split(":")
    if len(parts) not in {2, 3} or not all(parts) or "*" in {parts[0], parts[-1]}:
        return "", ""
    return parts[0], parts[-1]


def _matches_any(patterns: tuple[str, ...], resource: str, action: str) -> bool:
    return any(_matches(pattern, resource, action) for pattern in patterns)


def _matches(pattern: str, resource: str, action: str) -> bool:
    wanted_resource, _, wanted_action = pattern.partition(":")
    return wanted_resource in {"*", resource} and wanted_action in {"*", action}
