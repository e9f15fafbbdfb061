"""The state of an environment's credentials: one document behind the API, the command and the admin; writes nothing.

Which states fail, and what ``check`` is, decides ``profiles/health.py``; which profile is chosen decides
``profiles/resolution.py``: nothing here has an opinion of its own, so no two answers can differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from authsvc.tenants.models import Tenant
from authsvc.web.caller import Caller
from profiles.health import (
    HealthState,
    ProfileHealth,
    StoredCredential,
    assess,
    check,
    notice_days,
    provider_state,
    remedy,
)
from profiles.interchange.usage import usage_from_json
from profiles.models import (
    DEFAULT_AGENT,
    Credential,
    CredentialState,
    OAuthRefresh,
    Profile,
    ProfileOrder,
    ProfileState,
)
from profiles.providers import Kind
from profiles.references import Strategy, is_deprecated_profile_id
from profiles.resolution import Resolution, choose
from profiles.services.resolve import ResolveQuery, candidate_of, expiry_of, request_of
from profiles.services.rotation import estimated_end, rotation_state
from profiles.services.settings import profile_settings
from profiles.services.usage import UsageState, milliseconds, usage_verdict

Row = tuple[Profile, Credential | None]


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """Whose status: an agent's, with the default agent's profiles behind its own.

    ``warn_after_ms`` None leaves the window to the profile and then the tenant; ``providers`` empty means all in use.
    """

    agent: str = DEFAULT_AGENT
    warn_after_ms: int | None = None
    compat: Strategy = Strategy.CLASSIC
    providers: frozenset[str] = frozenset()


def status_document(caller: Caller, query: StatusQuery, *, now: datetime) -> dict[str, object]:
    """Return the document of ``models status --json``, with ``check`` 0, 1 or 2."""
    rows = _rows(caller, query)
    warn_ms = _own_warn_ms(caller)
    health = [_health(row, query, warn_ms, now) for row in _with_failures(caller, rows, now)]
    in_use = query.providers or _providers_in_use(caller, rows)
    resolutions = {provider: _resolution(caller, query, rows, provider, now) for provider in sorted(in_use)}
    code = check(health, in_use, query.compat, _effective(resolutions))
    return {
        "tenant": caller.tenant,
        "environment": caller.environment,
        "agent": query.agent,
        "generatedAt": now.astimezone(UTC).isoformat(),
        "check": 1 if not in_use else int(code),
        "auth": {
            "storePath": f"authsvc:{caller.tenant}/{caller.environment}/{query.agent}",
            "compat": query.compat.value,
            "missingProvidersInUse": sorted(in_use - {each.provider for each in health}),
            "providersWithOAuth": _with_login(health),
            "providers": [_provider(name, health, resolution) for name, resolution in resolutions.items()],
            "unusableProfiles": _unusable(rows, now),
            "oauth": {
                "warnAfterMs": warn_ms if query.warn_after_ms is None else query.warn_after_ms,
                "profiles": [_profile(row, each, now) for row, each in zip(rows, health, strict=True)],
                "providers": [
                    {"provider": name, "status": str(provider_state(_of(health, name)))} for name in resolutions
                ],
            },
            "advice": _advice(caller, health),
        },
    }


def _rows(caller: Caller, query: StatusQuery) -> list[Row]:
    profiles = Profile.objects.for_environment(caller).filter(
        state=ProfileState.ACTIVE, agent__in={query.agent, DEFAULT_AGENT}
    )
    if query.providers:
        profiles = profiles.filter(provider__in=query.providers)
    by_key: dict[str, Profile] = {}
    for profile in sorted(profiles, key=lambda each: (each.agent != query.agent, each.position, each.id)):
        by_key.setdefault(profile.key, profile)
    current = Credential.objects.for_environment(caller).filter(
        state=CredentialState.CURRENT, profile__in=list(by_key.values())
    )
    by_profile = {credential.profile_id: credential for credential in current}
    return [(profile, by_profile.get(profile.id)) for profile in by_key.values()]


def _with_failures(caller: Caller, rows: Sequence[Row], now: datetime) -> list[tuple[Profile, Credential | None, bool]]:
    """A refresh that failed for good counts at once, one that will be tried again only when the login has ended."""
    failed = OAuthRefresh.objects.for_environment(caller).exclude(failure_reason="")
    by_profile = {row.profile_id: row for row in failed}

    def has_failed(profile: Profile, credential: Credential | None) -> bool:
        row = by_profile.get(profile.id)
        if row is None or credential is None or row.failed_version != credential.version:
            return False
        return row.is_terminal or (credential.expires_at_ms or 0) <= milliseconds(now)

    return [(profile, credential, has_failed(profile, credential)) for profile, credential in rows]


def _health(
    row: tuple[Profile, Credential | None, bool], query: StatusQuery, warn_ms: int, now: datetime
) -> ProfileHealth:
    profile, credential, has_failed = row
    own_ms = None if profile.warn_after_seconds is None else profile.warn_after_seconds * 1000
    windows = (query.warn_after_ms, own_ms, warn_ms)
    warn_after_ms = next(window for window in windows if window is not None)
    if credential is None:
        stored = StoredCredential(profile.key, profile.provider, Kind(profile.kind), has_secret=False)
    else:
        stored = StoredCredential(
            profile_id=profile.key,
            provider=profile.provider,
            kind=Kind(credential.kind),
            has_secret=bool(credential.fingerprint),
            has_refresh=credential.has_refresh,
            expiry=expiry_of(credential.expires_at_ms),
            has_refresh_failed=has_failed,
            has_unresolved_reference=credential.has_reference,
        )
    return assess(stored, milliseconds(now), warn_after_ms, query.compat)


def _providers_in_use(caller: Caller, rows: Sequence[Row]) -> frozenset[str]:
    """A provider is in use when a profile is stored for it or somebody put its profiles in order."""
    ordered = ProfileOrder.objects.for_environment(caller).values_list("provider", flat=True)
    return frozenset(profile.provider for profile, _ in rows) | frozenset(ordered)


def _resolution(caller: Caller, query: StatusQuery, rows: Sequence[Row], provider: str, now: datetime) -> Resolution:
    """What the provider's profiles can do, whoever asks: who may use them is no matter of their health."""
    request = request_of(caller, ResolveQuery(provider=provider, agent=query.agent), now=now)
    candidates = [
        replace(candidate_of(profile, found), minimum_trust=0, allowed_channels=None, allowed_gateways=None)
        for profile, found in rows
        if found is not None and profile.provider == provider
    ]
    return choose(request, candidates)


