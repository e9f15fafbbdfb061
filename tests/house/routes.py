"""Walks the URL resolver: every route, the view behind it, the methods it answers and the rule it declares for each.

A plain view declares its methods with ``require_method`` and counts as open; an API view answers what it implements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from authsvc.web.api import ApiView
from authsvc.web.scope_rules import PROOF_IN_BODY

API = "api/v1/"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Route:
    """One route; ``view`` is the class behind it, or the function."""

    path: str
    view: Any
    names: frozenset[str] = field(default=frozenset())

    @property
    def is_api(self) -> bool:
        """True for routes below ``/api/v1``."""
        return self.path.startswith(API)

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods an API view implements."""
        return tuple(method for method in METHODS if callable(getattr(self.view, method.lower(), None)))


def walk(patterns: Sequence[URLPattern | URLResolver] | None = None, prefix: str = "") -> Iterator[Route]:
    """Yield every route below ``patterns``, by default those of the service."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from walk(entry.url_patterns, path)
        else:
            callback: Any = entry.callback
            view = getattr(callback, "view_class", None) or getattr(callback, "cls", None) or callback
            yield Route(path, view, frozenset(entry.pattern.converters))


def undeclared(routes: Sequence[Route]) -> list[str]:
    """Return each API route and method without a declared rule, and each rule without a method."""
    faults = []
    for route in routes:
        if not route.is_api:
            continue
        if not (isinstance(route.view, type) and issubclass(route.view, ApiView)):
            faults.append(f"{route.path}: not an ApiView")
            continue
        declared = set(route.view.required_scopes)
        faults += [f"{method} {route.path}: no declared rule" for method in sorted(set(route.methods) - declared)]
        faults += [
            f"{method} {route.path}: a rule without a method" for method in sorted(declared - set(route.methods))
        ]
        faults += [f"{route.path}: no method at all"] if not route.methods else []
        overridden = {"permission_classes", "authentication_classes"} & set(vars(route.view))
        faults += [f"{route.path}: overrides {name}" for name in sorted(overridden)]
    return faults


def open_routes(routes: Sequence[Route]) -> set[str]:
    """Return the routes that the scope gate does not guard: plain views, and API views proven in the body."""
    return {
        route.path
        for route in routes
        if not (isinstance(route.view, type) and issubclass(route.view, ApiView))
        or PROOF_IN_BODY in route.view.required_scopes.values()
    }
