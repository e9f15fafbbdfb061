"""Moving in: a foreign credential file becomes profiles, order and usage state; all of it or nothing.

An entry that must not be imported is named with its reason and changes nothing; ``dry_run`` only previews.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.vault.foreign import ForeignKeys, read_salt
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed
from authsvc.web.secret_text import SecretText
from profiles.expiry import INVALID
from profiles.interchange.agtos import parse_agtos
from profiles.interchange.argentos import parse_argentos
from profiles.interchange.claude_code import parse_claude_code
from profiles.interchange.dotenv import parse_dotenv
from profiles.interchange.legacy_auth import parse_legacy_auth, parse_oauth_file
from profiles.interchange.openclaw import parse_openclaw
from profiles.interchange.store import Finding, Json, ParsedEntry, ParsedStore, Severity, read_json
from profiles.models import DEFAULT_AGENT, Profile
from profiles.services.order import EVERY_AGENT, store_order
from profiles.services.remainder import store_remainder
from profiles.services.store import SecretMaterial, add_profile, find_profile, store_version

JSON_FORMATS: Mapping[str, Callable[[Json], ParsedStore]] = {
    "openclaw": parse_openclaw,
    "argentos": parse_argentos,
    "claude_code": parse_claude_code,
    "auth_json": parse_legacy_auth,
    "oauth_json": parse_oauth_file,
}
FORMATS = (*JSON_FORMATS, "dotenv", "agtos")
INVALID_EXPIRES_MS = 0


class StoreNotImportable(ValidationFailed):
    """The file has entries that must not be taken over; ``findings`` names them and nothing was changed."""

    slug, title = "store_not_importable", "The file cannot be imported"
    default_detail = "The file has entries that cannot be imported; nothing was changed."


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, or would do: one line per entry (``created``, ``updated``), and what was noticed."""

    dry_run: bool
    entries: tuple[dict[str, str], ...]
    findings: tuple[dict[str, str | None], ...]
    orders: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Unlock:
    """What a sealed file opens with: the secret it was sealed under, and the salt in hex."""

    passphrase: SecretText
    salt: str


def read_store(format_name: str, content: object, state: object = None, unlock: Unlock | None = None) -> ParsedStore:
    """Return the parsed file; ``content`` is its text, or its JSON already decoded. Raises ``ValidationFailed``."""
    if format_name == "agtos":
        return _read_sealed(_decoded(content), unlock)
    if format_name == "dotenv":
        if not isinstance(content, str):
            raise ValidationFailed(errors={"content": ["Give the text of the file."]})
        return parse_dotenv(content)
    parse = JSON_FORMATS.get(format_name)
    if parse is None:
        raise ValidationFailed(errors={"format": [f"Choose one of {', '.join(FORMATS)}."]})
    document = _decoded(content)
    return parse_openclaw(document, _decoded(state)) if format_name == "openclaw" else parse(document)


def _read_sealed(document: Json, unlock: Unlock | None) -> ParsedStore:
    if unlock is None or not unlock.passphrase:
        raise ValidationFailed(errors={"passphrase": ["Give the secret this file was sealed under."]})
    try:
        salt = read_salt(unlock.salt)
    except ValueError as error:
        raise ValidationFailed(errors={"salt": ["Give 16 to 64 bytes in hex."]}) from error
    return parse_agtos(document, ForeignKeys(unlock.passphrase), salt)


def import_store(
    caller: Caller,
    store: ParsedStore,
    *,
    format_name: str,
    agent: str = DEFAULT_AGENT,
    dry_run: bool = False,
    now: datetime,
) -> ImportResult:
    """Take over a parsed file in one transaction; raises ``StoreNotImportable`` and changes nothing."""
    findings = tuple(findings_document(store.findings))
    if not store.is_importable:
        raise StoreNotImportable(extra={"findings": list(findings)})
    outcomes = tuple(_planned(caller, entry, agent) for entry in store.entries)
    result = ImportResult(dry_run, outcomes, findings, dict(store.order or {}))
    if dry_run:
        return result
    with transaction.atomic():
        for entry in store.entries:
            _take_over(caller, entry, store, agent, f"import:{format_name}", now)
        for provider, keys in (store.order or {}).items():
            order_agent = EVERY_AGENT if agent == DEFAULT_AGENT else agent
            store_order(caller, provider=provider, agent=order_agent, profile_keys=keys, now=now)
        store_remainder(caller, agent=agent, store=store, now=now)
        created = sum(1 for outcome in outcomes if outcome["outcome"] == "created")
        detail = {
            "format": format_name,
            "created": created,
            "updated": len(outcomes) - created,
            "refused": sum(1 for finding in store.findings if finding.severity is Severity.ERROR),
        }
        record(caller, "profiles.imported", subject_id=agent, detail=detail, now=now)
    return result


def findings_document(findings: Sequence[Finding]) -> list[dict[str, str | None]]:
    """Return findings as the API shows them; none holds a value of the file."""
    return [
        {
            "profile": finding.profile_id,
            "code": str(finding.code),
            "severity": str(finding.severity),
            "detail": finding.detail,
        }
        for finding in findings
    ]


def _planned(caller: Caller, entry: ParsedEntry, agent: str) -> dict[str, str]:
    existing = find_profile(caller, key=entry.profile_id, agent=agent)
    return {
        "profile": entry.profile_id,
        "provider": entry.provider,
        "kind": str(entry.kind),
        "outcome": "updated" if existing else "created",
    }


def _take_over(
    caller: Caller, entry: ParsedEntry, store: ParsedStore, agent: str, origin: str, now: datetime
) -> Profile:
    profile = find_profile(caller, key=entry.profile_id, agent=agent)
    if profile is None:
        profile = add_profile(
            caller,
            provider=entry.provider,
            key=entry.profile_id,
            kind=entry.kind,
            agent=agent,
            origin=origin,
            now=now,
        )
    profile.extras = dict(entry.extras)
    usage = (store.usage or {}).get(entry.profile_id)
    if usage is not None:
        profile.usage = dict(usage.document)
    profile.save(update_fields=["extras", "usage"])
    store_version(caller, profile=profile, material=material_of(entry), origin=origin, now=now)
    return profile


def material_of(entry: ParsedEntry) -> SecretMaterial:
    """Return what is sealed for a parsed entry; an unusable expiry is kept as one that is refused."""
    references = {name: reference.as_document() for name, reference in entry.references.items()}
    return SecretMaterial(
        kind=entry.kind,
        secrets=dict(entry.secrets),
        expires_at_ms=INVALID_EXPIRES_MS if entry.expires_at_ms is INVALID else _whole(entry.expires_at_ms),
        sealed_extras=entry.sealed_extras,
        reference=references or None,
    )


def _whole(expires_at_ms: object) -> int | None:
    return expires_at_ms if isinstance(expires_at_ms, int) else None


def _decoded(content: object) -> Json:
    if isinstance(content, str):
        return read_json(content)
    if content is None or isinstance(content, dict | list | bool | int | float):
        return content
    raise ValidationFailed(errors={"content": ["Give the file's JSON."]})
