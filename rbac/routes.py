"""Which scopes a request to a gateway needs: an ordered table of routes per gateway, searched by method and path.

The order, always the same:
1. The path is read strictly: percent-decoded once, and refused when two readers could take it for two different paths
   (an encoded slash or backslash, ``//``, ``.`` and ``..``, control characters, broken escapes). Then nothing matches.
2. A rule whose pattern is that very method and path, wherever it stands in the table.
3. The first rule in order whose pattern fits: ``{x}`` is one segment, ``*`` is any text and spans slashes.
4. None fits: refused, unless the gateway says ``unmapped="allow"`` for parity with AgentOS (any good token passes).
Of two rules with the same method and pattern the later replaces the earlier in its place. Methods compare exactly: a
rule for GET is no rule for HEAD. No scopes means public. ``unmapped="allow"`` never rescues a refused path.

A required scope about the family that the path speaks of is narrowed to the id in the path, so that ``agents:a1:run``
is enough for ``POST /agents/a1/runs``. PURE.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from authsvc.web.problems import ValidationFailed
from rbac.agno import path_context
from rbac.agno_routes import COMPANY_ROUTES, DEFAULT_ROUTES, a2a_routes
from rbac.scopes import WILDCARD, Scope, find_scope, parse

Unmapped = Literal["deny", "allow"]

MAX_PATH_LENGTH: Final = 2048
HIGHEST_TRUST: Final = 3

_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_PLACEHOLDER: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]{0,62}\}")
_SEGMENT: Final = "(?:[^/]+)"
_ESCAPE_FAULT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%2[Ff]|%5[Cc]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class InvalidRouteRule(ValidationFailed):
    """The rule contradicts itself or its pattern could never be matched as meant."""

    slug, title = "invalid_route_rule", "Invalid route rule"


class RouteReason(StrEnum):
    """How a request found its rule, or why it found none."""

    EXACT = "exact"
    PATTERN = "pattern"
    UNMAPPED_DENIED = "unmapped_denied"
    UNMAPPED_ALLOWED = "unmapped_allowed"
    PATH_REFUSED = "path_refused"


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One row; ``public`` follows from having no scopes. Raises ``InvalidRouteRule`` or ``InvalidScope``."""

    method: str
    pattern: str
    required_scopes: tuple[str, ...] = ()
    public: bool = False
    minimum_trust: int = 0

    def __post_init__(self) -> None:
        fault = _rule_fault(self)
        if fault:
            raise InvalidRouteRule(f"{self.method} {self.pattern}: {fault}.")
        for scope in self.required_scopes:
            parse(scope)
        object.__setattr__(self, "public", not self.required_scopes)

    @property
    def key(self) -> tuple[str, str]:
        """Return what makes two rules the same one."""
        return (self.method, self.pattern)


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """What one request needs: all of ``required_scopes``, narrowed to ``resource_id`` where the path names one.

    ``listing`` is (resource, action) when the request lists a family: whoever lacks the scope itself may still see the
    ids granted one by one. Ask ``is_refused`` first: ``required_scopes`` is empty then too.
    """

    rule: RouteRule | None
    required_scopes: tuple[str, ...]
    resource_id: str | None
    reason: RouteReason
    listing: tuple[str, str] | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the request is refused whatever the caller holds."""
        return self.reason in (RouteReason.UNMAPPED_DENIED, RouteReason.PATH_REFUSED)

    @property
    def is_public(self) -> bool:
        """Whether the request needs no proof at all."""
        return self.rule is not None and self.rule.public


class RouteTable:
    """The rules of one gateway, compiled once; immutable by convention, so one value may serve many threads."""

    __slots__ = ("_exact", "_patterns")

    def __init__(self, rules: Iterable[RouteRule]) -> None:
        unique = {rule.key: rule for rule in rules}
        self._exact = {key: rule for key, rule in unique.items() if _is_literal(rule.pattern)}
        self._patterns: dict[str, list[tuple[re.Pattern[str], RouteRule]]] = {}
        for rule in unique.values():
            if not _is_literal(rule.pattern):
                self._patterns.setdefault(rule.method, []).append((_compile(rule.pattern), rule))

    def match(self, method: str, path: str, *, unmapped: Unmapped = "deny") -> RouteMatch:
        """Find the rule for one request; ``path`` is as it came on the wire, without the query."""
        plain = find_normal_path(path)
        if plain is None:
            return RouteMatch(None, (), None, RouteReason.PATH_REFUSED)
        exact = self._exact.get((method, plain))
        if exact is not None:
            return _matched(exact, plain, None, RouteReason.EXACT)
        for pattern, rule in self._patterns.get(method, ()):
            found = pattern.fullmatch(plain)
            if found:
                return _matched(rule, plain, found, RouteReason.PATTERN)
        reason = RouteReason.UNMAPPED_ALLOWED if unmapped == "allow" else RouteReason.UNMAPPED_DENIED
        return RouteMatch(None, (), None, reason)


def match(rules: Iterable[RouteRule], method: str, path: str, *, unmapped: Unmapped = "deny") -> RouteMatch:
    """Find the rule for one request in a table that is used once; keep a ``RouteTable`` where many are asked."""
    return RouteTable(rules).match(method, path, unmapped=unmapped)


def agno_default_rules(*, company: bool = False, a2a_prefix: str | None = None) -> tuple[RouteRule, ...]:
    """Return the table that AgentOS has by default, in its order."""
    routes = DEFAULT_ROUTES + (COMPANY_ROUTES if company else ())
    if a2a_prefix is not None:
        routes += a2a_routes(a2a_prefix)
    return tuple(RouteRule(method, pattern, scopes) for method, pattern, scopes in routes)


def find_normal_path(path: str) -> str | None:
    """Return the path decoded once, or None when it is not one plain absolute path."""
    if not path.startswith("/") or len(path) > MAX_PATH_LENGTH or _ESCAPE_FAULT.search(path):
        return None
    if "?" in path or "#" in path:
        return None
    try:
        plain = unquote_to_bytes(path).decode("utf-8")
    except UnicodeError:
        return None
    return None if _is_ambiguous(plain) else plain


def _is_ambiguous(plain: str) -> bool:
    """Whether a proxy and the server behind it could read the decoded path differently."""
    if "//" in plain or "\\" in plain or ".." in plain or _CONTROL.search(plain):
        return True
    return "." in plain.split("/")


def _matched(rule: RouteRule, path: str, found: re.Match[str] | None, reason: RouteReason) -> RouteMatch:
    """Read family and id off the path and narrow the required scopes to them."""
    family, resource_id = _context(rule, path, found)
    required = tuple(_narrowed(scope, family, resource_id) for scope in rule.required_scopes)
    return RouteMatch(rule, required, resource_id, reason, _listing(rule, family, resource_id))


def _context(rule: RouteRule, path: str, found: re.Match[str] | None) -> tuple[str | None, str | None]:
    """Return (family, id): what AgentOS would read off the path, else the pattern's first ``{x}`` and its family."""
    context = path_context(path)
    if context.resource_type is not None:
        return (context.resource_type, context.resource_id)
    if found is None or not found.re.groups:
        return (None, None)
    # The family comes from the pattern's own text, never from the request: a path must not choose what it is about.
    before = rule.pattern.partition("{")[0].rstrip("/").rpartition("/")[2]
    return (before or None, found.group(1))


