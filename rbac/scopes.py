"""The algebra of scopes: which held scope grants which required one, and what two sets of scopes have in common.

A scope is ``resource:action`` (every id), ``resource:*:action`` (the same, said aloud) or ``resource:id:action``.
Two scopes are more than that: the gateway's admin scope grants everything of a gateway audience, and ``authsvc:admin``
grants every scope of this service's own API. ``system`` and ``config`` name the same resource.

Refused, because AgentOS would read it as something else or as nothing (its grammar, agno 3.1.10): whitespace, empty
parts, a wildcard outside the id slot, four parts, "/", anything else in the two admin namespaces. Refused, because it
cannot stand in an OAuth ``scope`` string (RFC 6749 §3.3): quotes, backslashes, control characters, everything outside
ASCII. What is malformed grants nothing and, when required, is granted to nobody, the administrator included.

``admin_scope`` says which audience is meant. Pass ``AUTHSVC_ADMIN`` for our own API: there the gateway's administrator
is nobody. With any other value the audience is a gateway, whose administrator holds all but what is ours alone.
PURE.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

from authsvc.web.problems import ValidationFailed

AGENTOS_ADMIN: Final = "agent_os:admin"
AUTHSVC_ADMIN: Final = "authsvc:admin"
WILDCARD: Final = "*"
MAX_LENGTH: Final = 255
RESOURCE_ALIASES: Final = MappingProxyType({"system": "config"})

_READ_WRITE: Final = frozenset({"read", "write"})
OWN_ACTIONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "profiles": _READ_WRITE,
        "credentials": _READ_WRITE | {"resolve", "report"},
        "devices": _READ_WRITE | {"approve"},
        "roles": _READ_WRITE,
        "grants": _READ_WRITE,
        "service_accounts": _READ_WRITE,
        "gateways": _READ_WRITE,
        "channels": _READ_WRITE,
        "tokens": _READ_WRITE | {"issue"},
        "decisions": _READ_WRITE | {"make"},
        "status": _READ_WRITE,
        "audit": _READ_WRITE,
        "keys": _READ_WRITE,
        "reviews": _READ_WRITE | {"approve"},
    }
)
# AgentOS has families of the same name; only the audience tells whose scope "service_accounts:read" is.
SHARED_RESOURCES: Final = frozenset({"decisions", "service_accounts"})

# Few texts make up the scopes of a service; reading each once makes compiling 10 000 of them three times as fast.
_REMEMBERED_TEXTS: Final = 16_384
_REMEMBERED_SETS: Final = 128  # each may be a large one
_ADMIN_NAMESPACES: Final = MappingProxyType({"agent_os": AGENTOS_ADMIN, "authsvc": AUTHSVC_ADMIN})
# The characters of RFC 6749 §3.3 without "*", "/" and ":". Possessive, which halves the time of a match.
_PART: Final = r"[\x21\x23-\x29\x2B-\x2E\x30-\x39\x3B-\x5B\x5D-\x7E]++"
_ID: Final = re.compile(_PART)
_SHAPE: Final = re.compile(rf"({_PART}):(?:(\*|{_PART}):)?({_PART})")


class InvalidScope(ValidationFailed):
    """The text is not a scope; ``suggestion`` is what may have been meant, if that can be told without widening it."""

    slug, title = "invalid_scope", "Invalid scope"

    def __init__(self, text: str, fault: str, suggestion: str | None = None) -> None:
        self.fault = fault
        self.suggestion = suggestion
        advice = f" Did you mean {suggestion!r}?" if suggestion else ""
        message = f"{text[:MAX_LENGTH]!r} is not a scope: {fault}.{advice}"
        super().__init__(message, errors={"scope": [message]})


class Everything(Enum):
    """The type of ``EVERYTHING``: no list of ids, all of them."""

    EVERYTHING = WILDCARD


EVERYTHING: Final = Everything.EVERYTHING
VisibleIds = frozenset[str] | Literal[Everything.EVERYTHING]


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope as written; ``resource_id`` is None in the two-part form and ``*`` for the wildcard."""

    resource: str
    resource_id: str | None
    action: str

    def __str__(self) -> str:
        if self.resource_id is None:
            return f"{self.resource}:{self.action}"
        return f"{self.resource}:{self.resource_id}:{self.action}"

    @property
    def is_for_every_id(self) -> bool:
        """Whether the scope reaches every id of its resource."""
        return self.resource_id is None or self.resource_id == WILDCARD

    def canonical(self) -> Scope:
        """Return the spelling that all equal scopes share: no alias, no wildcard."""
        resource = RESOURCE_ALIASES.get(self.resource, self.resource)
        return Scope(resource, None if self.is_for_every_id else self.resource_id, self.action)


