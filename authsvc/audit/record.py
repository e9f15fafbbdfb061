"""Writing events: in the transaction of the change they tell of, so neither exists without the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction

from authsvc.audit.chain import GENESIS, Unplaced, take_out_of_chain
from authsvc.audit.changes import note_change
from authsvc.audit.events import Detail, changes_rights, checked_detail
from authsvc.audit.models import PLATFORM, AuditEvent, AuditHead
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared, as_moment, execute, insert_rows

_HEAD_COLUMNS = ("sequence", "changes", "hash")
_LOCKED_HEAD = Prepared(
    lambda tenant_id: (
        AuditHead.objects.select_for_update().filter(tenant_id=tenant_id).order_by().values_list(*_HEAD_COLUMNS)
    )
)
_HEADS = AuditHead._meta.db_table
_MOVE_HEAD = f"UPDATE {_HEADS} SET sequence = %s, hash = %s WHERE tenant_id = %s"  # noqa: S608 - ours
_MOVE_CHANGES = f"UPDATE {_HEADS} SET sequence = %s, hash = %s, changes = %s, changed_at = %s WHERE tenant_id = %s"  # noqa: S608


@dataclass(frozen=True, slots=True)
class LockedHead:
    """The end of a tenant's chain, which nobody else can move before the end of this transaction."""

    tenant_id: str
    sequence: int
    changes: int
    hash: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that has no place in its chain yet; made by ``draft``, which checks it."""

    event: AuditEvent
    unplaced: Unplaced

    @property
    def changes_rights(self) -> bool:
        """True when the event moves its tenant's count of changes."""
        return changes_rights(self.event.event_type)

    def placed(self, sequence: int, previous_hash: str) -> AuditEvent:
        """Return the event at its place."""
        event = self.event
        event.sequence, event.previous_hash = sequence, previous_hash
        event.hash = self.unplaced.hash_at(sequence, previous_hash)
        return event


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
    one = draft(caller, event_type, subject_id=subject_id, detail=detail, now=now, environment_id=environment_id)
    with transaction.atomic(savepoint=False):
        return append_events(locked_head(one.event.tenant_id), [one])[0]


def draft(
    caller: Caller,
    event_type: str,
    *,
    subject_id: str = "",
    detail: Detail | None = None,
    now: datetime,
    environment_id: str | None = None,
) -> Draft:
    """Return an event to append, worked out as far as it can be before the chain is locked.

    Raises ``UnknownEvent`` for a key outside the table.
    """
    event = AuditEvent(
        tenant_id=caller.tenant_id or PLATFORM,
        sequence=0,
        event_type=event_type,
        environment_id=caller.environment_id if environment_id is None else environment_id,
        actor_kind=caller.kind.value,
        actor_id=caller.principal_id[:150],
        subject_id=subject_id[:150],
        request_id=caller.request_id[:64],
        address=caller.address[:45],
        occurred_at=now.astimezone(UTC),
        detail=checked_detail(event_type, detail or {}),
    )
    return Draft(event, take_out_of_chain(event.as_row()))


def append_events(head: LockedHead, drafts: Sequence[Draft]) -> list[AuditEvent]:
    """Append events of one tenant after its locked head, in order, and move the head; returns them as written."""
    events: list[AuditEvent] = []
    sequence, previous, changes = head.sequence, head.hash, head.changes
    for one in drafts:
        sequence, changes = sequence + 1, changes + int(one.changes_rights)
        event = one.placed(sequence, previous)
        previous = event.hash
        events.append(event)
    insert_rows(events)
    changed_at = [event.occurred_at for one, event in zip(drafts, events, strict=True) if one.changes_rights]
    if not changed_at:
        execute(_MOVE_HEAD, [sequence, previous, head.tenant_id])
        return events
    execute(_MOVE_CHANGES, [sequence, previous, changes, as_moment(changed_at[-1]), head.tenant_id])
    note_change(head.tenant_id, changes=changes)
    return events


def locked_head(tenant_id: str) -> LockedHead:
    """Return the head of a tenant's chain with its row locked to the end of the transaction."""
    head = find_locked_head(tenant_id)
    if head is not None:
        return head
    AuditHead.objects.bulk_create([AuditHead(tenant_id=tenant_id, hash=GENESIS)], ignore_conflicts=True)
    return LockedHead(tenant_id, *_LOCKED_HEAD.rows(tenant_id=tenant_id)[0])


def find_locked_head(tenant_id: str) -> LockedHead | None:
    """Return the head of a tenant's chain with its row locked, or ``None`` for a chain without an event yet."""
    found = _LOCKED_HEAD.first(tenant_id=tenant_id)
    return None if found is None else LockedHead(tenant_id, *found)
