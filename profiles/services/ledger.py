"""Who used a profile lately: hand-outs and reported outcomes by gateway, device and service account; writes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max
from django.db.models.fields.json import KT

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Principal
from authsvc.web.caller import Caller
from profiles.models import Lease, Profile

LEDGER_DAYS = 30
MOST_USERS = 100


@dataclass(frozen=True, slots=True)
class Used:
    """What one principal did with a profile; ``name`` and ``kind`` are empty once the principal is gone."""

    principal_id: str
    name: str
    kind: str
    leases: int
    last_leased_at: datetime | None
    successes: int
    failures: int


def usage_ledger(caller: Caller, *, profile: Profile, now: datetime) -> list[Used]:
    """Return who used the profile within thirty days, or as long as leases are kept; the busiest first."""
    since = now - timedelta(days=LEDGER_DAYS)
    leases = Lease.objects.for_environment(caller).filter(profile=profile, created_at__gte=since).order_by()
    handed = {
        row["principal_id"]: (row["count"], row["last"])
        for row in leases.values("principal_id").annotate(count=Count("id"), last=Max("created_at"))
    }
    told = _outcomes(caller, profile, since)
    ids = {*handed, *(principal_id for principal_id, _ in told)}
    known = {row.id: row for row in Principal.objects.for_tenant(caller.tenant_id).filter(id__in=ids)}
    found = [
        Used(
            principal_id=principal_id,
            name=known[principal_id].name if principal_id in known else "",
            kind=known[principal_id].kind if principal_id in known else "",
            leases=handed.get(principal_id, (0, None))[0],
            last_leased_at=handed.get(principal_id, (0, None))[1],
            successes=told[principal_id, "success"],
            failures=told[principal_id, "failure"],
        )
        for principal_id in ids
    ]
    return sorted(found, key=lambda used: (-used.leases, -used.failures, used.principal_id))[:MOST_USERS]


def _outcomes(caller: Caller, profile: Profile, since: datetime) -> Counter[tuple[str, str]]:
    events = AuditEvent.objects.filter(
        tenant_id=caller.tenant_id, subject_id=profile.id, event_type="usage.reported", occurred_at__gte=since
    )
    grouped = events.order_by().values("actor_id").annotate(outcome=KT("detail__outcome"), count=Count("id"))
    return Counter({(row["actor_id"], row["outcome"]): row["count"] for row in grouped})
