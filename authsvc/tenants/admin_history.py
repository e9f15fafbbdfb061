"""What happened to a row, as its page shows it: the events of its own tenant alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Tenant

MOST_EVENTS = 30


def events_about(row: Any, ids: Sequence[str]) -> list[AuditEvent] | None:
    """Return the newest events about a row, of its own tenant alone; ``None`` for what belongs to none."""
    tenant_id = row.pk if isinstance(row, Tenant) else getattr(row, "tenant_id", None)
    if tenant_id is None or isinstance(row, AuditEvent):
        return None
    events = AuditEvent.objects.filter(tenant_id=tenant_id, subject_id__in=ids)
    return list(events.order_by("-sequence")[:MOST_EVENTS])
