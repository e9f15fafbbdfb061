"""The verdict of a status check for several environments at once, in two questions; by the rules of ``status.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q

from authsvc.tenants.models import Environment
from profiles.health import CheckCode, ProfileHealth, StoredCredential, assess, check
from profiles.models import DEFAULT_AGENT, CredentialState, OAuthRefresh, Profile, ProfileOrder, ProfileState
from profiles.providers import Kind
from profiles.services.resolve import expiry_of
from profiles.services.usage import milliseconds


def verdicts_of(places: Sequence[Environment], *, now: datetime) -> Mapping[str, CheckCode | None]:
    """Return what ``check`` of the default agent's status is, by environment id; ``None`` where nothing is in use."""
    health: dict[str, list[ProfileHealth]] = {place.id: [] for place in places}
    in_use: dict[str, set[str]] = {place.id: set() for place in places}
    warn_ms = {place.id: place.tenant.credential_warn_seconds * 1000 for place in places}
    for row in _rows(places, now):
        place_id = row["environment_id"]
        health[place_id].append(_health(row, warn_ms[place_id], now))
        in_use[place_id].add(row["provider"])
    for place_id, provider in ProfileOrder.unscoped.filter(environment__in=health).values_list(
        "environment_id", "provider"
    ):
        in_use[place_id].add(provider)
    return {key: check(health[key], frozenset(used)) if used else None for key, used in in_use.items()}


def _rows(places: Sequence[Environment], now: datetime) -> Any:
    """A refresh that failed for good counts at once, one that will be tried again only when the login has ended."""
    failed = OAuthRefresh.unscoped.filter(profile=OuterRef("pk"), failed_version=OuterRef("current__version"))
    failed = failed.exclude(failure_reason="")
    over = Q(current__expires_at_ms__isnull=True) | Q(current__expires_at_ms__lte=milliseconds(now))
    return (
        Profile.unscoped.filter(environment__in=[place.id for place in places], state=ProfileState.ACTIVE)
        .filter(agent=DEFAULT_AGENT)
        .annotate(current=FilteredRelation("credentials", condition=Q(credentials__state=CredentialState.CURRENT)))
        .annotate(
            has_refresh_failed=Exists(failed.filter(is_terminal=True)) | (Exists(failed) & over),
            fingerprint=F("current__fingerprint"),
            current_kind=F("current__kind"),
            has_refresh=F("current__has_refresh"),
            expires_at_ms=F("current__expires_at_ms"),
            has_reference=F("current__has_reference"),
        )
        .values(
            "environment_id",
            "key",
            "provider",
            "kind",
            "warn_after_seconds",
            "has_refresh_failed",
            "fingerprint",
            "current_kind",
            "has_refresh",
            "expires_at_ms",
            "has_reference",
        )
        .order_by()
    )


def _health(row: Mapping[str, Any], tenant_warn_ms: int, now: datetime) -> ProfileHealth:
    own = row["warn_after_seconds"]
    stored = StoredCredential(
        profile_id=row["key"],
        provider=row["provider"],
        kind=Kind(row["current_kind"] or row["kind"]),
        has_secret=bool(row["fingerprint"]),
        has_refresh=bool(row["has_refresh"]),
        expiry=expiry_of(row["expires_at_ms"]),
        has_refresh_failed=bool(row["has_refresh_failed"]),
        has_unresolved_reference=bool(row["has_reference"]),
    )
    return assess(stored, milliseconds(now), tenant_warn_ms if own is None else own * 1000)
