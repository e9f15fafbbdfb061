"""What a token could do before it exists: its scopes as sentences, what is left out, and what to think about.

Nothing is minted. A preview needs the same rights as the issue itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from authsvc.gate.admin_pages.scope_choices import asked_scopes
from authsvc.gate.issue import for_audience, issuable_scopes
from authsvc.gate.token import service_holder
from authsvc.tenants.admin_base import Fields
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.models import ApiKey, IssuedToken
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem
from rbac.catalogue import Audience, entries_for, find_entry
from rbac.models import Gateway
from rbac.scopes import AUTHSVC_ADMIN, HeldScopes, find_scope
from rbac.services.known import known_gateway_of
from rbac.services.service_accounts import get_service_account

UNUSED_DAYS = 90
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Preview:
    """What a token would carry: one sentence per scope, how many things it opens, what is left out, warnings."""

    scopes: tuple[tuple[str, str], ...] = ()
    can: int = 0
    cannot: int = 0
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problem: str = ""


def preview_of(caller: Caller, fields: Fields, *, now: datetime) -> Preview:
    """Return what the token of this form would do; a refusal becomes ``problem``."""
    try:
        account = get_service_account(caller, fields["account"])
        gateway = _gateway(caller, fields["audience"])
        asked = asked_scopes(caller, fields)
        scopes = issuable_scopes(caller, service_holder(account), asked, gateway, now=now)
    except Problem as problem:
        return Preview(problem=problem.detail)
    admin_scope = gateway.admin_scope if gateway else AUTHSVC_ADMIN
    held = HeldScopes(scopes, admin_scope=admin_scope)
    audience = Audience.GATEWAY if gateway else Audience.AUTHSVC
    entries = [entry.scope for entry in entries_for(audience) if entry.alias_of is None]
    can = sum(1 for scope in entries if held.covers(scope))
    wanted = for_audience(asked or account.default_scopes, gateway)
    return Preview(
        scopes=tuple((scope, sentence_of(scope)) for scope in sorted(scopes)),
        can=can,
        cannot=len(entries) - can,
        left_out=tuple(sorted(held.missing(sorted(wanted)))),
        warnings=_warnings(caller, account.id, scopes, admin_scope, now),
    )


def sentence_of(scope: str) -> str:
    """Return what a scope allows, in words."""
    entry = find_entry(scope)
    parsed = find_scope(scope)
    if entry is None:
        return "A scope of your own."
    narrowed = parsed is not None and not parsed.is_for_every_id
    return f"{entry.sentence} Only {parsed.resource_id}." if narrowed and parsed else entry.sentence


def holdings_of(caller: Caller, account_id: str, *, now: datetime) -> dict[str, Any]:
    """Return what an account holds already, the longest unused first."""
    unused_since = now - timedelta(days=UNUSED_DAYS)
    keys = ApiKey.objects.for_environment(caller).filter(principal_id=account_id, revoked_at__isnull=True)
    rows = sorted(keys[: MOST_SHOWN * 5], key=lambda key: (key.last_used_at or key.created_at, key.id))
    tokens = IssuedToken.objects.for_environment(caller).filter(
        principal_id=account_id, revoked_at__isnull=True, expires_at__gt=now
    )
    return {
        "keys": [(key, (key.last_used_at or key.created_at) < unused_since) for key in rows[:MOST_SHOWN]],
        "living_tokens": tokens.count(),
        "newest_token": tokens.first(),
    }


def _gateway(caller: Caller, audience: str) -> Gateway | None:
    if audience in {"", API_AUDIENCE}:
        return None
    return known_gateway_of(tenant_id=caller.tenant_id, environment_id=caller.environment_id, audience=audience)


def _warnings(
    caller: Caller, account_id: str, scopes: frozenset[str], admin_scope: str, now: datetime
) -> tuple[str, ...]:
    found = []
    is_prod = caller.environment == "prod"
    if admin_scope in scopes:
        found.append(f"{admin_scope} is administration{' of PROD' if is_prod else ''}: it opens everything, for good.")
    wide = sorted(scope for scope in scopes if "*" in scope)
    if wide and is_prod:
        found.append(f"Wildcards in PROD cover what is added later: {', '.join(wide)}.")
    siblings = IssuedToken.objects.for_environment(caller).filter(principal_id=account_id, expires_at__gt=now)
    held = {scope for row in siblings.values_list("scopes", flat=True)[:50] for scope in row}
    broader = HeldScopes(held, admin_scope=admin_scope).missing(sorted(scopes)) if held else ()
    if broader:
        found.append(f"Broader than this account's other tokens: adds {', '.join(broader)}.")
    return tuple(found)
