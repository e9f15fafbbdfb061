"""Where a token's scopes come from: a role, a copy of another token, ticked sentences, and typed lines, together."""

from __future__ import annotations

from authsvc.tenants.admin_base import Fields
from authsvc.tenants.models import Environment
from authsvc.tokens.models import IssuedToken
from authsvc.tokens.services import get_token
from authsvc.web.caller import Caller
from rbac.models import Role
from rbac.services.roles import get_role

MOST_ROLES, MOST_TOKENS = 200, 20
Choices = list[tuple[str, list[tuple[str, str]]]]


def starts(environments: list[Environment]) -> Choices:
    """Return the roles to start from and the newest tokens to copy from, by environment."""
    groups: Choices = [("", [("", "The account's own default set")])]
    for place in environments:
        roles = Role.objects.for_tenant(place.tenant_id).filter(environment=place)[:MOST_ROLES]
        tokens = IssuedToken.objects.for_tenant(place.tenant_id).filter(environment=place)
        copies = [
            (f"token:{row.id}", f"copy of …{row.id[-6:]} for {row.principal}")
            for row in tokens.select_related("principal")[:MOST_TOKENS]
        ]
        groups.append((str(place), [*((f"role:{row.id}", f"role {row.name}") for row in roles), *copies]))
    return groups


def asked_scopes(caller: Caller, fields: Fields) -> tuple[str, ...]:
    """Return what a form asks for; raises ``NotFound`` for a start from another environment."""
    kind, _, start_id = str(fields.get("start", "")).partition(":")
    started: list[str] = []
    if kind == "role":
        started = get_role(caller, start_id).scopes
    elif kind == "token":
        started = get_token(caller, start_id).scopes
    return tuple(dict.fromkeys([*started, *fields.get("picked", ()), *fields["scopes"]]))
