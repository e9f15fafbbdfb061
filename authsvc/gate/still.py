"""Whether a caller that was accepted a moment ago still is, asked while nobody can change it.

Whoever writes for a caller holds the lock of the tenant's audit head, under which every change of rights is made
(ADR 10); what is read here is therefore what holds when the writing is committed. Refused: a suspended tenant, a
disabled principal, a revoked or ended proof, a scope that is no longer held.
"""

from __future__ import annotations

from datetime import UTC, datetime

from authsvc.audit.changes import look_again
from authsvc.gate.standing import standing_of
from authsvc.tenants.known import known_tenant
from authsvc.tenants.models import Principal, PrincipalState, TenantState
from authsvc.tokens.api_keys import is_key_alive
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.revoked import is_revoked
from authsvc.web.caller import Caller, CallerKind
from rbac.scopes import AUTHSVC_ADMIN
from rbac.services.known import compiled

UNPROVEN = frozenset({"", "refresh_token"})  # a family's own row says whether it lives, and is locked already


def is_still_accepted(caller: Caller) -> bool:
    """True when the caller would be accepted now with at least the scopes it has."""
    now = datetime.now(UTC)
    look_again(caller.tenant_id)
    if known_tenant(caller.tenant_id).state != TenantState.ACTIVE or not _is_proof_alive(caller, now):
        return False
    if caller.kind == CallerKind.DEVICE and not caller.audience:
        return _is_active(caller)  # it is just proving itself: its own row, locked by the same work, says the rest
    try:
        standing = standing_of(
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            principal_id=caller.principal_id,
            audience=caller.audience or API_AUDIENCE,
            proof=caller.proof,
            now=now,
        )
    except TokenRefused:
        return False
    admin_scope = standing.gateway.admin_scope if standing.gateway else AUTHSVC_ADMIN
    return not compiled(standing.permitted, admin_scope).missing(sorted(caller.scopes))


def _is_active(caller: Caller) -> bool:
    principals = Principal.objects.for_tenant(caller.tenant_id)
    return principals.filter(id=caller.principal_id, state=PrincipalState.ACTIVE).exists()


def _is_proof_alive(caller: Caller, now: datetime) -> bool:
    if not caller.token_id or caller.proof in UNPROVEN:
        return True
    if caller.proof == "access_token":
        return not is_revoked(caller.tenant_id, caller.token_id)
    return is_key_alive(caller.tenant_id, caller.token_id, now=now)
