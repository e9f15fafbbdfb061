"""Use cases of the customer boundary.

Make tenants and environments, operators and memberships, enable and disable principals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from authsvc.audit.models import PLATFORM
from authsvc.audit.record import record
from authsvc.tenants.models import (
    SLUG_VALIDATOR,
    Environment,
    Membership,
    MembershipRole,
    Operator,
    Principal,
    PrincipalKind,
    PrincipalState,
    Tenant,
    TenantState,
)
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.identifiers import new_id
from authsvc.web.problems import Conflict, NotFound, ValidationFailed

DEFAULT_ENVIRONMENTS = ("dev", "prod")
ID_PREFIX = {
    PrincipalKind.SERVICE_ACCOUNT: "svc",
    PrincipalKind.DEVICE: "dev",
    PrincipalKind.GATEWAY: "gwy",
}
EVERY_READ = frozenset(
    f"{area}:read"
    for area in (
        "profiles",
        "credentials",
        "devices",
        "roles",
        "grants",
        "service_accounts",
        "gateways",
        "channels",
        "tokens",
        "decisions",
        "status",
        "audit",
        "keys",
        "reviews",
    )
)
MEMBERSHIP_SCOPES: dict[str, frozenset[str]] = {
    MembershipRole.OWNER: frozenset({"authsvc:admin"}),
    MembershipRole.ADMIN: frozenset({"authsvc:admin"}),
    MembershipRole.APPROVER: EVERY_READ
    | {"devices:approve", "devices:write", "decisions:make", "reviews:write", "reviews:approve"},
    MembershipRole.AUDITOR: EVERY_READ,
}
OPERATOR_TRUST_LEVEL = 3


class SlugTaken(Conflict):
    """A tenant or environment of this name exists."""

    slug, title = "slug_taken", "Name already in use"
    default_detail = "This name is already in use."


def create_tenant(caller: Caller, *, slug: str, name: str, now: datetime) -> Tenant:
    """Create a tenant with its ``dev`` and ``prod`` environments; raises ``ValidationFailed`` or ``SlugTaken``."""
    require_slug(slug)
    with transaction.atomic():
        if Tenant.objects.filter(slug=slug).exists():
            raise SlugTaken
        tenant = Tenant(slug=slug, name=name or slug, created_at=now)
        tenant.save(force_insert=True)
        inside = tenant_caller(caller, tenant)
        record(inside, "tenant.created", subject_id=tenant.id, detail={"slug": slug}, now=now)
        for environment in DEFAULT_ENVIRONMENTS:
            create_environment(inside, tenant=tenant, name=environment, now=now)
    return tenant


def create_environment(caller: Caller, *, tenant: Tenant, name: str, now: datetime) -> Environment:
    """Create one environment of a tenant; raises ``ValidationFailed`` or ``SlugTaken``."""
    require_slug(name)
    with transaction.atomic():
        if Environment.objects.for_tenant(tenant.id).filter(name=name).exists():
            raise SlugTaken
        environment = Environment(tenant=tenant, name=name, created_at=now)
        environment.save(force_insert=True)
        record(
            caller,
            "environment.created",
            subject_id=environment.id,
            detail={"name": name},
            now=now,
            environment_id=environment.id,
        )
    return environment


def require_slug(text: str) -> None:
    """Raise ``ValidationFailed`` unless the text can stand in an issuer's address."""
    try:
        SLUG_VALIDATOR(text)
    except ValidationError as error:
        raise ValidationFailed(errors={"slug": list(error.messages)}) from error


def change_tenant(caller: Caller, *, tenant: Tenant, changes: Mapping[str, object], now: datetime) -> Tenant:
    """Store checked settings of a tenant, by field, and record which."""
    with transaction.atomic():
        for field, value in changes.items():
            setattr(tenant, field, value)
        tenant.save(update_fields=sorted(changes))
        detail = {"changed": sorted(changes)}
        record(tenant_caller(caller, tenant), "tenant.updated", subject_id=tenant.id, detail=detail, now=now)
    return tenant


