"""Scopes that a tenant adds to the catalogue, for endpoints of its own gateways.

Refused: anything but ``resource:action``, what the catalogue has already, and every resource of this service itself: a
definition never changes what an existing scope means.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, NotFound, ValidationFailed
from rbac.catalogue import find_entry
from rbac.models import TenantScope
from rbac.scopes import AGENTOS_ADMIN, AUTHSVC_ADMIN, OWN_ACTIONS, RESOURCE_ALIASES, parse


class ScopeExists(Conflict):
    """The scope can be granted already."""

    slug, title = "scope_exists", "Scope exists"
    default_detail = "This scope can be granted already."


def define_scope(caller: Caller, *, scope: str, sentence: str, now: datetime) -> TenantScope:
    """Add a scope to the environment's catalogue; raises ``InvalidScope``, ``ValidationFailed`` or ``ScopeExists``."""
    parsed = parse(scope)
    reserved = {*OWN_ACTIONS, *RESOURCE_ALIASES, AUTHSVC_ADMIN.split(":")[0], AGENTOS_ADMIN.split(":")[0]}
    if parsed.resource_id is not None or parsed.resource in reserved:
        raise ValidationFailed(errors={"scope": ["Give resource:action with a resource of your own."]})
    if find_entry(scope) is not None:
        raise ScopeExists
    row = TenantScope(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        scope=scope,
        sentence=sentence,
        created_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            record(caller, "scope.defined", subject_id=row.id, detail={"scope": scope, "sentence": sentence}, now=now)
    except IntegrityError as error:
        raise ScopeExists from error
    return row


def remove_scope(caller: Caller, *, scope_id: str, now: datetime) -> None:
    """Take a scope out of the catalogue: what was granted stays, nothing new can be. Raises ``NotFound``."""
    row = TenantScope.objects.for_environment(caller).filter(id=scope_id).first()
    if row is None:
        raise NotFound
    with transaction.atomic():
        record(caller, "scope.removed", subject_id=row.id, detail={"scope": row.scope}, now=now)
        row.delete()


def defined_scopes(caller: Caller) -> frozenset[str]:
    """Return the scopes the tenant added in the caller's environment."""
    return frozenset(TenantScope.objects.for_environment(caller).values_list("scope", flat=True))
