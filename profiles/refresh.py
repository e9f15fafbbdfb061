"""Single-flight refresh of logins: one process in the world asks the provider, all others wait for what it stored.

The right to refresh is a row that one conditional UPDATE takes; it lapses by itself when its holder dies. The new pair
is sealed and stored before anyone sees it. A refusal that cannot heal is kept as the state of that version with its
remedy, so that nobody asks again until a new login is stored; any other failure keeps the old pair and is tried later.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from authsvc.audit.record import record
from authsvc.tenants.models import TenantState
from authsvc.tenants.services import environment_caller, system_caller
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, Unavailable
from profiles.models import Credential, CredentialState, OAuthRefresh, Profile, ProfileState, ProviderEntry, TokenBody
from profiles.providers import Kind
from profiles.services.store import SecretMaterial, delete_version, open_version, store_version
from profiles.token_endpoint import NewTokens, RefreshError, TokenEndpoint, request_tokens

ON_USE_MARGIN_MS: Final = 60_000
AHEAD_MARGIN_MS: Final = 10 * 60_000
HOLD: Final = timedelta(seconds=40)  # longer than one request can take, see token_endpoint
WAIT_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.05
FIRST_RETRY: Final = timedelta(seconds=30)
LONGEST_RETRY_STEPS: Final = 5

REMEDIES: Final = {
    "no_refresh_token": "Sign in with the provider again and import the new login.",
    "no_token_endpoint": "Configure the provider's token endpoint, or import a login that is still alive.",
    "invalid_client": "Check the client id of the provider's token endpoint.",
    "unauthorized_client": "Check the client id of the provider's token endpoint.",
    "address_not_allowed": "Check the address of the provider's token endpoint.",
    "refresh_token_reused": "Somebody else used this refresh token: sign in again and let only this service refresh.",
}
SIGN_IN_AGAIN: Final = "Sign in with the provider again and import the new login."
WAIT_FOR_RETRY: Final = "The provider could not be asked; it is tried again by itself."


class RefreshFailed(Conflict):
    """The login cannot be refreshed now; ``reason`` says why and the hint what to do."""

    slug, title = "refresh_failed", "Login not refreshed"
    default_detail = "The login of this profile has ended and could not be refreshed."


class RefreshBusy(Unavailable):
    """Another process is refreshing this login and has not finished."""

    slug, title = "refresh_busy", "Refresh under way"
    default_detail = "This login is being refreshed; ask again in a moment."


@dataclass(frozen=True, slots=True)
class RefreshRun:
    """What one round of the worker did."""

    refreshed: int
    failed: int


def fresh_credential(
    caller: Caller, *, profile: Profile, credential: Credential, now: datetime, margin_ms: int = ON_USE_MARGIN_MS
) -> Credential:
    """Return a version whose access token is alive, refreshing it at most once in the world.

    Raises ``RefreshFailed`` or ``RefreshBusy`` when there is none; a token that still lives is handed out rather.
    """
    if not needs_refresh(credential, now, margin_ms):
        return credential
    try:
        return _single_flight(caller, profile, credential, now, margin_ms)
    except (RefreshFailed, RefreshBusy):
        if needs_refresh(credential, now, margin_ms=0):
            raise
        return credential


def refresh_due(*, now: datetime, margin_ms: int = AHEAD_MARGIN_MS) -> RefreshRun:
    """Refresh every login that ends soon, in all environments; one that fails does not stop the others."""
    refreshed = failed = 0
    for caller, credential in _due(now, margin_ms):
        try:
            fresh = _single_flight(caller, credential.profile, credential, now, margin_ms)
        except (RefreshFailed, RefreshBusy):
            failed += 1
        else:
            refreshed += int(fresh.version > credential.version)
    return RefreshRun(refreshed, failed)


def needs_refresh(credential: Credential, now: datetime, margin_ms: int) -> bool:
    """Return whether a login's access token has ended, or ends within the margin."""
    if credential.kind != Kind.OAUTH or credential.expires_at_ms is None:
        return False
    return credential.expires_at_ms <= now.timestamp() * 1000 + margin_ms


def remedy_of(reason: str, *, is_terminal: bool) -> str:
    """Return what the operator can do about a failed refresh."""
    return REMEDIES.get(reason, SIGN_IN_AGAIN if is_terminal else WAIT_FOR_RETRY)