def set_tenant_state(caller: Caller, *, tenant: Tenant, state: TenantState, reason: str, now: datetime) -> Tenant:
    """Suspend or resume a tenant. A destroyed tenant stays destroyed: its keys are gone."""
    if tenant.state == TenantState.DESTROYED:
        raise Conflict("A destroyed tenant cannot come back.")
    event = "tenant.suspended" if state == TenantState.SUSPENDED else "tenant.resumed"
    with transaction.atomic():
        tenant.state = state
        tenant.save(update_fields=["state"])
        record(
            tenant_caller(caller, tenant),
            event,
            subject_id=tenant.id,
            detail={"slug": tenant.slug, "reason": reason},
            now=now,
        )
    return tenant


def create_principal(caller: Caller, *, kind: PrincipalKind, name: str, now: datetime) -> Principal:
    """Create an active principal in the caller's environment, with an id that says its kind."""
    with transaction.atomic():
        principal = Principal(
            id=new_id(ID_PREFIX[kind]),
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            kind=kind,
            name=name,
            created_at=now,
        )
        principal.save(force_insert=True)
        record(
            caller,
            "principal.created",
            subject_id=principal.id,
            detail={"kind": str(kind), "name": name},
            now=now,
        )
    return principal


def set_principal_state(
    caller: Caller, *, principal: Principal, state: PrincipalState, reason: str, now: datetime
) -> Principal:
    """Disable or enable a principal; nothing it holds is accepted while it is disabled."""
    event = "principal.disabled" if state == PrincipalState.DISABLED else "principal.enabled"
    with transaction.atomic():
        principal.state = state
        principal.save(update_fields=["state"])
        record(caller, event, subject_id=principal.id, detail={"reason": reason}, now=now)
    return principal


def create_operator(
    caller: Caller, *, username: str, password: str, is_platform: bool, now: datetime, email: str = ""
) -> Operator:
    """Create an operator; a platform operator sees every tenant, others need memberships."""
    with transaction.atomic():
        if Operator.objects.filter(username=username).exists():
            raise SlugTaken("An operator of this name exists.")
        operator = Operator.objects.create_user(username, password, email=email, is_superuser=is_platform)
        record(
            caller,
            "operator.created",
            subject_id=operator.id,
            detail={"username": username, "is_platform": is_platform},
            now=now,
        )
    return operator


def add_membership(
    caller: Caller, *, operator: Operator, tenant: Tenant, role: MembershipRole, now: datetime
) -> Membership:
    """Give an operator a role in a tenant, replacing the one it had there."""
    with transaction.atomic():
        membership = Membership.objects.for_tenant(tenant.id).filter(operator=operator).first()
        if membership is None:
            membership = Membership(operator=operator, tenant=tenant, created_at=now)
        membership.role = role
        membership.save()
        record(
            tenant_caller(caller, tenant),
            "membership.created",
            subject_id=operator.id,
            detail={"operator_id": operator.id, "role": str(role)},
            now=now,
        )
    return membership


def get_environment(*, tenant: str, environment: str) -> Environment:
    """Return an environment by the two names in an issuer's address; ``NotFound`` unless its tenant is active."""
    found = (
        Environment.unscoped.select_related("tenant")
        .filter(tenant__slug=tenant, name=environment, tenant__state=TenantState.ACTIVE)
        .first()
    )
    if found is None:
        raise NotFound
    assert isinstance(found, Environment)  # noqa: S101 - narrows the untyped manager
    return found


def system_caller(*, request_id: str = "") -> Caller:
    """Return the caller for work that no person asked for (worker, bootstrap)."""
    return _platform_caller(CallerKind.SYSTEM, "system", request_id)


