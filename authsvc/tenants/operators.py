"""What may be done with operators after they exist: memberships changed and removed, passwords."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import Membership, MembershipRole, Operator, Tenant
from authsvc.tenants.services import tenant_caller
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.problems import Conflict, Forbidden, NotFound, ValidationFailed

POWERFUL = (MembershipRole.OWNER, MembershipRole.ADMIN)


class LastOwner(Conflict):
    """A tenant that has an owner keeps one."""

    slug, title = "last_owner", "The last owner stays"
    default_detail = "This is the tenant's last owner; name another one first."


def change_membership(caller: Caller, *, membership: Membership, role: MembershipRole, now: datetime) -> Membership:
    """Give another role in the same tenant; raises ``LastOwner``, or ``Forbidden`` where it is not theirs to give."""
    with transaction.atomic():
        _lock_members(membership.tenant_id)
        require_may_name(caller, membership.tenant_id, role=role, was=membership.role, who=membership.operator_id)
        _require_another_owner(membership, role)
        membership.role = role
        membership.save(update_fields=["role"])
        detail = {"operator_id": membership.operator_id, "role": str(role)}
        inside = tenant_caller(caller, membership.tenant)
        record(inside, "membership.changed", subject_id=membership.operator_id, detail=detail, now=now)
    return membership


def remove_membership(caller: Caller, *, membership: Membership, now: datetime) -> None:
    """Take an operator out of a tenant; it sees nothing of it from the next request on.

    Raises ``LastOwner``, or ``Forbidden`` where only an owner may. Who removes itself loses rights, so that is allowed.
    """
    with transaction.atomic():
        _lock_members(membership.tenant_id)
        if membership.operator_id != caller.principal_id:
            require_may_name(caller, membership.tenant_id, role=None, was=membership.role, who=membership.operator_id)
        _require_another_owner(membership, None)
        detail = {"operator_id": membership.operator_id, "role": membership.role}
        inside = tenant_caller(caller, membership.tenant)
        record(inside, "membership.removed", subject_id=membership.operator_id, detail=detail, now=now)
        Membership.objects.for_tenant(membership.tenant_id).filter(pk=membership.pk).delete()


def get_membership(tenant_id: str, operator_id: str) -> Membership:
    """Return an operator's membership of a tenant; raises ``NotFound``."""
    rows = Membership.objects.for_tenant(tenant_id).select_related("operator", "tenant")
    found = rows.filter(operator_id=operator_id).first()
    if found is None:
        raise NotFound
    return found


def require_may_name(
    caller: Caller, tenant_id: str, *, role: MembershipRole | None, was: str = "", who: str = ""
) -> None:
    """Raise ``Forbidden`` for a change of one's own role, and for owners unless by an owner or the platform."""
    if who and who == caller.principal_id:
        raise Forbidden("Nobody changes their own role; ask another owner.")
    if MembershipRole.OWNER in {role, was} and not _is_owner_or_platform(caller, tenant_id):
        raise Forbidden("Only an owner, or the platform, names and removes owners.")


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


def require_second_factor(caller: Caller, *, tenant: Tenant, is_required: bool, now: datetime) -> Tenant:
    """Demand a second factor of everybody in the tenant, or no more."""
    with transaction.atomic():
        tenant.require_mfa = is_required
        tenant.save(update_fields=["require_mfa"])
        detail = {"changed": [f"require_mfa={is_required}"]}
        record(tenant_caller(caller, tenant), "tenant.updated", subject_id=tenant.id, detail=detail, now=now)
    return tenant


def _is_owner_or_platform(caller: Caller, tenant_id: str) -> bool:
    if caller.kind in {CallerKind.SYSTEM, CallerKind.COMMAND}:
        return True
    if Operator.objects.filter(pk=caller.principal_id, is_superuser=True, is_active=True).exists():
        return True
    owners = Membership.objects.for_tenant(tenant_id).filter(role=MembershipRole.OWNER)
    return owners.filter(operator_id=caller.principal_id, operator__is_active=True).exists()


def _lock_members(tenant_id: str) -> None:
    """Let changes of one tenant's members follow each other, so that two owners cannot remove each other."""
    Tenant.objects.select_for_update().get(pk=tenant_id)


def _require_another_owner(membership: Membership, role: MembershipRole | None) -> None:
    if membership.role != MembershipRole.OWNER or role == MembershipRole.OWNER:
        return
    others = Membership.objects.for_tenant(membership.tenant_id).filter(role=MembershipRole.OWNER)
    if not others.exclude(pk=membership.pk).exists():
        raise LastOwner