def _single_flight(
    caller: Caller, profile: Profile, credential: Credential, now: datetime, margin_ms: int
) -> Credential:
    endpoint = _endpoint(caller, profile, credential)
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        moment = now + timedelta(seconds=waited)
        row = OAuthRefresh.objects.for_environment(caller).filter(profile=profile).first()
        _raise_known_failure(row, profile, credential, moment)
        # Looked at before it is taken: a waiting crowd must not queue for the database's write lock.
        holder = _take(caller, profile, moment) if row is None or is_free(row, moment) else None
        if holder is not None:
            return _refresh_as(caller, profile, holder, endpoint, moment, margin_ms)
        if waited > WAIT_SECONDS:
            raise RefreshBusy(headers={"Retry-After": "1"})
        time.sleep(POLL_SECONDS)
        credential = _current(caller, profile, credential)
        if not needs_refresh(credential, moment, margin_ms):
            return credential


def _refresh_as(
    caller: Caller, profile: Profile, holder: str, endpoint: TokenEndpoint, now: datetime, margin_ms: int
) -> Credential:
    """Refresh as the holder; what another holder stored just before, a pair or a refusal, is taken as it is."""
    try:
        credential = _current(caller, profile, None)
        if not needs_refresh(credential, now, margin_ms):
            return credential
        row = OAuthRefresh.objects.for_environment(caller).get(profile=profile)
        _raise_known_failure(row, profile, credential, now)
        material = open_version(credential)
        answer = request_tokens(endpoint, material.secrets["refresh"])
        if isinstance(answer, RefreshError):
            raise _keep_failure(caller, profile, credential, answer, now)
        return _store_pair(caller, profile, credential, material, answer, now)
    finally:
        OAuthRefresh.objects.for_environment(caller).filter(profile=profile, holder=holder).update(
            holder="", held_until=None
        )


def _store_pair(
    caller: Caller, profile: Profile, credential: Credential, material: SecretMaterial, tokens: NewTokens, now: datetime
) -> Credential:
    """Store the pair as the next version; a login that somebody stored meanwhile wins and this pair is dropped."""
    fresh = {"access": tokens.access, "refresh": tokens.refresh, "idToken": tokens.id_token}
    renewed = replace(
        material,
        secrets={**material.secrets, **{name: value for name, value in fresh.items() if value is not None}},
        expires_at_ms=int(now.timestamp() * 1000) + tokens.lifetime_seconds * 1000,
    )
    with transaction.atomic():
        Profile.objects.for_environment(caller).select_for_update().get(id=profile.id)
        current = _current(caller, profile, credential)
        if current.version != credential.version:
            return current
        stored = store_version(caller, profile=profile, material=renewed, origin="refresh", now=now)
        OAuthRefresh.objects.for_environment(caller).filter(profile=profile).update(
            failed_version=None, failure_reason="", is_terminal=False, failed_at=None, retry_at=None, attempts=0
        )
        detail = {"profile_id": profile.id, "version": stored.version, "expires_at": renewed.expires_at_ms}
        record(caller, "credential.refreshed", subject_id=stored.id, detail=detail, now=now)
        _erase_ended(caller, profile, now)
    return stored


def _erase_ended(caller: Caller, profile: Profile, now: datetime) -> None:
    """Erase replaced pairs whose access token has ended: nobody can use them, and hourly refreshes pile them up."""
    ended = Credential.objects.for_environment(caller).filter(
        profile=profile,
        kind=Kind.OAUTH.value,
        state=CredentialState.RETIRED,
        expires_at_ms__lte=int(now.timestamp() * 1000),
    )
    for credential in ended:
        delete_version(caller, credential=credential, now=now)


def _keep_failure(
    caller: Caller, profile: Profile, credential: Credential, error: RefreshError, now: datetime
) -> RefreshFailed:
    row = OAuthRefresh.objects.for_environment(caller).get(profile=profile)
    attempts = row.attempts + 1 if row.failed_version == credential.version else 1
    retry_at = None if error.is_terminal else now + FIRST_RETRY * 2 ** min(attempts - 1, LONGEST_RETRY_STEPS)
    with transaction.atomic():
        OAuthRefresh.objects.for_environment(caller).filter(profile=profile).update(
            failed_version=credential.version,
            failure_reason=error.reason,
            is_terminal=error.is_terminal,
            failed_at=now,
            retry_at=retry_at,
            attempts=attempts,
        )
        detail = {
            "profile_id": profile.id,
            "version": credential.version,
            "reason": error.reason,
            "is_terminal": error.is_terminal,
        }
        record(caller, "credential.refresh_failed", subject_id=credential.id, detail=detail, now=now)
    return _failure(profile, error.reason, is_terminal=error.is_terminal, retry_at=retry_at, now=now)