@dataclass(frozen=True, slots=True)
class ScopeVerdict:
    """One answer: ``matched`` is the held scope that allows, ``missing`` the smallest grant that would."""

    allowed: bool
    matched: str | None
    missing: str | None


def parse(text: str) -> Scope:
    """Read one scope strictly. Raises ``InvalidScope`` with the fault and, where there is one, a suggestion."""
    scope = find_scope(text)
    if scope is None:
        raise InvalidScope(text, _fault(text), _suggestion(text))
    return scope


def parse_admin_scope(text: str) -> str:
    """Return the name of a gateway's admin scope. Raises ``InvalidScope`` unless it is two plain parts, not ours."""
    scope = parse(text)
    if scope.resource_id is not None or scope != scope.canonical():
        raise InvalidScope(text, "an admin scope has two parts and no alias", str(scope.canonical()))
    if _is_ours_alone(scope.resource) or scope.resource in SHARED_RESOURCES:
        raise InvalidScope(text, f"{scope.resource!r} is a resource of authsvc itself")
    return text


def find_scope(text: str) -> Scope | None:
    """Read one scope, or return None where ``parse`` would raise."""
    parts = _parts(text)
    return None if parts is None else Scope(*parts)


class HeldScopes:
    """The scopes somebody holds, compiled once per audience; every question afterwards is a dictionary look-up.

    Malformed entries are dropped. Immutable by convention, so one value may serve many threads.
    """

    __slots__ = ("_admin", "_admin_scope", "_by_id", "_for_every_id", "_own_admin")

    def __init__(self, scopes: Iterable[str], *, admin_scope: str = AGENTOS_ADMIN) -> None:
        texts = frozenset(scopes)
        self._admin_scope = admin_scope
        self._admin = admin_scope in texts and _parts(admin_scope) is not None
        self._own_admin = AUTHSVC_ADMIN in texts
        self._for_every_id: dict[tuple[str, str], str] = {}
        self._by_id: dict[tuple[str, str], dict[str, str]] = {}
        for text in texts:
            parts = _parts(text)
            if parts is not None:
                self._add(text, *parts)

    def _add(self, text: str, resource: str, resource_id: str | None, action: str) -> None:
        key = (RESOURCE_ALIASES.get(resource, resource), action)
        if resource_id is None or resource_id == WILDCARD:
            # Of several spellings the same one is remembered, whatever the order they come in.
            self._for_every_id[key] = min(text, self._for_every_id.get(key, text))
            return
        ids = self._by_id.get(key)
        if ids is None:
            ids = self._by_id[key] = {}
        ids[resource_id] = text

    def covers(self, required: str) -> bool:
        """Whether something held grants ``required``."""
        return self.covering(required) is not None

    def covering(self, required: str) -> str | None:
        """Return the held scope that grants ``required``, the narrowest first, or None."""
        scope = find_scope(required)
        if scope is None:
            return None
        if required == self._admin_scope:
            # Compared as a whole: a custom admin scope may look like an ordinary one that something wider would cover.
            return required if self._admin else None
        key = (RESOURCE_ALIASES.get(scope.resource, scope.resource), scope.action)
        if not scope.is_for_every_id and scope.resource_id in (ids := self._by_id.get(key, {})):
            return ids[scope.resource_id]
        return self._for_every_id.get(key) or self._admin_covering(key)

    def missing(self, required: Iterable[str]) -> tuple[str, ...]:
        """Return those of ``required`` that nothing held grants, in their order; empty means allowed."""
        return tuple(text for text in required if not self.covers(text))

    def visible_ids(self, resource: str, action: str) -> VisibleIds:
        """Return the ids of ``resource`` on which ``action`` is granted, or ``EVERYTHING``."""
        key = (RESOURCE_ALIASES.get(resource, resource), action)
        if key in self._for_every_id or self._admin_covering(key) is not None:
            return EVERYTHING
        return frozenset(self._by_id.get(key, ()))

    def reachable(self, resource: str, action: str, ids: Iterable[str]) -> list[str]:
        """Return those ids on which ``action`` is granted, in their order, as ``covers`` would say of each one."""
        if find_scope(f"{resource}:x:{action}") is None:
            return []
        visible = self.visible_ids(resource, action)
        if visible is not EVERYTHING:
            return [one for one in ids if one in visible]
        room = MAX_LENGTH - len(resource) - len(action) - 2
        listed = list(ids)
        lengths = set(map(len, listed))
        if 0 not in lengths and max(lengths, default=0) <= room and (not listed or _ID.fullmatch("".join(listed))):
            return listed  # all of them are ids: seen at one glance, since an id is any row of its characters
        return [one for one in listed if len(one) <= room and (one == WILDCARD or _ID.fullmatch(one))]

    def _admin_covering(self, key: tuple[str, str]) -> str | None:
        if self._own_admin and is_own(*key, admin_scope=self._admin_scope):
            return AUTHSVC_ADMIN
        if self._admin and self._admin_scope != AUTHSVC_ADMIN and not _is_ours_alone(key[0]):
            return self._admin_scope
        return None


