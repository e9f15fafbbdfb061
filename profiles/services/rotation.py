"""How old a secret is, and whether the version before it is still in use somewhere; pure rules over stored rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from profiles.models import Credential, CredentialState, Profile
from profiles.providers import Kind

GRACE = timedelta(days=7)
NOMINAL_LIFETIMES = {"anthropic": timedelta(days=365)}  # what the vendor says of setup tokens


class RotationState(StrEnum):
    """Whether a new version is wanted: due when its time has come, overdue a week later."""

    OK = "ok"
    DUE = "due"
    OVERDUE = "overdue"
    NEVER = "never"


class VersionState(StrEnum):
    """A version is current, then draining while its last lease runs, then retired; or its ciphertext is gone."""

    CURRENT = "current"
    DRAINING = "draining"
    RETIRED = "retired"
    DELETED = "deleted"


def rotation_state(profile: Profile, credential: Credential | None, now: datetime) -> RotationState:
    """Return whether a profile's secret should be replaced; a login replaces itself."""
    if credential is None or not profile.rotate_after_days or credential.has_refresh:
        return RotationState.NEVER
    due_at = credential.created_at + timedelta(days=profile.rotate_after_days)
    if now < due_at:
        return RotationState.OK
    return RotationState.DUE if now < due_at + GRACE else RotationState.OVERDUE


def estimated_end(profile: Profile, credential: Credential | None) -> datetime | None:
    """Return when a setup token that came without an end probably ends; a guess that no check ever judges by."""
    if credential is None or credential.expires_at_ms is not None:
        return None
    if credential.kind != Kind.TOKEN or profile.provider not in NOMINAL_LIFETIMES:
        return None
    return credential.created_at + NOMINAL_LIFETIMES[profile.provider]


def version_state(credential: Credential, now: datetime) -> VersionState:
    """Return how a version stands: a replaced one drains until the last lease of it has ended."""
    if credential.state == CredentialState.CURRENT:
        return VersionState.CURRENT
    if credential.state == CredentialState.DELETED:
        return VersionState.DELETED
    is_leased = credential.leased_until is not None and credential.leased_until > now
    return VersionState.DRAINING if is_leased else VersionState.RETIRED


def overlap_sentence(credential: Credential, now: datetime) -> str:
    """Return what an operator wants to know before deleting an old version; empty for the current one."""
    state = version_state(credential, now)
    if state in (VersionState.CURRENT, VersionState.DELETED):
        return ""
    if credential.last_used_at is None:
        return "This version was never handed out."
    ago = _ago(now - credential.last_used_at)
    return f"This version was last handed out {ago} ago to {credential.last_used_by}."


def _ago(span: timedelta) -> str:
    seconds = max(int(span.total_seconds()), 0)
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
