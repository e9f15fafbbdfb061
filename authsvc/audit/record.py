"""Writing an event: in the transaction of the change it tells of, so neither exists without the other."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction

from authsvc.audit.chain import GENESIS, hash_event
from authsvc.audit.changes import note_change
from authsvc.audit.events import Detail, changes_rights, checked_detail
from authsvc.audit.models import PLATFORM, AuditEvent, AuditHead
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared, as_moment, execute, insert_row

_LOCKED_HEAD = Prepared(lambda tenant_id: AuditHead.objects.select_for_update().filter(tenant_id=tenant_id).order_by())
_HEADS = AuditHead._meta.db_table
_MOVE_HEAD = f"UPDATE {_HEADS} SET sequence = %s, hash = %s WHERE tenant_id = %s"  # noqa: S608 - ours
_MOVE_CHANGES = f"UPDATE {_HEADS} SET sequence = %s, hash = %s, changes = %s, changed_at = %s WHERE tenant_id = %s"  # noqa: S608


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
    checked = checked_detail(event_type, detail or {})
    with transaction.atomic(savepoint=False):
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
            detail=checked,
            previous_hash=head.hash,
        )
        event.hash = hash_event(event.as_row())
        insert_row(event)
        if not changes_rights(event_type):
            execute(_MOVE_HEAD, [event.sequence, event.hash, head.tenant_id])
            return event
        changes, moment = head.changes + 1, as_moment(event.occurred_at)
        execute(_MOVE_CHANGES, [event.sequence, event.hash, changes, moment, head.tenant_id])
        note_change(head.tenant_id, changes=changes)
    return event


def _locked_head(tenant_id: str) -> AuditHead:
    head = _LOCKED_HEAD.first(tenant_id=tenant_id)
    if head is not None:
        return head
    AuditHead.objects.bulk_create([AuditHead(tenant_id=tenant_id, hash=GENESIS)], ignore_conflicts=True)
    return AuditHead.objects.select_for_update().get(tenant_id=tenant_id)