def _effective(resolutions: Mapping[str, Resolution]) -> dict[str, str]:
    firsts = {provider: found.chosen or next(iter(found.order), None) for provider, found in resolutions.items()}
    return {provider: first for provider, first in firsts.items() if first is not None}


def _provider(name: str, health: Sequence[ProfileHealth], resolution: Resolution) -> dict[str, object]:
    own = _of(health, name)
    kinds = Counter(each.kind for each in own)
    first = resolution.chosen or next(iter(resolution.order), None)
    return {
        "provider": name,
        "status": str(provider_state(own)),
        "effective": {"kind": "profiles", "detail": first} if first else {"kind": "missing", "detail": None},
        "effectiveProfiles": list(resolution.order),
        "profiles": {
            "count": len(own),
            "oauth": kinds[Kind.OAUTH],
            "token": kinds[Kind.TOKEN],
            "apiKey": kinds[Kind.API_KEY],
            "labels": [each.profile_id for each in own],
        },
        "skipped": [
            {"profileId": entry.profile_id, "reasonCode": str(entry.reason), "until": entry.until_ms}
            for entry in resolution.trace
            if entry.profile_id != first and entry.reason != "ok"
        ],
    }


def _profile(row: Row, health: ProfileHealth, now: datetime) -> dict[str, object]:
    profile, credential = row
    estimate = estimated_end(profile, credential)
    return {
        "profileId": health.profile_id,
        "id": profile.id,
        "provider": health.provider,
        "type": str(health.kind),
        "agent": profile.agent,
        "status": str(health.state),
        "reasonCode": "ok" if health.state in _GOOD else str(health.state),
        "refreshable": health.refreshable,
        "expiresAt": health.expires_at_ms,
        "remainingMs": health.remaining_ms,
        "estimatedExpiresAt": None if estimate is None else milliseconds(estimate),
        "noticeDays": notice_days(health),
        "fingerprint": credential.fingerprint if credential else "",
        "rotation": str(rotation_state(profile, credential, now)),
        "deprecated": is_deprecated_profile_id(health.profile_id),
        "recoveryHint": remedy(health),
    }


def _unusable(rows: Sequence[Row], now: datetime) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for profile, _ in rows:
        verdict = usage_verdict(usage_from_json(profile.usage), milliseconds(now))
        if verdict.until_ms is None:
            continue
        found.append(
            {
                "profileId": profile.key,
                "provider": profile.provider,
                "kind": "disabled" if verdict.state is UsageState.DISABLED else "cooldown",
                "reason": verdict.cause,
                "until": verdict.until_ms,
                "remainingMs": verdict.until_ms - milliseconds(now),
                "recoveryHint": verdict.hint,
            }
        )
    return found


def _advice(caller: Caller, health: Sequence[ProfileHealth]) -> list[dict[str, str]]:
    """Advice never fails a check: a provider without the preferred kind (an API key unless set) still works."""
    preferred = profile_settings(caller).preferred_kind or Kind.API_KEY.value
    kinds: dict[str, set[str]] = {}
    for each in health:
        kinds.setdefault(each.provider, set()).add(each.kind.value)
    return [
        {"provider": provider, "code": "preferred_kind_missing", "detail": f"No {preferred} is stored for {provider}."}
        for provider, found in sorted(kinds.items())
        if preferred not in found
    ]


def _with_login(health: Sequence[ProfileHealth]) -> list[str]:
    counts = Counter(each.provider for each in health if each.kind is not Kind.API_KEY)
    return [f"{provider} ({count})" for provider, count in sorted(counts.items())]


def _of(health: Sequence[ProfileHealth], provider: str) -> list[ProfileHealth]:
    return [each for each in health if each.provider == provider]


def _own_warn_ms(caller: Caller) -> int:
    """Return the environment's window, else its tenant's."""
    own = profile_settings(caller).warn_after_seconds
    if own is not None:
        return own * 1000
    seconds = Tenant.objects.values_list("credential_warn_seconds", flat=True).get(id=caller.tenant_id)
    return seconds * 1000


_GOOD = frozenset({HealthState.OK, HealthState.STATIC})