def _narrowed(required: str, family: str | None, resource_id: str | None) -> str:
    """Put the id of the path into a required scope of the path's family.

    An id that a scope cannot express leaves the scope as it is: only who may touch every id passes then.
    """
    scope = parse(required).canonical()
    if resource_id is None or resource_id == WILDCARD or scope.resource_id is not None or scope.resource != family:
        return required
    narrowed = str(Scope(scope.resource, resource_id, scope.action))
    return required if find_scope(narrowed) is None else narrowed


def _listing(rule: RouteRule, family: str | None, resource_id: str | None) -> tuple[str, str] | None:
    if rule.method != "GET" or resource_id is not None or len(rule.required_scopes) != 1:
        return None
    scope = parse(rule.required_scopes[0])
    return (scope.resource, scope.action) if scope.resource == family and scope.is_for_every_id else None


def _rule_fault(rule: RouteRule) -> str | None:
    """Say why the rule is refused, or None."""
    bare = _PLACEHOLDER.sub("x", rule.pattern)
    faults = (
        (not _METHOD.fullmatch(rule.method), "the method is one word in capitals"),
        (find_normal_path(bare) is None or "%" in bare, "the pattern is a plain, decoded path that starts with /"),
        ("{" in bare or "}" in bare, "a placeholder is a name in braces"),
        (not _has_whole_placeholders(rule.pattern), "a placeholder fills a whole segment"),
        ("**" in rule.pattern, "one * already spans slashes"),
        (rule.public and bool(rule.required_scopes), "a public route requires no scope"),
        (not 0 <= rule.minimum_trust <= HIGHEST_TRUST, f"the trust level is 0 to {HIGHEST_TRUST}"),
        (rule.minimum_trust > 0 and not rule.required_scopes, "a public route asks for no trust"),
    )
    return next((text for is_so, text in faults if is_so), None)


def _has_whole_placeholders(pattern: str) -> bool:
    return all(_PLACEHOLDER.fullmatch(part) for part in pattern.split("/") if "{" in part)


def _is_literal(pattern: str) -> bool:
    return "*" not in pattern and "{" not in pattern


def _compile(pattern: str) -> re.Pattern[str]:
    """Translate a pattern; the first placeholder is the only group.

    Texts between two stars are taken where they first occur and never given back, so no path can make the search slow.
    """
    first, *rest = (_SEGMENT.join(map(re.escape, _PLACEHOLDER.split(chunk))) for chunk in pattern.split("*"))
    middle = "".join(f"(?>.*?{chunk})" for chunk in rest[:-1])
    last = f".*{rest[-1]}" if rest else ""
    return re.compile((first + middle + last).replace(_SEGMENT, "([^/]+)", 1))
