"""Resolution: which credential serves this request; its release is recorded as a lease before anyone sees the value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.db.models import Exists, OuterRef, Q

from authsvc.audit.record import record
from authsvc.vault.envelope import SealBroken
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared
from authsvc.web.problems import Conflict, Forbidden, NotFound, Problem
from authsvc.web.secret_text import SecretText
from profiles.candidates import Candidate, Requirement, ResolutionRequest
from profiles.expiry import INVALID, MAX_TIMESTAMP_MS, Expiry
from profiles.interchange.usage import usage_from_json
from profiles.models import DEFAULT_AGENT, Credential, CredentialState, Lease, Profile, ProfileSettings, ProfileState
from profiles.providers import Kind, billing_of, has_prompt_caching
from profiles.references import Strategy
from profiles.refresh import RefreshFailed, fresh_credential
from profiles.resolution import FailureCode, Resolution, ResolutionFailure, choose
from profiles.services.leases import LeaseUse, record_lease
from profiles.services.order import find_order
from profiles.services.pins import effective_pin, remember_choice
from profiles.services.providers import all_env_names, own_billing
from profiles.services.settings import preferred_kind_of, profile_settings
from profiles.services.store import open_version


class NoCredentials(NotFound):
    """Nothing is stored that could serve this request; only now may a client look into its own environment."""

    slug, title = "no_credentials", "No credentials found"
    default_detail = "No credential for this provider can be used here; store one or look at the trace."


class AllInCooldown(Conflict):
    """Every usable profile rests after failures; ``Retry-After`` says when the first is back."""

    slug, title = "all_in_cooldown", "All credentials are cooling down"
    default_detail = "Every credential for this provider is cooling down."


class ResolutionForbidden(Forbidden):
    """Credentials are there, and this caller may not use any of them from here."""

    slug, title = "forbidden", "Not from here"
    default_detail = "The credentials of this provider may not be used by this caller, from this place."


class PinUnavailable(Conflict):
    """The pinned profile cannot serve now and is never switched silently."""

    slug, title = "pin_unavailable", "Pinned credential unavailable"
    default_detail = "The pinned credential cannot be used now."


FAILURES: dict[FailureCode, type[Problem]] = {
    FailureCode.NO_CREDENTIALS: NoCredentials,
    FailureCode.ALL_IN_COOLDOWN: AllInCooldown,
    FailureCode.FORBIDDEN: ResolutionForbidden,
    FailureCode.PIN_UNAVAILABLE: PinUnavailable,
}


@dataclass(frozen=True, slots=True)
class ResolveQuery:
    """What a caller asks for; ``pin`` is a profile's id or name, ``strategy`` None is the environment's."""

    provider: str
    agent: str = DEFAULT_AGENT
    session: str = ""
    model: str | None = None
    require: frozenset[Requirement] = frozenset()
    purpose: str = ""
    channel: str | None = None
    gateway: str | None = None
    pin: str | None = None
    strategy: Strategy | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A released credential: the recorded lease, and the value it hands out."""

    lease: Lease
    profile: Profile
    credential: Credential
    value: SecretText = field(repr=False)
    resolution: Resolution


def resolve_credential(caller: Caller, query: ResolveQuery, *, now: datetime) -> Release:
    """Choose a profile, open its current version and record the lease; raises one of the four failures above."""
    rows, settings = candidate_rows(caller, query), profile_settings(caller)
    request = request_under(caller, query, settings, now=now)
    resolution, profile, credential = _choose_fresh(caller, query, request, rows, now)
    value = open_audited(caller, credential, now=now)
    use = LeaseUse(query.agent, query.session, query.purpose, query.gateway)
    lease = record_lease(
        caller,
        profile=profile,
        credential=credential,
        use=use,
        lease_threshold=settings.lease_threshold,
        ttl_seconds=settings.lease_ttl_seconds,
        now=now,
    )
    if query.session:
        remember_choice(caller, session=query.session, profile=profile, now=now)
    return Release(lease, profile, credential, value, resolution)


