"""The audit over the API: the tenant's own chain, filtered to the caller's environment where it has one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import django_filters
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.audit.models import AuditCheckpoint, AuditEvent
from authsvc.gate.serializers import AuditEventOutput, CheckpointOutput
from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from authsvc.web.pagination import CursorPages


class AuditPages(CursorPages):
    """Newest event first, by sequence."""

    ordering: tuple[str, ...] = ("-sequence",)


class AuditFilters(django_filters.FilterSet):
    """``?event_type=``, ``?actor_id=``, ``?subject_id=``, ``?decision_id=``, ``?after=``, ``?before=``."""

    decision_id = django_filters.CharFilter(method="by_decision", max_length=40)
    after = django_filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    before = django_filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt")

    class Meta:
        model = AuditEvent
        fields = ["event_type", "actor_id", "subject_id"]

    def by_decision(self, rows: QuerySet[AuditEvent], _name: str, decision_id: str) -> QuerySet[AuditEvent]:
        """Return the denial a caller was given this id of."""
        return rows.filter(event_type="decision.denied", detail__decision_id=decision_id)


class AuditList(ApiView):
    """Events of the caller's environment."""

    required_scopes = {"GET": "audit:read"}
    lists = True
    filterset_class = AuditFilters
    pages_class = AuditPages

    @extend_schema(responses=AuditEventOutput(many=True))
    def get(self, request: Request) -> Response:
        """List events of this environment, newest first."""
        return self.page(events_of(self.caller), AuditEventOutput)


class AuditExport(ApiView):
    """Events of the caller's environment as JSON lines."""

    required_scopes = {"GET": "audit:read"}

    @extend_schema(responses={(200, "application/x-ndjson"): OpenApiTypes.STR})
    def get(self, request: Request) -> HttpResponseBase:
        """Stream this environment's events, oldest first, one JSON document a line."""
        return StreamingHttpResponse(_lines(self.caller), content_type="application/x-ndjson")


class AuditCheckpointList(ApiView):
    """Signed checkpoints of the tenant's chain."""

    required_scopes = {"GET": "audit:read"}
    lists = True
    pages_class = AuditPages

    @extend_schema(responses=CheckpointOutput(many=True))
    def get(self, request: Request) -> Response:
        """List signed checkpoints, newest first."""
        return self.page(AuditCheckpoint.objects.filter(tenant_id=self.caller.tenant_id), CheckpointOutput)


def events_of(caller: Caller) -> QuerySet[AuditEvent]:
    """Return the events of the caller's environment."""
    return AuditEvent.objects.filter(tenant_id=caller.tenant_id, environment_id=caller.environment_id)


def _lines(caller: Caller) -> Iterator[bytes]:
    for event in events_of(caller).order_by("sequence").iterator(chunk_size=1000):
        yield json.dumps(AuditEventOutput(event).data, default=str).encode() + b"\n"
