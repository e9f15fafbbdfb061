"""Moving out: an agent's profiles as a file for its gateway, with as few secrets as asked.

Secrets leave only in ``full``, which needs the scopes of :data:`FULL_SCOPES`; refresh tokens need ``authsvc:admin``
on top, because whoever holds one can use it up. Every export is audited before it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.problems import InsufficientScope, ValidationFailed
from profiles.interchange.coercion import read_reference
from profiles.interchange.dotenv import UnsafeEnvironmentValue, env_line
from profiles.interchange.render import (
    RefreshTokens,
    RenderedDocument,
    RenderOptions,
    SecretsMode,
    render_argentos,
    render_auth_state,
    render_dotenv,
    render_openclaw,
    render_openclaw_profiles,
)
from profiles.interchange.store import Finding, FindingCode, Json, ParsedEntry, ParsedStore, ParsedUsage, Severity
from profiles.interchange.usage import usage_from_json
from profiles.models import DEFAULT_AGENT, Credential, CredentialState, Profile, ProfileOrder, ProfileState
from profiles.providers import Kind
from profiles.services.order import EVERY_AGENT
from profiles.services.remainder import Remainder, open_remainder
from profiles.services.resolve import expiry_of
from profiles.services.store import SecretMaterial, open_version
from rbac.credential_kinds import CredentialKind, permits
from rbac.scopes import AUTHSVC_ADMIN, covers

EXPORT_FORMATS = ("openclaw", "openclaw_split", "argentos", "dotenv")
FULL_SCOPES = ("credentials:resolve", "credentials:write")


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """What to export, and how much of the secrets."""

    format: str = "openclaw"
    secrets: SecretsMode = SecretsMode.NONE
    refresh_tokens: RefreshTokens = RefreshTokens.OMIT
    agent: str = DEFAULT_AGENT


@dataclass(frozen=True, slots=True)
class Export:
    """The rendered file: a JSON document, for ``openclaw_split`` with its state file, or lines of text."""

    document: Mapping[str, Json] | None = field(default=None, repr=False)
    state: Mapping[str, Json] | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    findings: tuple[Finding, ...] = ()


def export_store(caller: Caller, query: ExportQuery, *, now: datetime) -> Export:
    """Return an agent's file; raises ``InsufficientScope`` before anything is opened, else ``ValidationFailed``."""
    if query.format not in EXPORT_FORMATS:
        raise ValidationFailed(errors={"format": [f"Choose one of {', '.join(EXPORT_FORMATS)}."]})
    _require_scopes(caller, query)
    store, findings = _stored(caller, query)
    export = _render(caller, query, store)
    detail = {
        "format": query.format,
        "secrets": query.secrets.value,
        "count": len(store.entries),
        "agent": query.agent,
        "with_refresh_tokens": query.refresh_tokens is RefreshTokens.INCLUDE,
    }
    record(caller, "profiles.exported", subject_id=query.agent, detail=detail, now=now)
    return Export(export.document, export.state, export.text, (*findings, *export.findings))


def _require_scopes(caller: Caller, query: ExportQuery) -> None:
    if query.secrets is not SecretsMode.FULL:
        return
    wanted = list(FULL_SCOPES)
    if query.refresh_tokens is RefreshTokens.INCLUDE:
        wanted.append(AUTHSVC_ADMIN)
    missing = [scope for scope in wanted if not _may(caller, scope)]
    if missing:
        raise InsufficientScope(f"An export with secrets requires {' '.join(missing)}.")


def _may(caller: Caller, scope: str) -> bool:
    """Commands and the system show no proof of a kind; everybody else is also bound by what its kind may carry."""
    if caller.proof in set(CredentialKind) and not permits(CredentialKind(caller.proof), scope):
        return False
    return covers(caller.scopes, scope, admin_scope=AUTHSVC_ADMIN)


