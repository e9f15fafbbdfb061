"""Leases: every hand-out of a credential is recorded and counted before anyone sees the value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from authsvc.audit.ledger import Change, Ledger
from authsvc.audit.together import write_together
from authsvc.tenants.known import known_tenant
from authsvc.web.caller import Caller
from authsvc.web.prepared import as_moment, execute
from profiles.models import Credential, Lease, Profile

HERE = "id = %s AND tenant_id = %s AND environment_id = %s"
COUNT_PROFILE = (  # every name in these statements is a constant
    f"UPDATE {Profile._meta.db_table} SET lease_count = lease_count + %s, window_leases = window_leases + %s, "  # noqa: S608
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
    window_starts = _is_window_over(profile, now)

    def release(ledger: Ledger) -> None:
        if window_starts:
            _start_window(caller, profile, now)
        if lease_threshold:
            _warn_when_crossed(ledger, caller, profile, lease_threshold, now)
        ledger.change(Profile._meta.db_table, profile.id, ProfileLeases(lease, 1))
        ledger.change(Credential._meta.db_table, credential.id, CredentialLeases(lease, lease.expires_at))
        ledger.insert(lease)
        ledger.record(caller, "credential.leased", subject_id=profile.id, detail=detail, now=now)

    write_together(caller, release)
    return lease


@dataclass(frozen=True, slots=True)
class ProfileLeases:
    """Some leases of one profile, counted together; ``last`` is the latest of them."""

    last: Lease
    count: int

    def after(self, earlier: Change) -> Change:
        """Return the leases of both."""
        return replace(self, count=self.count + earlier.count) if isinstance(earlier, ProfileLeases) else self

    def write(self) -> None:
        """Add them to the profile's counters."""
        last = self.last
        where = [last.profile_id, last.tenant_id, last.environment_id]
        execute(COUNT_PROFILE, [self.count, self.count, as_moment(last.created_at), last.principal_id, *where])


@dataclass(frozen=True, slots=True)
class CredentialLeases:
    """Some leases of one version; ``until`` is when the last of them ends."""

    last: Lease
    until: datetime

    def after(self, earlier: Change) -> Change:
        """Return the leases of both."""
        until = max(self.until, earlier.until) if isinstance(earlier, CredentialLeases) else self.until
        return replace(self, until=until)

    def write(self) -> None:
        """Note them on the version."""
        last, until = self.last, as_moment(self.until)
        where = [last.credential_id, last.tenant_id, last.environment_id]
        execute(COUNT_CREDENTIAL, [as_moment(last.created_at), last.principal_id, until, until, *where])


def _is_window_over(profile: Profile, now: datetime) -> bool:
    return profile.window_started_at is None or profile.window_started_at <= now - COUNTING_WINDOW


def _start_window(caller: Caller, profile: Profile, now: datetime) -> None:
    stale = Profile.objects.for_environment(caller).filter(id=profile.id, window_started_at=profile.window_started_at)
    stale.update(window_started_at=now, window_leases=0)


def _warn_when_crossed(ledger: Ledger, caller: Caller, profile: Profile, lease_threshold: int, now: datetime) -> None:
    """The row is ours from here on, so exactly one lease of an hour sees the counter at the threshold."""
    mine = Profile.objects.for_environment(caller).select_for_update().values_list("window_leases", flat=True)
    key = ("window_leases", profile.id)
    leases = ledger.count(key, start=lambda: mine.get(id=profile.id))
    if leases == lease_threshold:
        detail = {"profile_id": profile.id, "counter": "leases_per_hour", "count": leases}
        ledger.record(caller, "usage.threshold_reached", subject_id=profile.id, detail=detail, now=now)
