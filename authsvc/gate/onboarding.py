"""Opening a tenant: its environments, their data and signing keys and preset roles, in one transaction."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from authsvc.tenants.models import Environment, Tenant
from authsvc.tenants.services import create_environment, create_tenant, environment_caller, tenant_caller
from authsvc.tokens.keys import active_key
from authsvc.tokens.policy import create_token_policy
from authsvc.vault.services import active_data_key
from authsvc.web.caller import Caller
from rbac.services.roles import create_preset_roles


def open_tenant(caller: Caller, *, slug: str, name: str, now: datetime) -> Tenant:
    """Create a tenant ready for use: ``dev`` and ``prod``, each with its keys and the preset roles."""
    with transaction.atomic():
        tenant = create_tenant(caller, slug=slug, name=name, now=now)
        for environment in Environment.objects.for_tenant(tenant.id).select_related("tenant"):
            equip_environment(caller, environment, now=now)
    return tenant


def open_environment(caller: Caller, *, tenant: Tenant, name: str, now: datetime) -> Environment:
    """Create a named further environment, ready for use."""
    with transaction.atomic():
        environment = create_environment(tenant_caller(caller, tenant), tenant=tenant, name=name, now=now)
        equip_environment(caller, environment, now=now)
    return environment


def equip_environment(caller: Caller, environment: Environment, *, now: datetime) -> None:
    """Give an environment its data key, its signing key, its token policy and the preset roles it lacks."""
    inside = environment_caller(caller, environment)
    active_data_key(inside, now=now)
    active_key(inside, now=now)
    create_token_policy(inside)
    create_preset_roles(inside, now=now)
