"""What may be done with operators after they exist: memberships changed and removed, passwords, sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import Membership, MembershipRole, Operator, Tenant
from authsvc.tenants.services import tenant_caller
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, ValidationFailed

POWERFUL = (MembershipRole.OWNER, MembershipRole.ADMIN)


class LastOwner(Conflict):
    """A tenant keeps at least one owner or admin."""

    slug, title = "last_owner", "The last owner stays"
    default_detail = "This is the tenant's last owner or admin; name another one first."


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One signed-in browser of an operator; the key itself is never shown."""

    ends_at: datetime
    is_verified: bool


def change_membership(caller: Caller, *, membership: Membership, role: MembershipRole, now: datetime) -> Membership:
    """Give another role in the same tenant; raises ``LastOwner``."""
    with transaction.atomic():
        _require_another_owner(membership, role)
        membership.role = role
        membership.save(update_fields=["role"])
        detail = {"operator_id": membership.operator_id, "role": str(role)}
        inside = tenant_caller(caller, membership.tenant)
        record(inside, "membership.changed", subject_id=membership.operator_id, detail=detail, now=now)
    return membership


def remove_membership(caller: Caller, *, membership: Membership, now: datetime) -> None:
    """Take an operator out of a tenant; it sees nothing of it from the next request on. Raises ``LastOwner``."""
    with transaction.atomic():
        _require_another_owner(membership, None)
        detail = {"operator_id": membership.operator_id, "role": membership.role}
        inside = tenant_caller(caller, membership.tenant)
        record(inside, "membership.removed", subject_id=membership.operator_id, detail=detail, now=now)
        Membership.objects.for_tenant(membership.tenant_id).filter(pk=membership.pk).delete()


def set_operator_password(caller: Caller, *, operator: Operator, password: str, now: datetime) -> Operator:
    """Set a password, which ends every session of the operator; raises ``ValidationFailed``."""
    try:
        validate_password(password, operator)
    except ValidationError as error:
        raise ValidationFailed(errors={"password": list(error.messages)}) from error
    with transaction.atomic():
        operator.set_password(password)
        operator.save(update_fields=["password"])
        record(caller, "operator.password_changed", subject_id=operator.id, now=now)
    return operator


def set_operator_active(caller: Caller, *, operator: Operator, is_active: bool, now: datetime) -> Operator:
    """Let an operator sign in, or no more; raises ``Conflict`` for oneself."""
    if operator.id == caller.principal_id:
        raise Conflict("Nobody disables themselves.")
    with transaction.atomic():
        operator.is_active = is_active
        operator.save(update_fields=["is_active"])
        event = "operator.enabled" if is_active else "operator.disabled"
        record(caller, event, subject_id=operator.id, now=now)
    return operator


def open_sessions(operator: Operator, *, now: datetime) -> list[OpenSession]:
    """Return the living sessions of an operator, the longest first."""
    rows = _sessions(operator, now)
    found = [OpenSession(row.expire_date, "otp_device_id" in row.get_decoded()) for row in rows]
    return sorted(found, key=lambda session: session.ends_at, reverse=True)


def end_sessions(caller: Caller, *, operator: Operator, now: datetime) -> int:
    """Sign an operator out everywhere; returns how many sessions ended."""
    rows = _sessions(operator, now)
    with transaction.atomic():
        Session.objects.filter(pk__in=[row.pk for row in rows]).delete()
        record(caller, "operator.sessions_ended", subject_id=operator.id, detail={"count": len(rows)}, now=now)
    return len(rows)


def require_second_factor(caller: Caller, *, tenant: Tenant, is_required: bool, now: datetime) -> Tenant:
    """Demand a second factor of everybody in the tenant, or no more."""
    with transaction.atomic():
        tenant.require_mfa = is_required
        tenant.save(update_fields=["require_mfa"])
        detail = {"changed": [f"require_mfa={is_required}"]}
        record(tenant_caller(caller, tenant), "tenant.updated", subject_id=tenant.id, detail=detail, now=now)
    return tenant


def _sessions(operator: Operator, now: datetime) -> list[Session]:
    living = Session.objects.filter(expire_date__gt=now)
    return [row for row in living.iterator() if row.get_decoded().get("_auth_user_id") == str(operator.pk)]


def _require_another_owner(membership: Membership, role: MembershipRole | None) -> None:
    if membership.role not in POWERFUL or role in POWERFUL:
        return
    others = Membership.objects.for_tenant(membership.tenant_id).filter(role__in=POWERFUL)
    if not others.exclude(pk=membership.pk).exists():
        raise LastOwner
