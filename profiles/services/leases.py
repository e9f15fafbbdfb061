"""Leases: every hand-out of a credential is recorded and counted before anyone sees the value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.known import known_tenant
from authsvc.web.caller import Caller
from authsvc.web.prepared import as_moment, execute, insert_row
from profiles.models import Credential, Lease, Profile

HERE = "id = %s AND tenant_id = %s AND environment_id = %s"
COUNT_PROFILE = (  # every name in these statements is a constant
    f"UPDATE {Profile._meta.db_table} SET lease_count = lease_count + 1, window_leases = window_leases + 1, "  # noqa: S608
    f"last_used_at = %s, last_used_by = %s WHERE {HERE}"
)
COUNT_CREDENTIAL = (
    f"UPDATE {Credential._meta.db_table} SET last_used_at = %s, last_used_by = %s, "  # noqa: S608
    f"leased_until = CASE WHEN leased_until > %s THEN leased_until ELSE %s END WHERE {HERE}"
)
COUNTING_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LeaseUse:
    """What a lease is for."""

    agent: str
    session: str = ""
    purpose: str = ""
    gateway: str | None = None


def record_lease(
    caller: Caller, *, profile: Profile, credential: Credential, use: LeaseUse, lease_threshold: int, now: datetime
) -> Lease:
    """Record a lease, its counters and its audit event in one transaction."""
    lease = Lease(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        profile=profile,
        credential=credential,
        principal_id=caller.principal_id,
        agent=use.agent,
        session=use.session,
        purpose=use.purpose,
        created_at=now,
        expires_at=now + timedelta(seconds=known_tenant(caller.tenant_id).lease_ttl_seconds),
    )
    with transaction.atomic():
        insert_row(lease)
        _count(caller, profile, credential, lease, now)
        if lease_threshold:
            _warn_when_crossed(caller, profile, lease_threshold, now)
        detail = {
            "lease_id": lease.id,
            "profile_id": profile.id,
            "version": credential.version,
            "provider": profile.provider,
            "agent": use.agent,
            "purpose": use.purpose,
            "gateway_id": use.gateway or "",
            "expires_at": lease.expires_at.isoformat(),
        }
        record(caller, "credential.leased", subject_id=profile.id, detail=detail, now=now)
    return lease


def _count(caller: Caller, profile: Profile, credential: Credential, lease: Lease, now: datetime) -> None:
    here = [caller.tenant_id, caller.environment_id]
    if profile.window_started_at is None or profile.window_started_at <= now - COUNTING_WINDOW:
        stale = Profile.objects.for_environment(caller).filter(
            id=profile.id, window_started_at=profile.window_started_at
        )
        stale.update(window_started_at=now, window_leases=0)
    moment, until = as_moment(now), as_moment(lease.expires_at)
    execute(COUNT_PROFILE, [moment, caller.principal_id, profile.id, *here])
    execute(COUNT_CREDENTIAL, [moment, caller.principal_id, until, until, credential.id, *here])


def _warn_when_crossed(caller: Caller, profile: Profile, lease_threshold: int, now: datetime) -> None:
    """The row is ours since the update, so exactly one lease of an hour sees the counter at the threshold."""
    leases = Profile.objects.for_environment(caller).values_list("window_leases", flat=True).get(id=profile.id)
    if leases == lease_threshold:
        detail = {"profile_id": profile.id, "counter": "leases_per_hour", "count": leases}
        record(caller, "usage.threshold_reached", subject_id=profile.id, detail=detail, now=now)
