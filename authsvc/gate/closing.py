"""Destroying a tenant for good: every data key is erased, so what they sealed is noise in every backup too.

Refused: a tenant that is not suspended first, and anything but its own name typed out. What is kept is what proves it
happened: the audit chain, names and ids. The name stays taken.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import Tenant, TenantState
from authsvc.tenants.services import tenant_caller
from authsvc.vault.services import destroy_data_keys
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, ValidationFailed


class TenantInUse(Conflict):
    """The tenant is still answered."""

    slug, title = "tenant_in_use", "Tenant in use"
    default_detail = "Suspend the tenant first: what still asks for it shows itself then."


def destroy_tenant(caller: Caller, *, tenant: Tenant, confirmed_slug: str, reason: str, now: datetime) -> int:
    """Destroy a suspended tenant; returns how many data keys were erased.

    Raises ``ValidationFailed`` unless its name was typed, ``TenantInUse`` unless it is suspended, or ``Conflict``.
    """
    if confirmed_slug != tenant.slug:
        raise ValidationFailed(errors={"confirmed_slug": [f"Type {tenant.slug} to destroy it."]})
    inside = tenant_caller(caller, tenant)
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.state == TenantState.DESTROYED:
            raise Conflict("This tenant is destroyed already.")
        if locked.state != TenantState.SUSPENDED:
            raise TenantInUse
        erased = destroy_data_keys(inside, reason=reason, now=now)
        locked.state = TenantState.DESTROYED
        locked.save(update_fields=["state"])
        detail = {"slug": tenant.slug, "reason": reason}
        record(inside, "tenant.destroyed", subject_id=tenant.id, detail=detail, now=now)
    return erased
