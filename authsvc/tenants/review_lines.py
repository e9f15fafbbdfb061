"""What a reviewed act would change, as lines a person reads, and one digest that binds an approval to them. PURE."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

VERSION = 1
MAXIMUM_TEXT = 2000


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """One thing that changes: what it is, how it stands now, how it would stand; empty means absent."""

    what: str
    before: str
    after: str


def digest_of(act: str, fields: Mapping[str, object], lines: Iterable[ReviewLine]) -> str:
    """Return 64 hex characters, equal exactly for the same act on the same state with the same outcome."""
    document = {"version": VERSION, "act": act, "fields": dict(fields), "lines": [asdict(line) for line in lines]}
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def shown(value: object) -> str:
    """Return a stored value as text for a line: lists one item a line, documents as sorted JSON, cut if very long."""
    if value is None or value == "":
        return ""
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        text = "\n".join(value)
    elif isinstance(value, list | tuple | dict):
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)
    else:
        text = str(value)
    if len(text) <= MAXIMUM_TEXT:
        return text
    rest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[:MAXIMUM_TEXT]}… ({len(text)} characters, {rest})"
