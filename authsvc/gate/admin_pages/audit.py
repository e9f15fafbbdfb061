"""Admin page of the audit: a list nobody can change."""

from __future__ import annotations

from django.contrib import admin

from authsvc.audit.models import PLATFORM, AuditEvent
from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_filters import TenantFilter
from authsvc.tenants.models import Tenant


@admin.register(AuditEvent)
class AuditEventAdmin(HouseAdmin):
    """What happened; nobody changes it."""

    list_display = ("occurred_at", "event_type", "actor_kind", "actor_id", "subject_id", "tenant", "sequence")
    list_filter = (TenantFilter, "actor_kind")
    search_fields = ("=id", "=event_type", "=subject_id", "=actor_id", "=request_id")
    ordering = ("-occurred_at", "-sequence")
    fields = (
        "id",
        "sequence",
        "occurred_at",
        "event_type",
        "tenant",
        "environment_id",
        "actor_kind",
        "actor_id",
        "subject_id",
        "address",
        "request_id",
        "detail",
        "previous_hash",
        "hash",
    )
    readonly_fields = fields

    @admin.display(ordering="tenant_id")
    def tenant(self, row: AuditEvent) -> str:
        """Return the tenant's name, where it still has one."""
        if row.tenant_id == PLATFORM:
            return PLATFORM
        return Tenant.objects.filter(id=row.tenant_id).values_list("slug", flat=True).first() or row.tenant_id