def command_caller(account: str) -> Caller:
    """Return the caller for a command typed on the machine by the given operating-system account."""
    return _platform_caller(CallerKind.COMMAND, f"command:{account}"[:150], "")


def _platform_caller(kind: CallerKind, principal_id: str, request_id: str) -> Caller:
    return Caller(
        tenant_id=PLATFORM,
        tenant=PLATFORM,
        environment_id="",
        environment="",
        principal_id=principal_id,
        kind=kind,
        scopes=frozenset({"authsvc:admin"}),
        trust_level=OPERATOR_TRUST_LEVEL,
        proof=kind.value,
        request_id=request_id,
    )


def tenant_caller(caller: Caller, tenant: Tenant) -> Caller:
    """Return a platform-wide caller (system, command, platform operator) placed inside one tenant."""
    if caller.tenant_id not in {PLATFORM, tenant.id}:
        raise NotFound
    return Caller(
        tenant_id=tenant.id,
        tenant=tenant.slug,
        environment_id=caller.environment_id if caller.tenant_id == tenant.id else "",
        environment=caller.environment if caller.tenant_id == tenant.id else "",
        principal_id=caller.principal_id,
        kind=caller.kind,
        scopes=caller.scopes,
        trust_level=caller.trust_level,
        proof=caller.proof,
        request_id=caller.request_id,
        address=caller.address,
    )


def environment_caller(caller: Caller, environment: Environment) -> Caller:
    """Return a platform-wide caller placed inside one environment."""
    return tenant_caller(caller, environment.tenant).within(environment.id, environment.name)


def operator_caller(operator: Operator, environment: Environment, *, request_id: str = "", address: str = "") -> Caller:
    """Return the caller for an operator acting in one environment; ``NotFound`` without a membership there."""
    return Caller(
        tenant_id=environment.tenant_id,
        tenant=environment.tenant.slug,
        environment_id=environment.id,
        environment=environment.name,
        principal_id=operator.id,
        kind=CallerKind.OPERATOR,
        scopes=operator_scopes(operator, environment.tenant_id),
        trust_level=OPERATOR_TRUST_LEVEL,
        proof="operator_session",
        request_id=request_id,
        address=address,
    )


def platform_operator_caller(operator: Operator, *, request_id: str = "", address: str = "") -> Caller:
    """Return the caller for a platform operator acting above all tenants; ``NotFound`` for anybody else."""
    if not (operator.is_active and operator.is_superuser):
        raise NotFound
    outside = operator_outside(operator, request_id=request_id, address=address)
    return replace(outside, scopes=frozenset({"authsvc:admin"}), trust_level=OPERATOR_TRUST_LEVEL)


def operator_outside(operator: Operator, *, request_id: str = "", address: str = "") -> Caller:
    """Return an operator outside every tenant, holding nothing: for what concerns no tenant of theirs."""
    return Caller(
        tenant_id=PLATFORM,
        tenant=PLATFORM,
        environment_id="",
        environment="",
        principal_id=operator.id,
        kind=CallerKind.OPERATOR,
        scopes=frozenset(),
        proof="operator_session",
        request_id=request_id,
        address=address,
    )


def operator_scopes(operator: Operator, tenant_id: str) -> frozenset[str]:
    """Return what an operator may do in a tenant; ``NotFound`` without a membership."""
    if not operator.is_active:
        raise NotFound
    if operator.is_superuser:
        return frozenset({"authsvc:admin"})
    membership = Membership.objects.for_tenant(tenant_id).filter(operator=operator).first()
    if membership is None:
        raise NotFound
    return MEMBERSHIP_SCOPES[membership.role]


def visible_tenant_ids(operator: Operator) -> list[str] | None:
    """Return the ids of the tenants an operator sees; ``None`` means all (platform operator)."""
    if operator.is_active and operator.is_superuser:
        return None
    return list(operator.memberships.values_list("tenant_id", flat=True)) if operator.is_active else []
