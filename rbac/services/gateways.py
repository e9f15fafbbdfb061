"""Use cases of gateways: register an audience, change it, issue its gateway tokens, delete it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import PrincipalKind
from authsvc.tenants.services import create_principal
from authsvc.tokens.api_keys import IssuedKey, issue_api_key
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.jwt import ALGORITHMS, DEFAULT_ALGORITHM
from authsvc.tokens.models import ApiKeyKind
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, ValidationFailed
from rbac.models import Gateway, GatewayKind
from rbac.scopes import AGENTOS_ADMIN, parse_admin_scope
from rbac.services.roles import NameTaken


def create_gateway(
    caller: Caller,
    *,
    name: str,
    kind: GatewayKind,
    audience: str = "",
    algorithm: str = DEFAULT_ALGORITHM,
    admin_scope: str = AGENTOS_ADMIN,
    url: str = "",
    now: datetime,
) -> Gateway:
    """Register a gateway; its audience defaults to its id. Raises ``ValidationFailed`` or ``NameTaken``."""
    _require_algorithm(algorithm)
    if audience == API_AUDIENCE:
        raise ValidationFailed(errors={"audience": [f"{API_AUDIENCE!r} is this service itself."]})
    with transaction.atomic():
        principal = create_principal(caller, kind=PrincipalKind.GATEWAY, name=name, now=now)
        gateway = Gateway(
            id=principal.id,
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            principal=principal,
            kind=kind,
            name=name,
            audience=audience or principal.id,
            algorithm=algorithm,
            admin_scope=parse_admin_scope(admin_scope),
            url=url,
            created_at=now,
        )
        if Gateway.objects.for_environment(caller).filter(audience=gateway.audience).exists():
            raise NameTaken("A gateway with this audience exists here.")
        gateway.save(force_insert=True)
        detail = {"kind": str(kind), "audience": gateway.audience, "name": name}
        record(caller, "gateway.created", subject_id=gateway.id, detail=detail, now=now)
    return gateway


def update_gateway(
    caller: Caller,
    *,
    gateway: Gateway,
    name: str | None = None,
    algorithm: str | None = None,
    admin_scope: str | None = None,
    url: str | None = None,
    now: datetime,
) -> Gateway:
    """Change a gateway; its audience stays, tokens out there carry it."""
    new = {"name": name, "algorithm": algorithm, "admin_scope": admin_scope, "url": url}
    changed = [field for field, value in new.items() if value is not None]
    if algorithm is not None:
        _require_algorithm(algorithm)
    if admin_scope is not None:
        parse_admin_scope(admin_scope)
    with transaction.atomic():
        for field in changed:
            setattr(gateway, field, new[field])
        gateway.save(update_fields=changed)
        record(caller, "gateway.updated", subject_id=gateway.id, detail={"changed": changed}, now=now)
    return gateway


def delete_gateway(caller: Caller, *, gateway: Gateway, now: datetime) -> None:
    """Delete a gateway with its tokens, grants and channel policies."""
    with transaction.atomic():
        detail = {"audience": gateway.audience}
        record(caller, "gateway.deleted", subject_id=gateway.id, detail=detail, now=now)
        gateway.principal.delete()


def issue_gateway_token(
    caller: Caller, *, gateway: Gateway, name: str, expires_at: datetime | None = None, now: datetime
) -> IssuedKey:
    """Issue an opaque gateway token; it is shown once."""
    return issue_api_key(
        caller,
        principal=gateway.principal,
        kind=ApiKeyKind.GATEWAY_TOKEN,
        name=name,
        expires_at=expires_at,
        now=now,
    )


def get_gateway(caller: Caller, gateway_id: str) -> Gateway:
    """Return a gateway of the caller's environment; raises ``NotFound``."""
    gateway = Gateway.objects.for_environment(caller).select_related("principal").filter(id=gateway_id).first()
    if gateway is None:
        raise NotFound
    return gateway


def find_gateway_by_audience(*, tenant_id: str, environment_id: str, audience: str) -> Gateway | None:
    """Return the gateway of an audience in one environment, if it is registered."""
    gateways = Gateway.objects.for_tenant(tenant_id).filter(environment_id=environment_id)
    return gateways.filter(audience=audience).first()


def _require_algorithm(algorithm: str) -> None:
    if algorithm not in ALGORITHMS:
        raise ValidationFailed(errors={"algorithm": [f"Choose one of {', '.join(ALGORITHMS)}."]})
