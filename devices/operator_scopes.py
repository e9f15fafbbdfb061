"""openclaw's ``operator.*`` scopes: which one includes which, and what two lists have in common. PURE.

As in openclaw 2026.9.6: ``operator.admin`` includes every operator scope, ``write`` includes reading, talking and
sessions, ``read`` includes reading sessions; a scope not named here covers only itself. Another role than operator
is held to scopes spelt exactly and beginning with its own name. Refuses everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

OPERATOR = "operator"
ADMIN = "operator.admin"

INCLUDED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "operator.write": frozenset(
            {
                "operator.read",
                "operator.talk",
                "operator.sessions.read",
                "operator.sessions.write",
                "operator.sessions.archive",
            }
        ),
        "operator.read": frozenset({"operator.sessions.read"}),
        "operator.sessions.write": frozenset({"operator.sessions.read"}),
    }
)
# What two lists can share although neither spells it out, widest first.
HIDDEN_COMMON = ("operator.sessions.write", "operator.sessions.read")


def role_allows(role: str, granted: Iterable[str], requested: Iterable[str]) -> bool:
    """Say whether everything ``requested`` is covered by what is ``granted`` to ``role``."""
    return not missing_scopes(role, granted, requested)


def missing_scopes(role: str, granted: Iterable[str], requested: Iterable[str]) -> tuple[str, ...]:
    """Return the requested scopes that are not covered, in order; blank entries ask for nothing."""
    held = _trimmed(granted)
    return tuple(scope for scope in _trimmed(requested) if not _is_covered(role.strip(), scope, held))


def missing_for_approval(role: str, requested: Iterable[str], approver_scopes: Iterable[str]) -> tuple[str, ...]:
    """Return what an approver lacks to approve a request: each operator scope asked for, or admin for other roles."""
    if role.strip() == OPERATOR:
        return missing_scopes(OPERATOR, approver_scopes, requested)
    return missing_scopes(OPERATOR, approver_scopes, (ADMIN,))


def intersect(granted: Iterable[str], ceiling: Iterable[str]) -> tuple[str, ...]:
    """Return the operator scopes both lists cover, counting what they include; wider scopes are narrowed to fit."""
    grants, limits = _trimmed(granted), _trimmed(ceiling)
    if all(_covers(limits, scope) for scope in grants):
        return grants
    shared = [scope for scope in dict.fromkeys(grants + limits) if _covers(grants, scope) and _covers(limits, scope)]
    for scope in HIDDEN_COMMON:
        if _covers(grants, scope) and _covers(limits, scope) and not _covers(shared, scope):
            shared.append(scope)
    return tuple(shared)


def _is_covered(role: str, scope: str, held: tuple[str, ...]) -> bool:
    if role == OPERATOR:
        return _covers(held, scope)
    return bool(role) and scope.startswith(f"{role}.") and scope in held


def _covers(held: Iterable[str], scope: str) -> bool:
    if not scope.startswith(f"{OPERATOR}."):
        return False
    return any(own in {scope, ADMIN} or scope in INCLUDED.get(own, ()) for own in held)


def _trimmed(scopes: Iterable[str]) -> tuple[str, ...]:
    return tuple(trimmed for scope in scopes if (trimmed := scope.strip()))