def is_own(resource: str, action: str, *, admin_scope: str) -> bool:
    """Whether ``resource:action`` is a scope of our own API; a shared name is ours only on our own audience."""
    if resource in SHARED_RESOURCES and admin_scope != AUTHSVC_ADMIN:
        return False
    return action in OWN_ACTIONS.get(resource, ())


def covers(held: Iterable[str], required: str, *, admin_scope: str = AGENTOS_ADMIN) -> bool:
    """Whether one of ``held`` grants ``required``."""
    return HeldScopes(held, admin_scope=admin_scope).covers(required)


def covering(held: Iterable[str], required: str, *, admin_scope: str = AGENTOS_ADMIN) -> str | None:
    """Return the one of ``held`` that grants ``required``, or None."""
    return HeldScopes(held, admin_scope=admin_scope).covering(required)


def visible_ids(held: Iterable[str], resource: str, action: str, *, admin_scope: str = AGENTOS_ADMIN) -> VisibleIds:
    """Return the ids that a list of ``resource`` may show to somebody who holds ``held``."""
    return HeldScopes(held, admin_scope=admin_scope).visible_ids(resource, action)


def explain(held: Iterable[str], required: str, *, admin_scope: str = AGENTOS_ADMIN) -> ScopeVerdict:
    """Answer with the reason. Raises ``InvalidScope`` when ``required`` is malformed: no grant could satisfy it."""
    smallest = smallest_grant(required)
    matched = covering(held, required, admin_scope=admin_scope)
    return ScopeVerdict(allowed=matched is not None, matched=matched, missing=None if matched is not None else smallest)


def smallest_grant(required: str) -> str:
    """Return the least that has to be granted for ``required``, in its canonical spelling. Raises ``InvalidScope``."""
    return str(parse(required).canonical())


def intersect(left: Iterable[str], right: Iterable[str], *, admin_scope: str = AGENTOS_ADMIN) -> frozenset[str]:
    """Return every scope of either side that the other side covers: the most that both sides grant.

    The meet of two scopes is always one of the two (global and one id: the id; admin and x: x), so nothing is
    invented. Spellings survive, redundant ones too; ``minimise`` drops those. Commutative, associative, idempotent.
    """
    return _intersection(frozenset(left), frozenset(right), admin_scope)


