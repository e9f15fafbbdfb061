"""Writing an event: in the transaction of the change it tells of, so neither exists without the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction

from authsvc.audit.chain import GENESIS, hash_event
from authsvc.audit.changes import note_change
from authsvc.audit.events import Detail, changes_rights, checked_detail
from authsvc.audit.models import PLATFORM, AuditEvent, AuditHead
from authsvc.web.caller import Caller


def record(
    caller: Caller,
    event_type: str,
    *,
    subject_id: str = "",
    detail: Detail | None = None,
    now: datetime,
    environment_id: str | None = None,
) -> AuditEvent:
    """Append one event to the chain of the caller's tenant and return it.

    Takes the row lock of the chain's head, held to the end of the surrounding transaction: events of one tenant
    are written one after the other on PostgreSQL and SQLite alike. An event that may change rights also moves the
    tenant's count of changes, which every worker watches. Raises ``UnknownEvent`` for a key outside the table.
    """
    with transaction.atomic():
        head = _locked_head(caller.tenant_id or PLATFORM)
        event = AuditEvent(
            tenant_id=head.tenant_id,
            sequence=head.sequence + 1,
            event_type=event_type,
            environment_id=caller.environment_id if environment_id is None else environment_id,
            actor_kind=caller.kind.value,
            actor_id=caller.principal_id[:150],
            subject_id=subject_id[:150],
            request_id=caller.request_id[:64],
            address=caller.address[:45],
            occurred_at=now.astimezone(UTC),
            detail=checked_detail(event_type, detail or {}),
            previous_hash=head.hash,
        )
        event.hash = hash_event(replace(event.as_row(), hash=""))
        event.save()
        changes = head.changes + int(changes_rights(event_type))
        heads = AuditHead.objects.filter(tenant_id=head.tenant_id)
        heads.update(sequence=event.sequence, hash=event.hash, changes=changes)
        if changes != head.changes:
            note_change(head.tenant_id)
    return event


def _locked_head(tenant_id: str) -> AuditHead:
    head = AuditHead.objects.select_for_update().filter(tenant_id=tenant_id).first()
    if head is not None:
        return head
    AuditHead.objects.bulk_create([AuditHead(tenant_id=tenant_id, hash=GENESIS)], ignore_conflicts=True)
    return AuditHead.objects.select_for_update().get(tenant_id=tenant_id)
