"""Read agtOS's sealed provider keys with the secret and salt they were sealed under. PURE.

The file maps provider names to ``{iv, tag, encrypted}`` (hex or base64, under any of the names in use) or to one text
``iv:tag:encrypted``; a record may bring a salt of its own. A record that does not open stops the whole import.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Final

from authsvc.vault.foreign import ForeignKeys, read_salt
from profiles.interchange.openclaw import read_entries
from profiles.interchange.store import (
    Finding,
    FindingCode,
    Json,
    JsonObject,
    ParsedStore,
    Severity,
    is_object,
    unreadable,
)
from profiles.providers import SETUP_TOKEN_PREFIX
from profiles.references import profile_id_for

MAXIMUM_RECORDS: Final = 50
PROVIDERS: Final[Mapping[str, str]] = {"claude": "anthropic"}
WRAPPERS: Final = ("credentials", "providers")
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "nonce": ("iv", "nonce"),
    "tag": ("tag", "authTag"),
    "blob": ("encrypted", "ciphertext", "data", "value"),
}
PLAIN_NAMES: Final = ("apiKey", "key", "token", "value")


def parse_agtos(document: Json, keys: ForeignKeys, salt: bytes) -> ParsedStore:
    """Return one entry per provider, ``provider:default``."""
    records = _records(document)
    if not records or len(records) > MAXIMUM_RECORDS:
        return unreadable("The file is not a map from providers to sealed keys.")
    opened = {name: _opened(name, raw, keys, salt) for name, raw in records.items()}
    entries, findings = read_entries(
        [(profile_id_for(_provider(name), ""), _record(name, text)) for name, text in opened.items() if text]
    )
    return ParsedStore(
        entries=entries, findings=(*findings, *(_unopened(name) for name, text in opened.items() if not text))
    )


def _records(document: Json) -> JsonObject | None:
    if not is_object(document):
        return None
    inner = next((document[name] for name in WRAPPERS if is_object(document.get(name))), document)
    return inner if is_object(inner) and all(is_object(raw) or isinstance(raw, str) for raw in inner.values()) else None


def _opened(name: str, raw: Json, keys: ForeignKeys, salt: bytes) -> str | None:
    parts = _parts(raw)
    try:
        own = read_salt(str(raw["salt"])) if is_object(raw) and raw.get("salt") else salt
        nonce, tag, blob = (_bytes(part) for part in parts)
        plain = keys.open(own, nonce, blob + tag, name)
        return None if plain is None else _value(plain.decode())
    except ValueError:
        return None


def _parts(raw: Json) -> tuple[str, str, str]:
    if isinstance(raw, str):
        nonce, _, rest = raw.partition(":")
        tag, _, blob = rest.partition(":")
        return nonce, tag, blob
    record = raw if is_object(raw) else {}
    nonce, tag, blob = (next((str(record[each]) for each in names if record.get(each)), "") for names in NAMES.values())
    return nonce, tag, blob


def _bytes(text: str) -> bytes:
    """Return the bytes of hex or base64 text; hex where it can be both, as the file's writer would have it."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError("Neither hex nor base64.") from error


def _value(text: str) -> str | None:
    """Return the key itself: the whole text, or the field of an object that holds it."""
    try:
        document: Json = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not is_object(document):
        return text
    return next((str(document[name]) for name in PLAIN_NAMES if document.get(name)), None)


def _provider(name: str) -> str:
    return PROVIDERS.get(name.lower(), name.lower())


def _record(name: str, text: str) -> Json:
    if text.startswith(SETUP_TOKEN_PREFIX):
        return {"type": "token", "provider": _provider(name), "token": text}
    return {"type": "api_key", "provider": _provider(name), "key": text}


def _unopened(name: str) -> Finding:
    detail = "This record does not open with the given passphrase and salt."
    return Finding(profile_id_for(_provider(name), ""), FindingCode.NOT_OPENED, Severity.ERROR, detail)
