"""What a device's page tells of the past: its story, and beside it what was decided about it lately and why."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from authsvc.audit.models import AuditEvent
from authsvc.tenants.admin_base import Panel
from devices.models import Device

TIMELINE_LENGTH = 30
MOST_DECISIONS = 10
DECISIONS = ("access.denied", "decision.denied")


def story_of(device: Device) -> list[AuditEvent]:
    """Return what happened to a device, newest first; its tenant's events alone, without what was decided about it."""
    return list(_about(device).exclude(event_type__in=DECISIONS)[:TIMELINE_LENGTH])


def last_decisions(_request: HttpRequest, device: Device) -> list[Panel]:
    """Return the panel of the last denials: what it wanted, where, which gate said no, and the decision's id."""
    events = _about(device).filter(event_type__in=DECISIONS, environment_id=device.environment_id)[:MOST_DECISIONS]
    lines = [_line(event) for event in events]
    url = reverse("admin:authsvc_auditevent_changelist") + f"?q={device.id}" if lines else ""
    empty = "Nothing was denied to it. What is allowed is not written down."
    return [Panel("What was denied to it lately, and why", lines, when_empty=empty, url=url)]


def _about(device: Device) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(tenant_id=device.tenant_id, subject_id=device.id).order_by("-sequence")


def _line(event: AuditEvent) -> str:
    detail = event.detail
    wanted = detail.get("action") or f"{detail.get('method', '')} {detail.get('route', '')}".strip()
    lacking = f", it lacks {detail['required_scope']}" if detail.get("required_scope") else ""
    place = f" at {detail['gateway_id']}" if detail.get("gateway_id") else ""
    again = f" (and {detail['repeats']} times before)" if detail.get("repeats") else ""
    which = f" · {detail['decision_id']}" if detail.get("decision_id") else ""
    return f"{event.occurred_at:%Y-%m-%d %H:%M:%S} {wanted}{place}: {detail['code']}{lacking}{again}{which}"
