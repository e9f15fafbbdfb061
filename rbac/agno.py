"""What would AgentOS answer? Its authorization rules (agno 3.1.10), reproduced so that a token can be tried without it.

These are somebody else's rules, kept apart from ours on purpose: an endpoint without a mapping is **allowed**, an empty
id counts as every id, malformed scopes are read as far as they go. Nothing in this service is decided here; the
simulator and the explain page show it beside our own answer, which denies by default (``scopes``, ``routes``). PURE.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authsvc.web.problems import ValidationFailed
from rbac.agno_routes import COMPANY_ROUTES, DEFAULT_ROUTES, a2a_routes

DEFAULT_ADMIN_SCOPE: Final = "agent_os:admin"
RouteMap = Mapping[str, Sequence[str]]

_ALIASES: Final = {"system": "config"}
_FAMILY_PATH: Final = re.compile(r"/(?:a2a/)?(agents|teams|workflows)(?:/([^/]+)?|$)")
_PLACEHOLDER: Final = re.compile(r"\{[^}]+\}")
_RESERVED_PREFIXES: Final = ("sa:", "__oauth__:")
_SCHEDULER: Final = "__scheduler__"
_ACCOUNT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LEGACY_LISTING_ACTIONS: Final = ("read", "run")


class ScopeType(StrEnum):
    """How AgentOS classifies the text of a scope."""

    ADMIN = "admin"
    GLOBAL = "global"
    PER_RESOURCE = "per_resource"
    UNKNOWN = "unknown"


class AudienceFault(StrEnum):
    """The error a token's audience ends in, by the name PyJWT gives it."""

    MISSING = "InvalidTokenError"
    FOREIGN = "InvalidAudienceError"


class RoleScopeRefused(ValidationFailed):
    """The role store of AgentOS would not save this scope."""

    slug, title = "agentos_role_scope_refused", "AgentOS refuses this scope"


@dataclass(frozen=True, slots=True)
class ParsedScope:
    """A scope as AgentOS reads it; the parts are None when it is the admin scope or unknown."""

    type: ScopeType
    resource: str | None = None
    resource_id: str | None = None
    action: str | None = None

    @property
    def wildcard(self) -> bool:
        """Whether the id is exactly ``*``."""
        return self.resource_id == "*"


@dataclass(frozen=True, slots=True)
class PathContext:
    """The family and id that a path speaks of; both None outside agents, teams and workflows."""

    resource_type: str | None
    resource_id: str | None


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """What happens to a request; ``filter_ids`` is set when it passes as a list cut down to these ids."""

    allowed: bool
    required: tuple[str, ...]
    filter_ids: frozenset[str] | None = None


def decide_route(
    held: Sequence[object], route_map: RouteMap, method: str, path: str, *, admin_scope: str | None = None
) -> RouteAnswer:
    """Answer one request. ``held`` is the claim as it came: one entry that is no string and AgentOS fails closed."""
    required = required_scopes(route_map, method, path)
    if not required:
        return RouteAnswer(allowed=True, required=())
    scopes = [scope for scope in held if isinstance(scope, str)]
    if len(scopes) != len(held):
        return RouteAnswer(allowed=False, required=required)
    context = path_context(path)
    if holds_required(scopes, required, context.resource_type, context.resource_id, admin_scope=admin_scope):
        return RouteAnswer(allowed=True, required=required)
    if not _is_own_listing(method, context, required[0]):
        return RouteAnswer(allowed=False, required=required)
    action = required[0].rpartition(":")[2]
    ids = accessible_ids(scopes, str(context.resource_type), action, admin_scope=admin_scope)
    return RouteAnswer(allowed=True, required=required, filter_ids=ids)