def is_free(row: OAuthRefresh, now: datetime) -> bool:
    """Return whether nobody holds the right to refresh, or its holder has died."""
    return row.held_until is None or row.held_until < now


def _raise_known_failure(row: OAuthRefresh | None, profile: Profile, credential: Credential, now: datetime) -> None:
    if row is None or not row.failure_reason or row.failed_version != credential.version:
        return
    if row.is_terminal or (row.retry_at is not None and row.retry_at > now):
        raise _failure(profile, row.failure_reason, is_terminal=row.is_terminal, retry_at=row.retry_at, now=now)


def _failure(
    profile: Profile, reason: str, *, is_terminal: bool, retry_at: datetime | None, now: datetime
) -> RefreshFailed:
    remedy = remedy_of(reason, is_terminal=is_terminal)
    extra: dict[str, object] = {"profile": profile.key, "reason": reason, "remedy": remedy}
    headers = {}
    if retry_at is not None:
        seconds = max(1, -int(-(retry_at - now).total_seconds() // 1))
        extra["retry_after"] = seconds
        headers["Retry-After"] = str(seconds)
    return RefreshFailed(hint=remedy, extra=extra, headers=headers)


def _take(caller: Caller, profile: Profile, now: datetime) -> str | None:
    """Return a holder's name when the right to refresh is ours: one conditional UPDATE decides among all processes."""
    rows = OAuthRefresh.objects.for_environment(caller)
    if not rows.filter(profile=profile).exists():
        fresh = OAuthRefresh(
            tenant_id=caller.tenant_id, environment_id=caller.environment_id, profile=profile, created_at=now
        )
        rows.bulk_create([fresh], ignore_conflicts=True)
    holder = secrets.token_hex(16)
    still_free = Q(held_until=None) | Q(held_until__lt=now)
    taken = rows.filter(still_free, profile=profile).update(holder=holder, held_until=now + HOLD)
    return holder if taken else None


def _current(caller: Caller, profile: Profile, otherwise: Credential | None) -> Credential:
    rows = Credential.objects.for_environment(caller).filter(profile=profile, state=CredentialState.CURRENT)
    found = rows.first() or otherwise
    if found is None:
        raise _failure(profile, "no_refresh_token", is_terminal=True, retry_at=None, now=profile.created_at)
    return found


def _endpoint(caller: Caller, profile: Profile, credential: Credential) -> TokenEndpoint:
    """Return where the provider refreshes; only what an administrator configured counts, never what a file said."""
    if not credential.has_refresh:
        raise _failure(profile, "no_refresh_token", is_terminal=True, retry_at=None, now=profile.created_at)
    entry = ProviderEntry.objects.for_environment(caller).filter(slug=profile.provider).first()
    if entry is None or not entry.token_url:
        raise _failure(profile, "no_token_endpoint", is_terminal=True, retry_at=None, now=profile.created_at)
    client_id = entry.token_client_id or str(profile.extras.get("clientId") or "")
    return TokenEndpoint(
        entry.token_url, client_id, entry.token_body == TokenBody.JSON, allows_local=not settings.PRODUCTION
    )


def _due(now: datetime, margin_ms: int) -> Iterator[tuple[Caller, Credential]]:
    limit_ms = int(now.timestamp() * 1000) + margin_ms
    configured = ProviderEntry.unscoped.exclude(token_url="").values_list("environment_id", "slug")
    wanted = set(configured)
    due = Credential.unscoped.select_related("profile", "environment__tenant").filter(
        kind=Kind.OAUTH.value,
        state=CredentialState.CURRENT,
        has_refresh=True,
        expires_at_ms__lte=limit_ms,
        profile__state=ProfileState.ACTIVE,
        tenant__state=TenantState.ACTIVE,
    )
    for credential in due:
        if (credential.environment_id, credential.profile.provider) in wanted:
            yield environment_caller(system_caller(), credential.environment), credential
