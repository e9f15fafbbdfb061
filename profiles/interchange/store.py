"""The neutral form of a foreign credential store: entries, routing state and findings. PURE.

Secrets, and fields nobody knows (they may be secrets), travel in ``SecretText``. Reading never raises for one bad
entry: the entry is left out and a finding names it; a store with an ``error`` finding is not to be imported at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn, TypeAlias, TypeGuard

from authsvc.web.problems import BadRequest
from authsvc.web.secret_text import SecretText
from profiles.backoff import UsageStats
from profiles.expiry import Expiry
from profiles.providers import Kind

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = "Mapping[str, Json]"


class UnreadableStore(BadRequest):
    """The uploaded text is not JSON."""

    slug, title = "unreadable_store", "Unreadable store"
    default_detail = "The file is not valid JSON."
    default_hint = "The file may be cut off; export it again and upload the whole file."


class Severity(StrEnum):
    """Whether a finding stops the import, deserves a look, or merely informs."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class FindingCode(StrEnum):
    """What was found while reading or writing a foreign file; stable for ever."""

    UNREADABLE_STORE = "unreadable_store"
    NON_OBJECT = "non_object"
    INVALID_TYPE = "invalid_type"
    MISSING_PROVIDER = "missing_provider"
    REFRESH_FENCE = "refresh_fence"
    REFERENCE_ON_LOGIN = "reference_on_login"
    INVALID_REFERENCE = "invalid_reference"
    TOO_LONG = "too_long"
    UNSAFE_VALUE = "unsafe_value"
    SHADOWED = "shadowed"
    SUSPICIOUS_SHAPE = "suspicious_shape"
    MISSING_CREDENTIAL = "missing_credential"
    UNRESOLVED_REFERENCE = "unresolved_reference"
    INVALID_EXPIRES = "invalid_expires"
    DEPRECATED_PROFILE = "deprecated_profile"
    PERSONAL_PROFILE = "personal_profile"
    INVALID_STATE = "invalid_state"
    DANGLING_ORDER = "dangling_order"
    MALFORMED_LINE = "malformed_line"
    UNKNOWN_VARIABLE = "unknown_variable"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_TOP_LEVEL = "unknown_top_level"
    NOT_REFERENCEABLE = "not_referenceable"
    NOT_EXPORTED = "not_exported"
    NOT_OPENED = "not_opened"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark; ``detail`` is public and never holds a value of the file. ``profile_id`` None means the file."""

    profile_id: str | None
    code: FindingCode
    severity: Severity
    detail: str


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A pointer to a secret kept elsewhere; not itself secret."""

    source: str
    provider: str
    id: str

    def as_document(self) -> dict[str, Json]:
        """Return the upstream JSON form."""
        return {"source": self.source, "provider": self.provider, "id": self.id}


@dataclass(frozen=True, slots=True)
class ParsedEntry:
    """One credential: ``secrets`` by upstream field name (key, token, access, refresh, idToken).

    ``extras`` are known fields that are not secret; ``sealed_extras`` is the JSON text of all other fields.
    """

    profile_id: str
    provider: str
    kind: Kind
    secrets: Mapping[str, SecretText] = field(default_factory=dict)
    references: Mapping[str, SecretReference] = field(default_factory=dict)
    expires_at_ms: Expiry = None
    extras: JsonObject = field(default_factory=dict)
    sealed_extras: SecretText | None = None


@dataclass(frozen=True, slots=True)
class ParsedUsage:
    """Usage of one profile as typed statistics, beside the foreign record they were read from."""

    stats: UsageStats
    document: JsonObject = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ParsedStore:
    """A whole store; ``order`` and ``last_good`` are by provider, ``usage`` by profile id."""

    entries: tuple[ParsedEntry, ...] = ()
    order: Mapping[str, tuple[str, ...]] | None = None
    usage: Mapping[str, ParsedUsage] | None = None
    last_good: Mapping[str, str] | None = None
    unknown_top_level: JsonObject = field(default_factory=dict, repr=False)
    findings: tuple[Finding, ...] = ()
    version: int = 1

    @property
    def is_importable(self) -> bool:
        """Whether nothing in the file forbids taking it over."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)


def read_json(text: str) -> Json:
    """Decode JSON text strictly: no duplicate keys, no NaN; raise ``UnreadableStore`` otherwise."""
    try:
        value: Json = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableStore from error
    return value


def unreadable(detail: str) -> ParsedStore:
    """Return the empty store that says why nothing could be read."""
    return ParsedStore(findings=(Finding(None, FindingCode.UNREADABLE_STORE, Severity.ERROR, detail),))


def is_object(value: Json) -> TypeGuard[JsonObject]:
    """Return whether the value is a JSON object."""
    return isinstance(value, Mapping)


def is_array(value: Json) -> TypeGuard[Sequence[Json]]:
    """Return whether the value is a JSON array; a string is not one."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A key occurs twice.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON.")
