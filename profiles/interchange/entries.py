"""From one foreign record to one neutral entry, with findings for everything an operator should know. PURE.

Refuses, by an error finding: records that are no credential, refresh fences (upstream's placeholder while it
refreshes: importing one would destroy the login), references where upstream forbids them, and oversized text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from authsvc.web.secret_text import SecretText
from profiles.expiry import INVALID, Expiry, read_expiry
from profiles.interchange.coercion import (
    LOGIN_FIELDS,
    REFERENCE_FIELDS,
    SECRET_FIELDS,
    Record,
    canonical_record,
    read_reference,
)
from profiles.interchange.store import Finding, FindingCode, Json, JsonObject, ParsedEntry, Severity, is_object
from profiles.providers import Kind, check_shape
from profiles.references import is_deprecated_profile_id, is_personal_profile_id

REFRESH_FENCE_PREFIX: Final = "openclaw-oauth-refresh-fence:v1:"
MAX_PROFILE_ID: Final = 200
MAX_SECRET: Final = 16_384
PLAIN_EXTRAS: Final = (LOGIN_FIELDS - {"type", "provider", "access", "refresh", "idToken", "expires", "oauthRef"}) | {
    "email",
    "displayName",
    "copyToAgents",
}


def read_entry(profile_id: str, raw: Json) -> tuple[ParsedEntry | None, tuple[Finding, ...]]:
    """Return the entry, or None when it must not be imported, and what was found on the way."""
    refusal = _refusal(profile_id, raw)
    if refusal is not None:
        return None, (refusal,)
    record = canonical_record(raw)
    if isinstance(record, FindingCode):
        return None, (_finding(profile_id, record, Severity.ERROR),)
    entry = _entry(profile_id, record)
    return entry, tuple(_remarks(entry, raw if is_object(raw) else {}))


def _refusal(profile_id: str, raw: Json) -> Finding | None:
    if len(profile_id) > MAX_PROFILE_ID:
        return _finding(profile_id[:MAX_PROFILE_ID], FindingCode.TOO_LONG, Severity.ERROR)
    if is_personal_profile_id(profile_id):
        return _finding(profile_id, FindingCode.PERSONAL_PROFILE, Severity.WARNING)
    if not is_object(raw):
        return None
    code = _refusal_code(raw)
    return None if code is None else _finding(profile_id, code, Severity.ERROR)


def _refusal_code(raw: JsonObject) -> FindingCode | None:
    texts = [value for value in raw.values() if isinstance(value, str)]
    if any(text.strip().startswith(REFRESH_FENCE_PREFIX) for text in texts):
        return FindingCode.REFRESH_FENCE
    if any(len(text) > MAX_SECRET for text in texts):
        return FindingCode.TOO_LONG
    if _is_login(raw):
        return FindingCode.REFERENCE_ON_LOGIN if any(map(is_object, _secret_places(raw))) else None
    pointers = [raw[name] for name in ("keyRef", "tokenRef") if name in raw]
    objects = [raw[name] for name in ("key", "apiKey", "token") if is_object(raw.get(name))]
    return FindingCode.INVALID_REFERENCE if any(read_reference(each) is None for each in pointers + objects) else None


def _is_login(raw: JsonObject) -> bool:
    return Kind.OAUTH in (raw.get("type"), raw.get("mode"))


def _secret_places(raw: JsonObject) -> list[Json]:
    return [raw.get(name) for name in ("access", "refresh", "idToken", "keyRef", "tokenRef", "accessRef", "refreshRef")]


def _entry(profile_id: str, record: Record) -> ParsedEntry:
    kind = Kind(str(record.pop("type")))
    provider = str(record.pop("provider"))
    secrets = {name: SecretText(str(record.pop(name))) for name in SECRET_FIELDS[kind] if name in record}
    reference = read_reference(record.pop(REFERENCE_FIELDS.get(kind, ""), None))
    extras = {name: record.pop(name) for name in sorted(PLAIN_EXTRAS) if isinstance(record.get(name), str | bool)}
    return ParsedEntry(
        profile_id,
        provider,
        kind,
        secrets=secrets,
        references={} if reference is None else {REFERENCE_FIELDS[kind]: reference},
        expires_at_ms=_pop_expiry(record, kind),
        extras=extras,
        sealed_extras=SecretText(json.dumps(record)) if record else None,
    )


def _pop_expiry(record: Record, kind: Kind) -> Expiry:
    if kind is Kind.API_KEY:
        return None
    expiry = read_expiry(record)
    record.pop("expires", None)
    return expiry


def _remarks(entry: ParsedEntry, raw: JsonObject) -> Iterator[Finding]:
    if not entry.references and not any(value.reveal().strip() for value in entry.secrets.values()):
        is_sidecar = "oauthRef" in raw
        code = FindingCode.UNRESOLVED_REFERENCE if is_sidecar else FindingCode.MISSING_CREDENTIAL
        yield _finding(entry.profile_id, code, Severity.WARNING)
    if entry.references and any(isinstance(raw.get(name), str) for name in ("key", "apiKey", "token")):
        yield _finding(entry.profile_id, FindingCode.SHADOWED, Severity.WARNING)
    if entry.expires_at_ms is INVALID:
        yield _finding(entry.profile_id, FindingCode.INVALID_EXPIRES, Severity.WARNING)
    if is_deprecated_profile_id(entry.profile_id):
        yield _finding(entry.profile_id, FindingCode.DEPRECATED_PROFILE, Severity.WARNING)
    if entry.sealed_extras is not None:
        yield _finding(entry.profile_id, FindingCode.UNKNOWN_FIELD, Severity.INFO)
    yield from _shape_remarks(entry)


def _shape_remarks(entry: ParsedEntry) -> Iterator[Finding]:
    for name in ("key", "token"):
        value = entry.secrets.get(name)
        found = check_shape(entry.provider, entry.kind, value.reveal()) if value else None
        if found is not None:
            yield Finding(entry.profile_id, FindingCode.SUSPICIOUS_SHAPE, Severity.WARNING, found.message)


def _finding(profile_id: str, code: FindingCode, severity: Severity) -> Finding:
    return Finding(profile_id, code, severity, _DETAILS[code])


_DETAILS: Final = {
    FindingCode.NON_OBJECT: "The entry is not an object.",
    FindingCode.INVALID_TYPE: "The entry's type is none of api_key, token and oauth.",
    FindingCode.MISSING_PROVIDER: "The entry names no provider.",
    FindingCode.REFRESH_FENCE: "The login was being refreshed when the file was written; sign in again instead.",
    FindingCode.REFERENCE_ON_LOGIN: "A login cannot be a reference to a secret kept elsewhere.",
    FindingCode.INVALID_REFERENCE: "The reference to a secret kept elsewhere is malformed.",
    FindingCode.TOO_LONG: f"A profile id has at most {MAX_PROFILE_ID} characters and a secret {MAX_SECRET}.",
    FindingCode.PERSONAL_PROFILE: "The profile belongs to one person on one machine and is left out.",
    FindingCode.MISSING_CREDENTIAL: "The entry holds no secret.",
    FindingCode.UNRESOLVED_REFERENCE: "The entry points to a file that was not uploaded with it.",
    FindingCode.SHADOWED: "The entry holds a secret beside a reference; upstream uses the reference, and so do we.",
    FindingCode.INVALID_EXPIRES: "The expiry is not a moment in milliseconds.",
    FindingCode.DEPRECATED_PROFILE: "The id mirrors another program's login; upstream removes such profiles.",
    FindingCode.UNKNOWN_FIELD: "Fields we do not know are kept, sealed like secrets.",
}
