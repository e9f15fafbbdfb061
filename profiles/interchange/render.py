"""Write stores for gateways: openclaw with or without state, its state file, ArgentOS, environment lines. PURE.

Secrets go out as ``none``, ``refs`` (pointers our resolver follows) or ``full``; refresh tokens only when asked for,
because whoever holds one can use it up. Outside ``full`` nothing unexamined leaves: fields nobody knows stay here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from profiles.expiry import INVALID
from profiles.interchange.coercion import EXEC_ID, REFERENCE_FIELDS, SECRET_FIELDS
from profiles.interchange.dotenv import env_line
from profiles.interchange.store import Finding, FindingCode, Json, ParsedEntry, ParsedStore, SecretReference, Severity
from profiles.interchange.usage import known_usage_to_json, usage_to_json
from profiles.providers import Kind, env_name_for
from profiles.references import is_personal_profile_id
from profiles.strategy import prune_order

RESOLVER_NAME: Final = "authsvc"  # what the gateway's configuration calls our exec provider


class SecretsMode(StrEnum):
    """How secrets leave."""

    NONE = "none"
    REFS = "refs"
    FULL = "full"


class RefreshTokens(StrEnum):
    """Whether refresh tokens leave with a full export."""

    OMIT = "omit"
    INCLUDE = "include"


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """``reference_prefix`` is ``tenant/environment``; the profile id is put behind it."""

    secrets: SecretsMode = SecretsMode.NONE
    refresh_tokens: RefreshTokens = RefreshTokens.OMIT
    reference_prefix: str = ""


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    """A document ready for JSON, and what could not be said in it."""

    document: dict[str, Json] = field(repr=False)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderedLines:
    """Environment lines with a final line end, and what could not be said in them."""

    text: str = field(repr=False)
    findings: tuple[Finding, ...] = ()


def render_openclaw(store: ParsedStore, options: RenderOptions) -> RenderedDocument:
    """Return ``auth-profiles.json`` of the first era: credentials and routing state in one file."""
    profiles = render_openclaw_profiles(store, options)
    return RenderedDocument({**profiles.document, **_state(store, options)}, profiles.findings)


def render_openclaw_profiles(store: ParsedStore, options: RenderOptions) -> RenderedDocument:
    """Return ``auth-profiles.json`` without routing state, as the later eras expect it."""
    profiles: dict[str, Json] = {}
    findings: list[Finding] = []
    for entry in store.entries:
        record, finding = _record(entry, options)
        findings += [] if finding is None else [finding]
        if record is not None:
            profiles[entry.profile_id] = record
    unknown = store.unknown_top_level if options.secrets is SecretsMode.FULL else {}
    return RenderedDocument({"version": store.version, "profiles": profiles, **unknown}, tuple(findings))


def render_auth_state(store: ParsedStore, options: RenderOptions) -> RenderedDocument:
    """Return ``auth-state.json``: the routing state that stands beside the credentials since 2026.4."""
    return RenderedDocument({"version": store.version, **_state(store, options)})


def render_argentos(store: ParsedStore, options: RenderOptions) -> RenderedDocument:
    """Return the shape that ArgentOS's code reads; ids without a profile are pruned from the order, as it does."""
    rendered = render_openclaw(store, options)
    if store.order is None:
        return rendered
    known = frozenset(entry.profile_id for entry in store.entries)
    pruned = {provider: prune_order(ids, known) for provider, ids in store.order.items()}
    dangling = tuple(
        _remark(profile_id, FindingCode.DANGLING_ORDER) for _, gone in pruned.values() for profile_id in gone
    )
    order: dict[str, Json] = {provider: list(kept) for provider, (kept, _) in pruned.items()}
    return RenderedDocument({**rendered.document, "order": order}, rendered.findings + dangling)


