"""How openclaw 2026.9.6 understands a stored record: aliases resolved, useless values dropped. PURE.

``canonical_record`` keeps fields nobody knows so that nothing is lost on the way through us; ``coerce_store`` and
``coerce_legacy_auth`` drop what upstream drops and answer exactly as it does. Values are never trimmed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from profiles.interchange.store import FindingCode, Json, JsonObject, SecretReference, is_array, is_object
from profiles.providers import Kind

STATE_KEYS: Final = ("order", "lastGood", "usageStats")
SECRET_FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.API_KEY: ("key",),
    Kind.TOKEN: ("token",),
    Kind.OAUTH: ("access", "refresh", "idToken"),
}
REFERENCE_FIELDS: Final[Mapping[Kind, str]] = {Kind.API_KEY: "keyRef", Kind.TOKEN: "tokenRef"}
LOGIN_FIELDS: Final = frozenset(
    {
        "type", "provider", "access", "refresh", "expires", "email", "displayName", "idToken", "clientId",
        "enterpriseUrl", "projectId", "accountId", "chatgptPlanType", "subscriptionType", "rateLimitTier",
        "tokenEndpoint", "deviceAuthorizationEndpoint", "issuer", "authFlow", "oauthRef", "copyToAgents",
    }
)  # fmt: skip

Record = dict[str, Json]


def canonical_record(raw: Json) -> Record | FindingCode:
    """Return the record with its aliases resolved, or why upstream would not count it as a credential."""
    if not is_object(raw):
        return FindingCode.NON_OBJECT
    kind = _kind_of(raw)
    if kind is None:
        return FindingCode.INVALID_TYPE
    provider = raw.get("provider")
    if not isinstance(provider, str) or not provider.strip():
        return FindingCode.MISSING_PROVIDER
    return _with_secrets({**_without_alias(raw), "type": kind.value, "provider": provider.strip().lower()}, kind)


def coerce_store(document: Json) -> Record | None:
    """Return the store as upstream reads it, or None when it cannot be read at all."""
    if not is_object(document) or not is_object(profiles := document.get("profiles")):
        return None
    store: Record = {"version": store_version(document), "profiles": _coerced(profiles)}
    for key in STATE_KEYS:
        if is_object(state := document.get(key)):
            store[key] = {name: value for name, value in state.items() if _is_state(key, value)}
    return store


def coerce_legacy_auth(document: Json) -> Record | None:
    """Return a flat map of providers as upstream reads it, or None when it is something else."""
    if not is_object(document) or "profiles" in document:
        return None
    return _coerced({name: with_provider(raw, name) for name, raw in document.items()}) or None


def with_provider(raw: Json, provider: str) -> Json:
    """Return the record with its provider filled in from the place where it was found."""
    return {**raw, "provider": raw.get("provider", provider)} if is_object(raw) else raw


def store_version(document: JsonObject) -> int:
    """Return the version number, 1 when it is missing or no positive number."""
    try:
        version = int(str(document.get("version")))
    except ValueError:
        return 1
    return version if version > 0 else 1


def read_reference(value: Json) -> SecretReference | None:
    """Return a well-formed secret reference, or None."""
    if not is_object(value):
        return None
    source, provider, name = value.get("source"), value.get("provider"), value.get("id")
    if not isinstance(source, str) or not isinstance(provider, str) or not isinstance(name, str):
        return None
    grammar = _REFERENCE_IDS.get(source)
    if grammar is None or not _REFERENCE_PROVIDER.fullmatch(provider) or not grammar.fullmatch(name):
        return None
    return SecretReference(source, provider, name)


def _coerced(profiles: JsonObject) -> Record:
    found: Record = {}
    for profile_id, raw in profiles.items():
        record = canonical_record(raw)
        if not isinstance(record, FindingCode):
            found[profile_id] = _known_to_upstream(record)
    return found


def _known_to_upstream(record: Record) -> Record:
    if record["type"] != Kind.OAUTH:
        return record
    return {name: value for name, value in record.items() if name in LOGIN_FIELDS}


def _kind_of(raw: JsonObject) -> Kind | None:
    named = raw.get("type") if isinstance(raw.get("type"), str) else raw.get("mode")
    if named == "apiKey":
        return Kind.API_KEY
    return Kind(named) if isinstance(named, str) and named in set(Kind) else None


def _without_alias(raw: JsonObject) -> Record:
    record = dict(raw)
    if not isinstance(record.get("type"), str):
        record.pop("mode", None)
    if "key" not in record and "apiKey" in record:
        record["key"] = record.pop("apiKey")
    return record


def _with_secrets(record: Record, kind: Kind) -> Record:
    if kind in REFERENCE_FIELDS:
        _settle_reference(record, SECRET_FIELDS[kind][0], REFERENCE_FIELDS[kind])
    for name in SECRET_FIELDS[kind]:
        if name in record and not isinstance(record[name], str):
            del record[name]
    if kind is not Kind.API_KEY and "expires" in record:
        record["expires"] = _coerced_expiry(record["expires"])
    return record


def _settle_reference(record: Record, inline: str, pointer: str) -> None:
    """An object in the place of the secret is a reference; a reference beside a secret wins over it."""
    if pointer not in record and is_object(record.get(inline)):
        record[pointer] = record.pop(inline)
    if pointer in record and read_reference(record[pointer]) is None:
        del record[pointer]
    if pointer in record:
        record.pop(inline, None)


def _coerced_expiry(value: Json) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return value if math.isfinite(value) and value > 0 else 0


def _is_state(key: str, value: Json) -> bool:
    if key == "order":
        return is_array(value)
    return is_object(value) if key == "usageStats" else isinstance(value, str)


_REFERENCE_PROVIDER: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_ENVIRONMENT_ID: Final = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
EXEC_ID: Final = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[A-Za-z0-9][A-Za-z0-9._:/#-]{0,255}")
_REFERENCE_IDS: Final[Mapping[str, re.Pattern[str]]] = {
    "env": _ENVIRONMENT_ID,
    "store": _ENVIRONMENT_ID,
    "exec": EXEC_ID,
    "file": re.compile(r"value|(?:/[^\x00-\x1f]*)+"),
}
