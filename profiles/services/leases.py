"""Leases: every hand-out of a credential is recorded and counted before anyone sees the value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Greatest

from authsvc.audit.record import record
from authsvc.tenants.models import Tenant
from authsvc.web.caller import Caller
from profiles.models import Credential, Lease, Profile

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
        expires_at=now + timedelta(seconds=_ttl_seconds(caller)),
    )
    with transaction.atomic():
        lease.save(force_insert=True)
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
    profiles = Profile.objects.for_environment(caller).filter(id=profile.id)
    if profile.window_started_at is None or profile.window_started_at <= now - COUNTING_WINDOW:
        stale = profiles.filter(window_started_at=profile.window_started_at)
        stale.update(window_started_at=now, window_leases=0)
    profiles.update(
        lease_count=F("lease_count") + 1,
        window_leases=F("window_leases") + 1,
        last_used_at=now,
        last_used_by=caller.principal_id,
    )
    Credential.objects.for_environment(caller).filter(id=credential.id).update(
        last_used_at=now,
        last_used_by=caller.principal_id,
        leased_until=Greatest(Coalesce(F("leased_until"), lease.expires_at), lease.expires_at),
    )


def _warn_when_crossed(caller: Caller, profile: Profile, lease_threshold: int, now: datetime) -> None:
    """The row is ours since the update, so exactly one lease of an hour sees the counter at the threshold."""
    leases = Profile.objects.for_environment(caller).values_list("window_leases", flat=True).get(id=profile.id)
    if leases == lease_threshold:
        detail = {"profile_id": profile.id, "counter": "leases_per_hour", "count": leases}
        record(caller, "usage.threshold_reached", subject_id=profile.id, detail=detail, now=now)


def _ttl_seconds(caller: Caller) -> int:
    return Tenant.objects.values_list("lease_ttl_seconds", flat=True).get(id=caller.tenant_id)
