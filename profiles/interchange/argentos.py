"""Read ArgentOS stores: the shape its code writes, and the flat map that its documentation shows. PURE.

Only the first is ever written again: the documented one would not parse there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from profiles.interchange.openclaw import parse_openclaw, read_entries
from profiles.interchange.store import Json, JsonObject, ParsedStore, is_object, unreadable
from profiles.references import DEFAULT_NAME


def parse_argentos(document: Json) -> ParsedStore:
    """Return the store of either shape; ``providerStats`` is kept among the unknown parts."""
    if not is_object(document):
        return unreadable("The file is not an object.")
    if "profiles" in document:
        return parse_openclaw(document)
    profiles = [(_profile_id(name), _record(name, raw)) for name, raw in document.items()]
    entries, findings = read_entries(profiles)
    return ParsedStore(entries=entries, findings=findings)


def _profile_id(name: str) -> str:
    return name if ":" in name else f"{name}:{DEFAULT_NAME}"


def _record(name: str, raw: Json) -> Json:
    if not is_object(raw):
        return raw
    record = {_FIELD_NAMES.get(field, field): value for field, value in raw.items() if field not in _SECRET_NAMES}
    kind = _KIND_NAMES.get(str(raw.get("type")), raw.get("type"))
    slot = "key" if kind == "api_key" else "token"
    secret = _secret(raw)
    return {
        **record,
        "type": kind,
        "provider": raw.get("provider", name.partition(":")[0]),
        **({} if secret is None else {slot: secret}),
    }


def _secret(raw: JsonObject) -> Json:
    return next((raw[name] for name in _SECRET_NAMES if name in raw), None)


_SECRET_NAMES: Final = ("token", "key", "apiKey")
_FIELD_NAMES: Final[Mapping[str, str]] = {"label": "displayName"}
_KIND_NAMES: Final[Mapping[str, str]] = {"api-key": "api_key", "apiKey": "api_key", "setup-token": "token"}