def _choose_fresh(
    caller: Caller,
    query: ResolveQuery,
    request: ResolutionRequest,
    rows: Sequence[tuple[Profile, Credential]],
    now: datetime,
) -> tuple[Resolution, Profile, Credential]:
    """Choose a profile and refresh its login if need be; one that cannot be refreshed counts as having no secret."""
    dead: dict[str, RefreshFailed] = {}
    candidates = candidates_of(caller, query, rows)
    while True:
        resolution = choose(
            request, [_without_secret(each) if each.profile_id in dead else each for each in candidates]
        )
        if resolution.chosen is None:
            raise _refused(caller, query, resolution, now, next(iter(dead.values()), None))
        profile, credential = next(row for row in rows if row[0].key == resolution.chosen)
        try:
            return resolution, profile, fresh_credential(caller, profile=profile, credential=credential, now=now)
        except RefreshFailed as failed:
            dead[profile.key] = failed


def _without_secret(candidate: Candidate) -> Candidate:
    return replace(candidate, has_secret=False, has_refresh=False)


def candidates_of(caller: Caller, query: ResolveQuery, rows: Sequence[tuple[Profile, Credential]]) -> list[Candidate]:
    """Return the candidates; where something is required of them, as the environment says a provider is paid."""
    billing = own_billing(caller, provider=query.provider) if query.require else None
    found = [candidate_of(*row) for row in rows]
    return found if billing is None else [replace(each, billing=billing) for each in found]


def preview_resolution(
    caller: Caller, query: ResolveQuery, rows: Sequence[tuple[Profile, Credential]], *, now: datetime
) -> Resolution:
    """Return what would be chosen; refreshes, opens and writes nothing."""
    return choose(request_of(caller, query, now=now), candidates_of(caller, query, rows))


def request_of(caller: Caller, query: ResolveQuery, *, now: datetime) -> ResolutionRequest:
    """Return the pure request: what is asked, under the environment's order, pins and settings."""
    return request_under(caller, query, profile_settings(caller), now=now)


def request_under(
    caller: Caller, query: ResolveQuery, settings: ProfileSettings, *, now: datetime
) -> ResolutionRequest:
    """Return the pure request under settings that were read already."""
    return ResolutionRequest(
        provider=query.provider,
        now_ms=int(now.timestamp() * 1000),
        strategy=query.strategy or Strategy(settings.strategy),
        explicit_order=find_order(caller, provider=query.provider, agent=query.agent),
        model=query.model,
        require=query.require,
        trust_level=caller.trust_level,
        channel=query.channel,
        gateway=query.gateway,
        pin=effective_pin(caller, wanted=query.pin, session=query.session, provider=query.provider, agent=query.agent),
        preferred_kind=preferred_kind_of(settings),
    )


_CANDIDATES = Prepared(
    lambda tenant_id, environment_id, provider, agent: (
        Credential.objects.for_tenant(tenant_id)
        .select_related("profile")
        .annotate(
            is_outdated=Exists(
                Credential.objects.for_tenant(tenant_id).filter(
                    profile_id=OuterRef("profile_id"), version__gt=OuterRef("version")
                )
            )
        )
        .filter(
            Q(profile__agent=agent) | Q(profile__agent=DEFAULT_AGENT),
            environment_id=environment_id,
            state=CredentialState.CURRENT,
            profile__state=ProfileState.ACTIVE,
            profile__provider=provider,
        )
        .order_by("profile__position", "profile__id")
    )
)


def candidate_rows(caller: Caller, query: ResolveQuery) -> list[tuple[Profile, Credential]]:
    """Return the profiles an agent sees with their current versions: its own first, then the default agent's."""
    credentials = _CANDIDATES.rows(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        provider=query.provider,
        agent=query.agent,
    )
    by_key: dict[str, tuple[Profile, Credential]] = {}
    for credential in sorted(credentials, key=lambda row: row.profile.agent != query.agent):
        by_key.setdefault(credential.profile.key, (credential.profile, credential))
    return list(by_key.values())