def parse_scope(text: str, admin_scope: str | None = None) -> ParsedScope:
    """Read a scope as AgentOS does: no trimming, no check of the parts, two or three of them or unknown."""
    if text == (admin_scope or DEFAULT_ADMIN_SCOPE):
        return ParsedScope(ScopeType.ADMIN)
    parts = text.split(":")
    resource = _ALIASES.get(parts[0], parts[0])
    if len(parts) == 2:
        return ParsedScope(ScopeType.GLOBAL, resource, None, parts[1])
    if len(parts) == 3:
        return ParsedScope(ScopeType.PER_RESOURCE, resource, parts[1], parts[2])
    return ParsedScope(ScopeType.UNKNOWN)


def scope_matches(held: ParsedScope, required: ParsedScope, resource_id: str | None = None) -> bool:
    """Whether one held scope meets one requirement; the id compared is that of the request, not of the requirement."""
    if held.type is ScopeType.ADMIN:
        return True
    if ScopeType.UNKNOWN in (held.type, required.type):
        return False
    if (held.resource, held.action) != (required.resource, required.action):
        return False
    reaches_all = held.wildcard or not held.resource_id
    return reaches_all or (bool(required.resource_id) and held.resource_id == resource_id)


def holds_required(
    held: Iterable[str],
    required: Iterable[str],
    resource_type: str | None = None,
    resource_id: str | None = None,
    *,
    admin_scope: str | None = None,
) -> bool:
    """Whether every required scope is met by some held one; nothing required is always met."""
    parsed = [parse_scope(scope, admin_scope) for scope in held]
    if any(scope.type is ScopeType.ADMIN for scope in parsed):
        return True
    requirements = [_requirement(scope, resource_type, resource_id, admin_scope) for scope in required]
    return all(any(scope_matches(scope, needed, resource_id) for scope in parsed) for needed in requirements)


def accessible_ids(
    held: Iterable[str], resource_type: str, action: str | None = None, *, admin_scope: str | None = None
) -> frozenset[str]:
    """Return the ids a listing is cut down to, ``{"*"}`` for all; without an action, read or run will do."""
    actions = (action,) if action else _LEGACY_LISTING_ACTIONS
    parsed = [parse_scope(scope, admin_scope) for scope in held]
    if any(scope.type is ScopeType.ADMIN for scope in parsed):
        return frozenset({"*"})
    fitting = [scope for scope in parsed if scope.resource == resource_type and scope.action in actions]
    if any(scope.wildcard or not scope.resource_id for scope in fitting):
        return frozenset({"*"})
    return frozenset(scope.resource_id for scope in fitting if scope.resource_id)