def render_dotenv(entries: Sequence[ParsedEntry], options: RenderOptions) -> RenderedLines:
    """Return one line per variable, first profile wins; names alone, commented out, unless secrets are ``full``.

    Raises ``UnsafeEnvironmentValue`` for a value that would need quotes.
    """
    lines: dict[str, str] = {}
    findings: list[Finding] = []
    for entry in entries:
        name = env_name_for(entry.provider, entry.kind)
        value = entry.secrets.get(SECRET_FIELDS[entry.kind][0])
        if not value or is_personal_profile_id(entry.profile_id):
            findings.append(_remark(entry.profile_id, FindingCode.NOT_EXPORTED))
        elif name in lines:
            findings.append(_remark(entry.profile_id, FindingCode.SHADOWED))
        else:
            lines[name] = env_line(name, value.reveal()) if options.secrets is SecretsMode.FULL else f"# {name}="
    return RenderedLines("".join(f"{line}\n" for line in lines.values()), tuple(findings))


def _record(entry: ParsedEntry, options: RenderOptions) -> tuple[dict[str, Json] | None, Finding | None]:
    if is_personal_profile_id(entry.profile_id):
        return None, _remark(entry.profile_id, FindingCode.NOT_EXPORTED)
    record: dict[str, Json] = {"type": entry.kind.value, "provider": entry.provider, **entry.extras}
    if entry.expires_at_ms is not None:
        record["expires"] = 0 if entry.expires_at_ms is INVALID else entry.expires_at_ms
    record |= {name: reference.as_document() for name, reference in entry.references.items()}
    if options.secrets is SecretsMode.FULL:
        return {**record, **_secrets(entry, options), **_unsealed(entry)}, None
    return _with_pointer(entry, record, options) if options.secrets is SecretsMode.REFS else (record, None)


def _secrets(entry: ParsedEntry, options: RenderOptions) -> dict[str, Json]:
    is_asked = options.refresh_tokens is RefreshTokens.INCLUDE
    return {name: value.reveal() for name, value in entry.secrets.items() if is_asked or name != "refresh"}


def _unsealed(entry: ParsedEntry) -> dict[str, Json]:
    if entry.sealed_extras is None:
        return {}
    found: dict[str, Json] = json.loads(entry.sealed_extras.reveal())
    return found


def _with_pointer(
    entry: ParsedEntry, record: dict[str, Json], options: RenderOptions
) -> tuple[dict[str, Json] | None, Finding | None]:
    """A login cannot be a reference upstream, and a profile id may hold letters that a reference id may not."""
    if entry.references:
        return record, None
    reference_id = f"{options.reference_prefix}/{entry.profile_id}"
    if entry.kind is Kind.OAUTH or not EXEC_ID.fullmatch(reference_id):
        return None, _remark(entry.profile_id, FindingCode.NOT_REFERENCEABLE)
    pointer = SecretReference("exec", RESOLVER_NAME, reference_id)
    return {**record, REFERENCE_FIELDS[entry.kind]: pointer.as_document()}, None


def _state(store: ParsedStore, options: RenderOptions) -> dict[str, Json]:
    state: dict[str, Json] = {}
    if store.order is not None:
        state["order"] = {provider: list(ids) for provider, ids in store.order.items()}
    if store.last_good is not None:
        state["lastGood"] = dict(store.last_good)
    if store.usage is not None:
        state["usageStats"] = _usage(store, options)
    return state


def _usage(store: ParsedStore, options: RenderOptions) -> dict[str, Json]:
    is_full = options.secrets is SecretsMode.FULL
    return {
        profile_id: usage_to_json(usage) if is_full else known_usage_to_json(usage.stats)
        for profile_id, usage in (store.usage or {}).items()
        if not is_personal_profile_id(profile_id)
    }


def _remark(profile_id: str, code: FindingCode) -> Finding:
    return Finding(profile_id, code, Severity.WARNING, _DETAILS[code])


_DETAILS: Final = {
    FindingCode.NOT_EXPORTED: "The profile has nothing that this file could carry.",
    FindingCode.NOT_REFERENCEABLE: "The profile cannot be written as a reference; the gateway must ask for it.",
    FindingCode.SHADOWED: "Another profile already stands in this variable.",
    FindingCode.DANGLING_ORDER: "The order named an id without a profile; it was left out.",
}
