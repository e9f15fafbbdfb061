"""The scopes a person may tick: each with its sentence, for whom it is, and whether it covers future resources."""

from __future__ import annotations

from dataclasses import dataclass

from rbac.catalogue import CATALOGUE, Audience


@dataclass(frozen=True, slots=True)
class ScopeChoice:
    """One scope a person may tick: what it allows, for whom, and whether it covers what does not exist yet."""

    scope: str
    sentence: str
    audience: str
    covers_future: bool
    is_administration: bool


SCOPE_CHOICES = tuple(
    ScopeChoice(
        entry.scope,
        entry.sentence,
        "this API" if entry.audience is Audience.AUTHSVC else "gateways",
        entry.takes_id,
        entry.action == "admin",
    )
    for entry in CATALOGUE
    if entry.alias_of is None
)
PICKABLE = [(choice.scope, choice.sentence) for choice in SCOPE_CHOICES]