def route_map(
    *, company: bool = False, a2a_prefix: str | None = None, extra: RouteMap | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the map a gateway searches: defaults, then A2A, then its own entries, which replace identical keys."""
    routes = DEFAULT_ROUTES + (COMPANY_ROUTES if company else ())
    if a2a_prefix is not None:
        routes += a2a_routes(a2a_prefix)
    composed = {f"{method} {pattern}": scopes for method, pattern, scopes in routes}
    composed.update({key: tuple(scopes) for key, scopes in (extra or {}).items()})
    return composed


def required_scopes(route_map: RouteMap, method: str, path: str) -> tuple[str, ...]:
    """Return what a request needs: the exact key, else the first pattern that fits, else nothing at all."""
    exact = route_map.get(f"{method} {path}")
    if exact is not None:
        return tuple(exact)
    for key, scopes in route_map.items():
        key_method, _, pattern = key.partition(" ")
        if key_method == method and fnmatch.fnmatchcase(path, _PLACEHOLDER.sub("*", pattern)):
            return tuple(scopes)
    return ()


def path_context(path: str) -> PathContext:
    """Return the family at the start of the path (after an optional ``/a2a``) and the id that follows it."""
    found = _FAMILY_PATH.match(path)
    return PathContext(found.group(1), found.group(2)) if found else PathContext(None, None)


def scopes_of_claims(claims: Mapping[str, object], scopes_claim: str = "scopes") -> list[object]:
    """Return the scopes of a token: a string is wrapped whole, never split; anything but a list is nothing."""
    scopes = claims.get(scopes_claim)
    if isinstance(scopes, str):
        return [scopes]
    return scopes if isinstance(scopes, list) else []


def audience_fault(aud: object, expected: str | Iterable[str] | None) -> AudienceFault | None:
    """Return why the audience is refused, or None. Without an expectation nothing is checked at all."""
    if not expected:
        return None
    if aud is None:
        return AudienceFault.MISSING
    expectations = [expected] if isinstance(expected, str) else list(expected)
    audiences = aud if isinstance(aud, list) else [aud]
    return None if any(one in expectations for one in audiences) else AudienceFault.FOREIGN


def is_reserved_subject(subject: object) -> bool:
    """Whether AgentOS refuses the ``sub`` because it names one of its own identities."""
    return isinstance(subject, str) and (subject.startswith(_RESERVED_PREFIXES) or subject == _SCHEDULER)


def invalid_scopes(scopes: Iterable[str], *, admin_scope: str | None = None) -> list[str]:
    """Return the scopes a service account may not be made with, in order."""
    return [scope for scope in scopes if parse_scope(scope, admin_scope).type is ScopeType.UNKNOWN]


def privileged_scopes(scopes: Iterable[str], *, admin_scope: str | None = None) -> list[str]:
    """Return the scopes that need ``allow_privileged_scopes``: write, delete, admin, anything on service accounts."""
    return [scope for scope in scopes if _is_privileged(scope, admin_scope)]


def is_service_account_name(name: str) -> bool:
    """Whether AgentOS accepts the name for a service account."""
    return _ACCOUNT_NAME.fullmatch(name) is not None


def role_scope(scope: str) -> tuple[str, str]:
    """Return the (resource, action) a managed role stores for the scope. Raises ``RoleScopeRefused``."""
    if scope == DEFAULT_ADMIN_SCOPE:
        return ("*", "*")
    parts = scope.split(":")
    fault = _role_scope_fault(scope, parts)
    if fault:
        raise RoleScopeRefused(f"{scope!r}: {fault}.")
    resource_id = parts[1] if len(parts) == 3 else "*"
    return (f"{_ALIASES.get(parts[0], parts[0])}/{resource_id}", parts[-1])


def _requirement(text: str, resource_type: str | None, resource_id: str | None, admin_scope: str | None) -> ParsedScope:
    """Read a required scope; one about the path's own family becomes a requirement on the path's id."""
    resource, _, action = text.partition(":")
    is_two_parts = text.count(":") == 1
    if is_two_parts and resource_id and resource_type and _ALIASES.get(resource, resource) == resource_type:
        return ParsedScope(ScopeType.PER_RESOURCE, resource_type, resource_id, action)
    return parse_scope(text, admin_scope)


def _is_own_listing(method: str, context: PathContext, first_required: str) -> bool:
    """Whether the request lists the very family that its first required scope is about."""
    if method != "GET" or context.resource_type is None or context.resource_id:
        return False
    family, colon, _ = first_required.partition(":")
    return bool(colon) and family == context.resource_type


def _is_privileged(scope: str, admin_scope: str | None) -> bool:
    parsed = parse_scope(scope, admin_scope)
    is_admin = parsed.type is ScopeType.ADMIN or scope == DEFAULT_ADMIN_SCOPE
    return is_admin or parsed.action in ("write", "delete") or parsed.resource == "service_accounts"


def _role_scope_fault(scope: str, parts: list[str]) -> str | None:
    faults = (
        ("" in parts, "a part is empty"),
        (any(character.isspace() for character in scope), "it contains whitespace"),
        (parts[0] == "*", "* is not a resource"),
        ("/" in parts[0], 'the resource contains "/"'),
        (parts[0] == "agent_os", "agent_os has no scope but the administrator's"),
        (len(parts) not in (2, 3), "it has neither two nor three parts"),
        (parts[-1] == "*", "* is not an action"),
    )
    return next((text for is_so, text in faults if is_so), None)