def candidate_of(profile: Profile, credential: Credential) -> Candidate:
    """Return the candidate for a stored profile: flags, never the secret."""
    kind = Kind(credential.kind)
    return Candidate(
        profile_id=profile.key,
        provider=profile.provider,
        kind=kind,
        has_secret=bool(credential.fingerprint),
        has_refresh=credential.has_refresh,
        expiry=expiry_of(credential.expires_at_ms),
        has_unresolved_reference=credential.has_reference,
        usage=usage_from_json(profile.usage),
        minimum_trust=profile.minimum_trust,
        allowed_channels=_allowed(profile.allowed_channels),
        allowed_gateways=_allowed(profile.allowed_gateways),
        prompt_caching=has_prompt_caching(kind),
        billing=billing_of(profile.provider, kind),
    )


def expires_at_of(credential: Credential) -> datetime | None:
    """Return the end of a credential's life, if it has one that a calendar can hold."""
    if credential.expires_at_ms is None or not 0 < credential.expires_at_ms < 253_402_300_800_000:
        return None
    return datetime.fromtimestamp(credential.expires_at_ms / 1000, UTC)


def expiry_of(expires_at_ms: int | None) -> Expiry:
    """Return the expiry as resolution reads it; a number no calendar can hold is invalid."""
    if expires_at_ms is None or 0 < expires_at_ms <= MAX_TIMESTAMP_MS:
        return expires_at_ms
    return INVALID


def open_audited(caller: Caller, credential: Credential, *, now: datetime) -> SecretText:
    """Return a version's main secret; one that does not open raises what the vault says, after an event."""
    try:
        if getattr(credential, "is_outdated", False):  # somebody made an older version the current one again
            raise SealBroken
        material = open_version(credential)
    except SealBroken as broken:
        detail = {"profile_id": credential.profile_id, "version": credential.version, "reason": broken.slug}
        record(caller, "credential.open_failed", subject_id=credential.id, detail=detail, now=now)
        raise
    return material.main


def _refused(
    caller: Caller, query: ResolveQuery, resolution: Resolution, now: datetime, unrefreshed: RefreshFailed | None
) -> Problem:
    """A login that could not be refreshed is the reason when nothing else is left: the client must not fall back."""
    failure = resolution.failure or ResolutionFailure(FailureCode.NO_CREDENTIALS)
    is_refresh = unrefreshed is not None and failure.code is not FailureCode.ALL_IN_COOLDOWN
    detail = {
        "provider": query.provider,
        "code": RefreshFailed.slug if is_refresh else str(failure.code),
        "agent": query.agent,
        "purpose": query.purpose,
    }
    record(caller, "credential.refused", subject_id=query.provider, detail=detail, now=now)
    if is_refresh and unrefreshed is not None:
        return unrefreshed
    extra: dict[str, object] = {
        "trace": trace_document(resolution),
        "env_names": all_env_names(caller, provider=query.provider),
    }
    if failure.profile_id is not None:
        extra |= {"profile": failure.profile_id, "reason": str(failure.reason)}
    headers = {}
    if failure.retry_after_ms is not None:
        seconds = -(-failure.retry_after_ms // 1000)
        extra["retry_after"] = seconds
        headers["Retry-After"] = str(seconds)
    return FAILURES[failure.code](extra=extra, headers=headers)


def trace_document(resolution: Resolution) -> list[dict[str, object]]:
    """Return the trace as the API shows it: each profile with its reason code, and until when."""
    return [
        {"profile": entry.profile_id, "reason": str(entry.reason), "until_ms": entry.until_ms, "cause": entry.cause}
        for entry in resolution.trace
    ]


def _allowed(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
