"""Audit tables: events, the head of each chain, signed checkpoints.

Append-only; no foreign keys, so nothing cascades.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from authsvc.audit.chain import EventRow
from authsvc.web.identifiers import new_id

PLATFORM = "platform"


def new_event_id() -> str:
    """Return an id such as ``evt_…``."""
    return new_id("evt")


class AppendOnly(models.Model):
    """Rows are added once; changing or deleting one through the model is refused."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        """Insert the row; an update is a programming error."""
        if not self._state.adding:
            self.delete()
        super().save(force_insert=True)

    def delete(self, *_args: Any, **_options: Any) -> NoReturn:
        """Refuse."""
        raise TypeError("Audit rows are append-only.")


class AuditEvent(AppendOnly):
    """What happened: who did what to which subject, when, from where; chained by hash within its tenant."""

    id = models.CharField(primary_key=True, max_length=40, default=new_event_id)
    tenant_id = models.CharField(max_length=40)
    sequence = models.BigIntegerField()
    event_type = models.CharField(max_length=60)
    environment_id = models.CharField(max_length=40, blank=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=150)
    subject_id = models.CharField(max_length=150, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    address = models.CharField(max_length=45, blank=True)
    occurred_at = models.DateTimeField()
    detail = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "sequence"], name="audit_event_sequence_once")]
        indexes = [
            models.Index(fields=["-occurred_at", "-sequence"], name="audit_event_newest"),
            models.Index(fields=["tenant_id", "event_type", "-sequence"], name="audit_event_by_type"),
            models.Index(fields=["tenant_id", "subject_id", "-sequence"], name="audit_event_by_subject"),
            models.Index(fields=["tenant_id", "environment_id", "-sequence"], name="audit_event_by_environment"),
        ]
        ordering = ["-occurred_at", "-sequence"]

    def __str__(self) -> str:
        return f"{self.event_type} #{self.sequence}"

    def as_row(self) -> EventRow:
        """Return the plain row that is hashed and exported."""
        return EventRow(
            id=self.id,
            tenant_id=self.tenant_id,
            sequence=self.sequence,
            event_type=self.event_type,
            environment_id=self.environment_id,
            actor_kind=self.actor_kind,
            actor_id=self.actor_id,
            subject_id=self.subject_id,
            request_id=self.request_id,
            address=self.address,
            occurred_at=self.occurred_at.isoformat(timespec="microseconds"),
            detail=self.detail,
            previous_hash=self.previous_hash,
            hash=self.hash,
        )


class AuditHead(models.Model):
    """The end of each tenant's chain; locking this row is what keeps a chain one line.

    ``changes`` counts the events that may change what somebody may do (``changes.current_changes``); ``changed_at`` is
    when the last of them happened.
    """

    tenant_id = models.CharField(primary_key=True, max_length=40)
    sequence = models.BigIntegerField(default=0)
    changes = models.BigIntegerField(default=0)
    changed_at = models.DateTimeField(null=True)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.tenant_id} #{self.sequence}"


class AuditCheckpoint(AppendOnly):
    """A signed statement that a chain had this hash at this sequence."""

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.CharField(max_length=40)
    sequence = models.BigIntegerField()
    hash = models.CharField(max_length=64)
    signed_at = models.DateTimeField()
    public_key = models.CharField(max_length=64)
    signature = models.CharField(max_length=128)

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "-sequence"], name="audit_checkpoint_by_tenant")]
        ordering = ["-sequence"]

    def __str__(self) -> str:
        return f"{self.tenant_id} #{self.sequence}"


class DecisionTally(models.Model):
    """How many decisions an environment asked for within one hour; allowed ones leave no other trace."""

    tenant_id = models.CharField(max_length=40)
    environment_id = models.CharField(max_length=40)
    hour = models.DateTimeField()
    allowed = models.BigIntegerField(default=0)
    denied = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment_id", "hour"], name="decision_tally_once_an_hour")]
        indexes = [
            models.Index(fields=["tenant_id", "hour"], name="decision_tally_by_tenant"),
            models.Index(fields=["hour"], name="decision_tally_by_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.environment_id} {self.hour:%Y-%m-%d %H}"


class RightsReach(models.Model):
    """How long a tenant's last measured change of rights took until the slowest process went by it."""

    tenant_id = models.CharField(primary_key=True, max_length=40)
    changes = models.BigIntegerField()
    milliseconds = models.BigIntegerField()
    measured_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.milliseconds} ms"
