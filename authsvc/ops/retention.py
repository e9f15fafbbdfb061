"""What is over is kept as long as its tenant says, then purged; a hold keeps everything.

Audit events end at a signed checkpoint only, and the chain says itself where: it still verifies from there. Tables are
emptied in small steps, so a purge never holds the database's one writer for long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

from authsvc.audit.models import AuditCheckpoint, AuditEvent, DecisionTally
from authsvc.audit.record import record
from authsvc.operators.models import OperatorSession, UsedChallenge
from authsvc.tenants.models import Tenant
from authsvc.tenants.services import system_caller, tenant_caller
from authsvc.tokens.models import IssuedToken, RefreshFamily, RefreshToken, UsedAssertion
from authsvc.vault.models import IdempotentReply
from authsvc.web.caller import Caller
from devices.models import DeviceAuthorization
from profiles.models import Lease
from rbac.models import ChannelPairing

BATCH = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A table whose rows are kept for the tenant's days after ``ends`` has passed, or for ``days`` of its own."""

    model: type[models.Model]
    ends: str
    days: int | None = None  # 0: gone as soon as it has ended

    @property
    def name(self) -> str:
        """Return the table's name as reports show it."""
        return str(self.model._meta.verbose_name)


# Each floor's tables, one line each.
KEPT: tuple[Kept, ...] = (
    Kept(IssuedToken, "expires_at"),
    Kept(UsedAssertion, "expires_at"),
    Kept(RefreshToken, "expires_at"),
    Kept(RefreshFamily, "expires_at"),
    Kept(DeviceAuthorization, "expires_at"),
    Kept(Lease, "expires_at"),
    Kept(IdempotentReply, "expires_at", days=0),
    Kept(ChannelPairing, "expires_at"),
    Kept(DecisionTally, "hour"),
)


def purge(*, now: datetime) -> Mapping[str, int]:
    """Delete what every tenant may forget now; return how many rows of which kind."""
    totals: dict[str, int] = {kept.name: 0 for kept in KEPT} | {"audit event": 0}
    for tenant in Tenant.objects.filter(retention_hold=False):
        for name, count in purge_tenant(tenant, now=now).items():
            totals[name] += count
    totals["session"] = OperatorSession.objects.filter(expire_date__lt=now).delete()[0]
    totals["used challenge"] = UsedChallenge.objects.filter(expires_at__lt=now).delete()[0]
    return totals


def purge_tenant(tenant: Tenant, *, now: datetime) -> Mapping[str, int]:
    """Delete what one tenant may forget; nothing while its hold is set."""
    if tenant.retention_hold:
        return {}
    caller = tenant_caller(system_caller(), tenant)
    before = now - timedelta(days=tenant.usage_retention_days)
    counts = {
        kept.name: _purge_rows(kept, tenant, before if kept.days is None else now - timedelta(days=kept.days))
        for kept in KEPT
    }
    if any(counts.values()):
        rows = [f"{name}: {count}" for name, count in counts.items() if count]
        detail = {"rows": rows, "before": before.isoformat()}
        record(caller, "retention.purged", subject_id=tenant.id, detail=detail, now=now)
    return {**counts, "audit event": purge_audit(caller, tenant=tenant, now=now)}


def purge_audit(caller: Caller, *, tenant: Tenant, now: datetime) -> int:
    """Delete the tenant's audit events up to the newest checkpoint that has only old ones below it."""
    before = now - timedelta(days=tenant.audit_retention_days)
    events = AuditEvent.objects.filter(tenant_id=tenant.id)
    first_young = events.filter(occurred_at__gte=before).order_by("sequence").values_list("sequence", flat=True).first()
    checkpoints = AuditCheckpoint.objects.filter(tenant_id=tenant.id)
    if first_young is not None:
        checkpoints = checkpoints.filter(sequence__lt=first_young)
    newest = checkpoints.order_by("-sequence").first()
    if newest is None or not events.filter(sequence__lte=newest.sequence).exists():
        return 0
    with transaction.atomic():
        old = events.filter(sequence__lte=newest.sequence)
        count = old.count()
        detail = {"sequence": newest.sequence, "hash": newest.hash, "count": count}
        record(caller, "audit.purged", subject_id=tenant.id, detail=detail, now=now)
        old.delete()
    return count


def _purge_rows(kept: Kept, tenant: Tenant, before: datetime) -> int:
    manager: Any = kept.model._meta.default_manager
    rows = manager.filter(**{"tenant_id": tenant.id, f"{kept.ends}__lt": before})
    count = 0
    while batch := list(rows.values_list("pk", flat=True)[:BATCH]):
        manager.filter(pk__in=batch).delete()
        count += len(batch)
    return count
