"""Which kind of proof may carry which scopes, whatever its principal was granted.

A grant says what a principal may do; the kind of proof it shows caps that. A gateway token guards the door of a gateway
and asks for decisions: it can never lease, report or even see a provider credential. A device secret leases, because
that is what devices are for, and administers nothing. A refresh token and a client secret carry nothing: they are
exchanged for an access token at the token endpoint and are no proof anywhere else.

The cap is a set of scopes, so that it composes with ``scopes.intersect``; an administrator behind a capped proof keeps
what the cap leaves and is no administrator. PURE.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from rbac.catalogue import Audience
from rbac.scopes import AUTHSVC_ADMIN, OWN_ACTIONS, covers, find_scope, intersect


class CredentialKind(StrEnum):
    """The kinds of proof a caller can show."""

    ACCESS_TOKEN = "access_token"
    API_KEY = "api_key"
    CLIENT_SECRET = "client_secret"
    GATEWAY_TOKEN = "gateway_token"
    DEVICE_SECRET = "device_secret"
    REFRESH_TOKEN = "refresh_token"
    OPERATOR_SESSION = "operator_session"


@dataclass(frozen=True, slots=True)
class KindRule:
    """One row: the own scopes a kind may carry, why, and whether it may carry scopes of a gateway."""

    own_scopes: frozenset[str]
    because: str
    carries_gateway_scopes: bool = False


EVERY_OWN_SCOPE: Final = frozenset(
    {AUTHSVC_ADMIN} | {f"{resource}:{action}" for resource, actions in OWN_ACTIONS.items() for action in actions}
)
_NOTHING: Final[frozenset[str]] = frozenset()
_GATEWAY_TOKEN: Final = frozenset({"decisions:make", "decisions:read", "channels:read", "gateways:read", "status:read"})
_DEVICE_SECRET: Final = frozenset(
    {"credentials:resolve", "credentials:report", "profiles:read", "status:read", "decisions:make"}
)

RULES: Final[Mapping[CredentialKind, KindRule]] = MappingProxyType(
    {
        CredentialKind.ACCESS_TOKEN: KindRule(
            EVERY_OWN_SCOPE, "Short-lived and minted within its grants.", carries_gateway_scopes=True
        ),
        CredentialKind.API_KEY: KindRule(
            EVERY_OWN_SCOPE, "A service's own proof, bounded by its grants.", carries_gateway_scopes=True
        ),
        CredentialKind.CLIENT_SECRET: KindRule(_NOTHING, "Opens only the token endpoint."),
        CredentialKind.GATEWAY_TOKEN: KindRule(
            _GATEWAY_TOKEN,
            "Shared by all who reach the gateway, so never worth a provider credential.",
            carries_gateway_scopes=True,
        ),
        CredentialKind.DEVICE_SECRET: KindRule(
            _DEVICE_SECRET, "Lives on the device: it may work, not administer.", carries_gateway_scopes=True
        ),
        CredentialKind.REFRESH_TOKEN: KindRule(_NOTHING, "Opens only the token endpoint, once."),
        CredentialKind.OPERATOR_SESSION: KindRule(
            EVERY_OWN_SCOPE, "A person in the admin; gateways know no browser sessions."
        ),
    }
)


@lru_cache(maxsize=4096)
def permits(kind: CredentialKind, scope: str, *, audience: Audience = Audience.AUTHSVC) -> bool:
    """Whether a proof of this kind may carry ``scope`` towards ``audience``; malformed scopes never."""
    if audience is Audience.GATEWAY:
        return RULES[kind].carries_gateway_scopes and find_scope(scope) is not None
    return covers(ceiling(kind), scope, admin_scope=AUTHSVC_ADMIN)


def ceiling(kind: CredentialKind) -> frozenset[str]:
    """Return the most that a proof of this kind can carry towards our own API."""
    return RULES[kind].own_scopes


def limit_to_kind(
    kind: CredentialKind, scopes: Iterable[str], *, audience: Audience = Audience.AUTHSVC
) -> frozenset[str]:
    """Return what is left of ``scopes`` behind a proof of this kind; on our own API foreign scopes fall away."""
    if audience is Audience.GATEWAY:
        return frozenset(scope for scope in scopes if permits(kind, scope, audience=audience))
    return intersect(scopes, ceiling(kind), admin_scope=AUTHSVC_ADMIN)
