"""Admin page of the audit: a list nobody can change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from authsvc.audit.events import EVENT_TYPES
from authsvc.audit.models import PLATFORM, AuditEvent
from authsvc.gate.admin_pages.audit_chains import chains_page, export_chain
from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_filters import TenantFilter
from authsvc.tenants.admin_site import Attention, calls_for_attention, seen_tenant_ids
from authsvc.tenants.models import Environment, Operator, Tenant
from authsvc.web.caller import CallerKind

AREAS = tuple(sorted({name.partition(".")[0] for name in EVENT_TYPES}))
ANOMALIES = ("device.clone_suspected", "token.reuse_detected", "usage.threshold_reached")
SINCE = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}


class AreaFilter(admin.SimpleListFilter):
    """Filters events by what they are about: the noun of their type."""

    title = "what about"
    parameter_name = "area"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return every noun."""
        return [(area, area.replace("_", " ")) for area in AREAS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the events of that noun."""
        types = [name for name in EVENT_TYPES if name.partition(".")[0] == self.value()]
        return queryset.filter(event_type__in=types) if self.value() else queryset


class SinceFilter(admin.SimpleListFilter):
    """Filters events by how long ago they happened."""

    title = "when"
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the spans."""
        return [(name, f"within a {name}") for name in SINCE]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the events of that span."""
        span = SINCE.get(self.value() or "")
        return queryset.filter(occurred_at__gte=timezone.now() - span) if span else queryset


class AnomalyFilter(admin.SimpleListFilter):
    """Filters to the events that look like misuse."""

    title = parameter_name = "anomaly"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice."""
        return [("any", "looks copied, reused or unusual")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the anomalies."""
        return queryset.filter(event_type__in=ANOMALIES) if self.value() == "any" else queryset


class ActorFilter(admin.SimpleListFilter):
    """Filters events by what kind of actor caused them; the kinds are known, so no row is read to offer them."""

    title, parameter_name = "actor kind", "actor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return every kind."""
        return [(kind.value, kind.value.replace("_", " ")) for kind in CallerKind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return what actors of that kind did."""
        return queryset.filter(actor_kind=self.value()) if self.value() else queryset


@calls_for_attention
def anomalies(operator: Operator, place: Environment | None) -> list[Attention]:
    """Return how many events of the last day look like misuse; above all tenants nothing, since chains are theirs."""
    tenant_ids = [place.tenant_id] if place else seen_tenant_ids(operator)
    if tenant_ids is None:
        return []
    rows = AuditEvent.objects.filter(tenant_id__in=tenant_ids, event_type__in=ANOMALIES)
    if place is not None:
        rows = rows.filter(environment_id=place.id)
    rows = rows.filter(occurred_at__gte=timezone.now() - SINCE["day"])
    url = reverse("admin:authsvc_auditevent_changelist") + "?anomaly=any&since=day"
    when_empty = "Nothing looks copied, reused or unusual."
    return [Attention(rows, "anomalies within a day", url, when_empty, is_urgent=True)]


@admin.register(AuditEvent)
class AuditEventAdmin(HouseAdmin):
    """What happened; nobody changes it."""

    when_empty = "Nothing happened here yet. Every change and every denial appears here."
    list_display = ("occurred_at", "event_type", "actor_kind", "actor_id", "subject_id", "tenant", "sequence")
    list_filter = (TenantFilter, AreaFilter, SinceFilter, AnomalyFilter, ActorFilter)
    change_list_template = "admin/audit_list.html"
    search_fields = ("=id", "=event_type", "=subject_id", "=actor_id", "=request_id", "=detail__decision_id")
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

    def get_urls(self) -> list[URLPattern]:
        """Add the state of the chains, and their export."""
        chains = path("chains/", self.admin_site.admin_view(self.chains_view), name="authsvc_auditevent_chains")
        export = path("export/", self.admin_site.admin_view(self.export_view), name="authsvc_auditevent_export")
        return [chains, export, *super().get_urls()]

    def chains_view(self, request: HttpRequest) -> HttpResponse:
        """Show how each chain stands; a POST verifies one of them."""
        return chains_page(self, request)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send one tenant's chain as JSON lines, to be verified elsewhere."""
        return export_chain(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        """Return the events of the operator's tenants, each with its tenant's name, where that still has one."""
        names = Tenant.objects.filter(id=OuterRef("tenant_id")).values("slug")[:1]
        rows: QuerySet[AuditEvent] = super().get_queryset(request)
        return rows.annotate(tenant_slug=Subquery(names))

    @admin.display(ordering="tenant_id")
    def tenant(self, row: Any) -> str:
        """Return the tenant's name, else its id."""
        return PLATFORM if row.tenant_id == PLATFORM else row.tenant_slug or row.tenant_id
