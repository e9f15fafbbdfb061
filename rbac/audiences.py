"""Which scopes a token of which audience may carry: our own API's scopes never reach a gateway, nor the reverse.

PURE.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from rbac.scopes import AUTHSVC_ADMIN, OWN_ACTIONS, SHARED_RESOURCES, find_scope, is_own

_REMEMBERED_TEXTS: Final = 4096


def scopes_of_own_api(scopes: Iterable[str]) -> frozenset[str]:
    """Return those that mean something on our own API."""
    return frozenset(filter(_is_own_scope, scopes))


def scopes_of_gateways(scopes: Iterable[str]) -> frozenset[str]:
    """Return those that mean something on a gateway."""
    return frozenset(filter(_is_gateway_scope, scopes))


@lru_cache(maxsize=_REMEMBERED_TEXTS)
def _is_own_scope(text: str) -> bool:
    scope = find_scope(text)
    if scope is None:
        return False
    return text == AUTHSVC_ADMIN or is_own(scope.resource, scope.action, admin_scope=AUTHSVC_ADMIN)


@lru_cache(maxsize=_REMEMBERED_TEXTS)
def _is_gateway_scope(text: str) -> bool:
    scope = find_scope(text)
    if scope is None or scope.resource == "authsvc":
        return False
    return scope.resource not in OWN_ACTIONS or scope.resource in SHARED_RESOURCES