def _render(caller: Caller, query: ExportQuery, store: ParsedStore) -> Export:
    options = RenderOptions(query.secrets, query.refresh_tokens, f"{caller.tenant}/{caller.environment}")
    if query.format == "dotenv":
        safe = [entry for entry in store.entries if _fits_a_line(entry)]
        lines = render_dotenv(safe, options)
        unsafe = tuple(_unsafe(entry) for entry in store.entries if entry not in safe)
        return Export(text=lines.text, findings=(*lines.findings, *unsafe))
    if query.format == "openclaw_split":
        profiles = render_openclaw_profiles(store, options)
        return Export(profiles.document, render_auth_state(store, options).document, findings=profiles.findings)
    rendered: RenderedDocument = (render_argentos if query.format == "argentos" else render_openclaw)(store, options)
    return Export(rendered.document, findings=rendered.findings)


def _fits_a_line(entry: ParsedEntry) -> bool:
    """One value that no shell can carry must not keep all others from their gateway; it is left out and named."""
    try:
        for value in entry.secrets.values():
            env_line("VALUE", value.reveal() or "-")
    except UnsafeEnvironmentValue:
        return False
    return True


def _unsafe(entry: ParsedEntry) -> Finding:
    detail = "The value holds characters that an environment file cannot carry safely; it was left out."
    return Finding(entry.profile_id, FindingCode.UNSAFE_VALUE, Severity.WARNING, detail)


def _stored(caller: Caller, query: ExportQuery) -> tuple[ParsedStore, tuple[Finding, ...]]:
    """Return the agent's store; in ``full`` without what its caller's trust does not reach, with a finding for each."""
    credentials = (
        Credential.objects.for_environment(caller)
        .select_related("profile")
        .filter(state=CredentialState.CURRENT, profile__agent=query.agent, profile__state=ProfileState.ACTIVE)
        .order_by("profile__position", "profile__id")
    )
    is_full = query.secrets is SecretsMode.FULL
    reachable = [each for each in credentials if not is_full or each.profile.minimum_trust <= caller.trust_level]
    kept_back = tuple(_kept_back(each.profile) for each in credentials if each not in reachable)
    remainder = open_remainder(caller, agent=query.agent)
    store = ParsedStore(
        entries=tuple(_entry(each, is_full=is_full) for each in reachable),
        order=_order(caller, query.agent, remainder),
        usage=_usage([each.profile for each in reachable], remainder),
        last_good=remainder.last_good,
        unknown_top_level=remainder.unknown,
        version=remainder.version,
    )
    return store, kept_back


def _entry(credential: Credential, *, is_full: bool) -> ParsedEntry:
    profile, kind = credential.profile, Kind(credential.kind)
    # Without secrets only what is a reference is opened: the file shows where the secret is kept.
    material = open_version(credential) if is_full or credential.has_reference else SecretMaterial(kind, {})
    references = {name: read_reference(raw) for name, raw in (material.reference or {}).items()}
    return ParsedEntry(
        profile_id=profile.key,
        provider=profile.provider,
        kind=kind,
        secrets=material.secrets if is_full else {},
        references={name: found for name, found in references.items() if found is not None},
        expires_at_ms=expiry_of(credential.expires_at_ms),
        extras=profile.extras,
        sealed_extras=material.sealed_extras if is_full else None,
    )


def _order(caller: Caller, agent: str, remainder: Remainder) -> Mapping[str, tuple[str, ...]] | None:
    """The default agent's file carries the environment's orders, under its own where it has one."""
    agents = {EVERY_AGENT, agent} if agent == DEFAULT_AGENT else {agent}
    rows = ProfileOrder.objects.for_environment(caller).filter(agent__in=agents).order_by("agent", "id")
    orders = {row.provider: tuple(row.profile_keys) for row in rows}
    return orders if orders or remainder.has_order else None


def _usage(profiles: Sequence[Profile], remainder: Remainder) -> Mapping[str, ParsedUsage] | None:
    documents = {**remainder.usage, **{profile.key: profile.usage for profile in profiles if profile.usage}}
    if not documents and not remainder.has_usage:
        return None
    return {name: ParsedUsage(usage_from_json(document), document) for name, document in documents.items()}


def _kept_back(profile: Profile) -> Finding:
    detail = "The profile requires more trust than this caller has."
    return Finding(profile.key, FindingCode.NOT_EXPORTED, Severity.WARNING, detail)