@lru_cache(maxsize=_REMEMBERED_SETS)
def _intersection(left: frozenset[str], right: frozenset[str], admin_scope: str) -> frozenset[str]:
    left_held = HeldScopes(left, admin_scope=admin_scope)
    right_held = HeldScopes(right, admin_scope=admin_scope)
    return frozenset(filter(right_held.covers, left)) | frozenset(filter(left_held.covers, right))


def minimise(scopes: Iterable[str], *, admin_scope: str = AGENTOS_ADMIN) -> frozenset[str]:
    """Drop malformed scopes and those that another one covers; of equal spellings the canonical one stays."""
    return _minimum(frozenset(scopes), admin_scope)


@lru_cache(maxsize=_REMEMBERED_SETS)
def _minimum(scopes: frozenset[str], admin_scope: str) -> frozenset[str]:
    kept: dict[Scope, str] = {}
    for text in sorted(scopes):
        scope = find_scope(text)
        if scope is not None and (scope.canonical() not in kept or scope == scope.canonical()):
            kept[scope.canonical()] = text
    held = HeldScopes(kept.values(), admin_scope=admin_scope)
    return frozenset(text for scope, text in kept.items() if not _is_redundant(scope, held, admin_scope))


@lru_cache(maxsize=_REMEMBERED_TEXTS)
def _parts(text: str) -> tuple[str, str | None, str] | None:
    """Return (resource, id, action), or None when the text is no scope; the one place where the grammar is checked."""
    shape = _SHAPE.fullmatch(text)
    if shape is None or len(text) > MAX_LENGTH:
        return None
    resource, resource_id, action = shape.groups()
    if resource in _ADMIN_NAMESPACES and text != _ADMIN_NAMESPACES[resource]:
        return None
    return resource, resource_id, action


def _is_redundant(scope: Scope, held: HeldScopes, admin_scope: str) -> bool:
    """Whether something wider than ``scope`` is held; its own entry never counts."""
    if str(scope) == admin_scope:
        return False
    everywhere = str(Scope(scope.resource, None, scope.action))
    by_admin = held._admin_covering((scope.resource, scope.action)) is not None
    return by_admin or (scope.resource_id is not None and held.covers(everywhere))


def _is_ours_alone(resource: str) -> bool:
    return resource == "authsvc" or (resource in OWN_ACTIONS and resource not in SHARED_RESOURCES)


def _fault(text: str) -> str:
    """Say what is wrong, the most telling fault first."""
    parts = text.split(":")
    if len(text) > MAX_LENGTH:
        return f"it is longer than {MAX_LENGTH} characters"
    if any(character.isspace() for character in text):
        return "it contains whitespace; several scopes are several entries of a list"
    if "/" in text:
        return 'it contains "/"; the parts are separated by ":"'
    if "" in parts:
        return "a part is empty"
    if len(parts) not in (2, 3):
        return 'it needs the form resource:action or resource:id:action, and an id cannot contain ":"'
    if WILDCARD in text:
        return "the wildcard * stands only for a whole id, as in agents:*:read"
    if parts[0] in _ADMIN_NAMESPACES:
        return f"the only scope in the namespace {parts[0]!r} is {_ADMIN_NAMESPACES[parts[0]]!r}"
    return "it contains a control character, a quote, a backslash or a character outside ASCII"


def _suggestion(text: str) -> str | None:
    """Return a well-formed spelling of the same words; never one with a wildcard or an admin scope in it."""
    if len(text) > MAX_LENGTH or WILDCARD in text:
        return None
    parts = [part for part in re.split(r"[:/.]", text.strip()) if part]
    candidate = ":".join(parts) if len(parts) > 1 else f"{text.strip(':')}:read"
    scope = find_scope(candidate)
    return None if scope is None or scope.resource in _ADMIN_NAMESPACES else candidate
