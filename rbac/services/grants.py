"""Use cases of grants: give a role to a principal until a time, and take it back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.four_eyes import Act, require_second_operator
from authsvc.tenants.models import Principal
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, ValidationFailed
from rbac.models import Gateway, Grant, Role
from rbac.services.administration import administration_in, require_confirmation
from rbac.services.effective import require_may_hand_out
from rbac.services.roles import checked_scopes
from rbac.services.scopes import defined_scopes


def create_grant(
    caller: Caller,
    *,
    principal: Principal,
    role: Role | None = None,
    scopes: Sequence[str] = (),
    gateway: Gateway | None = None,
    expires_at: datetime | None = None,
    reason: str = "",
    confirmed: Collection[str] | None = None,
    now: datetime,
) -> Grant:
    """Give a role, or scopes, to a principal of the same environment; raises ``NotHeld`` or ``ValidationFailed``.

    A scope of an administrator raises ``ReviewRequired`` where the tenant wants a second operator for it, else
    ``ConfirmationRequired`` unless it is among ``confirmed``.
    """
    if expires_at is not None and expires_at <= now:
        raise ValidationFailed(errors={"expires_at": ["Choose a time in the future."]})
    handed_out = [*(role.scopes if role else ()), *scopes]
    require_may_hand_out(caller, handed_out, gateway=gateway, now=now)
    grant = Grant(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        principal=principal,
        role=role,
        scopes=checked_scopes(scopes, extra=defined_scopes(caller)),
        gateway=gateway,
        reason=reason,
        granted_by=caller.principal_id,
        created_at=now,
        expires_at=expires_at,
    )
    detail = {
        "principal_id": principal.id,
        "role_id": role.id if role else "",
        "scopes": grant.scopes,
        "gateway_id": gateway.id if gateway else "",
        "expires_at": expires_at.isoformat() if expires_at else None,
        "reason": reason,
    }
    administration = administration_in(caller, handed_out)
    if administration:
        require_second_operator(caller, Act.ADMIN_GRANT, detail)
        require_confirmation(caller, administration, confirmed)
    with transaction.atomic():
        grant.save(force_insert=True)
        record(caller, "grant.created", subject_id=grant.id, detail=detail, now=now)
    return grant


def revoke_grant(caller: Caller, *, grant: Grant, reason: str, now: datetime) -> bool:
    """End a grant at once; True when it was alive."""
    with transaction.atomic():
        alive = Grant.objects.for_environment(caller).filter(id=grant.id, revoked_at__isnull=True)
        if not alive.update(revoked_at=now):
            return False
        detail = {"principal_id": grant.principal_id, "role_id": grant.role_id or "", "reason": reason}
        record(caller, "grant.revoked", subject_id=grant.id, detail=detail, now=now)
    return True


def get_grant(caller: Caller, grant_id: str) -> Grant:
    """Return a grant of the caller's environment; raises ``NotFound``."""
    grants = Grant.objects.for_environment(caller).select_related("principal", "role", "gateway")
    grant = grants.filter(id=grant_id).first()
    if grant is None:
        raise NotFound
    return grant


def get_principal(caller: Caller, principal_id: str) -> Principal:
    """Return a principal of the caller's environment; raises ``NotFound``."""
    principal = Principal.objects.for_environment(caller).filter(id=principal_id).first()
    if principal is None:
        raise NotFound
    return principal
