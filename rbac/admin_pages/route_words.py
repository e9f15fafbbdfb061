"""A gateway's routes in sentences: how many rules it has, what one request needs, and which rules anybody may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rbac.models import Gateway
from rbac.routes import RouteMatch, RouteReason, RouteRule
from rbac.services.routes import default_rules, match_route

NO_RULES = {
    "deny": "There is no rule yet: forward-auth lets in whoever holds any right here; a decision about a path says no.",
    "allow": "There is no rule yet: forward-auth lets in whoever holds any right here; a decision about a path says "
    "yes to any good token.",
}
REST = {
    "deny": "A request that no rule names is refused.",
    "allow": "A request that no rule names passes with any good token for this gateway.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request needs: a verdict, a sentence, and the facts behind it."""

    verdict: str
    sentence: str
    is_open: bool
    facts: Mapping[str, str] = field(default_factory=dict)


def routes_line(gateway: Gateway) -> str:
    """Return how many rules the gateway has, and what happens to the other requests."""
    own, defaults = len(gateway.routes), len(default_rules(gateway))
    if not own and not defaults:
        return NO_RULES[gateway.unmapped]
    rules = f"{own or 'No'} rule{'s' if own > 1 else ''} of its own"
    after = f", {'after' if own else 'only'} the {defaults} defaults of AgentOS" if defaults else ""
    return f"{rules}{after}. {REST[gateway.unmapped]}"


def explain_match(gateway: Gateway, method: str, path: str) -> Answer:
    """Return what a request to the gateway needs, in words."""
    found = match_route(gateway, method, path)
    if not gateway.routes and not default_rules(gateway):
        return Answer("No rules", NO_RULES["deny" if found.is_refused else "allow"], not found.is_refused)
    if found.rule is None:
        return _unmapped(found)
    facts = {"Rule": f"{found.rule.method} {found.rule.pattern}", "Whose": _origin(gateway, found.rule)}
    facts["Found"] = "exactly this path" if found.reason is RouteReason.EXACT else "the first pattern that fits"
    if found.is_public:
        return Answer("Public", "Anybody passes, without a token and without any other proof.", True, facts)
    if found.rule.minimum_trust:
        facts["Minimum trust"] = str(found.rule.minimum_trust)
    if found.listing:
        facts["A list"] = "a token for single ids may see those"
    scopes = " and ".join(found.required_scopes)
    return Answer("Needs", scopes, False, facts)


def open_keys(gateway: Gateway) -> set[tuple[str, str]]:
    """Return method and pattern of the gateway's own public rules."""
    return {(rule["method"], rule["pattern"]) for rule in gateway.routes if not rule["scopes"]}


def _unmapped(found: RouteMatch) -> Answer:
    if found.reason is RouteReason.PATH_REFUSED:
        return Answer(
            "Refused", "This path can be read in more than one way, or not at all; no rule can allow it.", False
        )
    if found.reason is RouteReason.UNMAPPED_ALLOWED:
        return Answer("No rule", "Any good token for this gateway passes, whatever its scopes.", True)
    return Answer("Refused", "No rule names this request.", False)


def _origin(gateway: Gateway, rule: RouteRule) -> str:
    """Return whether a rule is the gateway's own, and which."""
    own = [(each["method"], each["pattern"]) for each in gateway.routes]
    if rule.key not in own:
        return "a default of AgentOS"
    number = len(own) - own[::-1].index(rule.key)
    instead = ", in the place of a default" if rule.key in {each.key for each in default_rules(gateway)} else ""
    return f"rule {number} of its own{instead}"
