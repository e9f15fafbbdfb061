"""Read the credential store of clawdbot, OpenSoul and openclaw: one JSON shape in three containers. PURE.

The shape has not changed between the eras: state inside the file, state in ``auth-state.json`` beside it, or both as
rows whose JSON is passed in here. Keys nobody knows are kept for the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from profiles.interchange.coercion import STATE_KEYS, store_version
from profiles.interchange.entries import read_entry
from profiles.interchange.store import (
    Finding,
    FindingCode,
    Json,
    JsonObject,
    ParsedEntry,
    ParsedStore,
    ParsedUsage,
    Severity,
    is_array,
    is_object,
    unreadable,
)
from profiles.interchange.usage import usage_from_json
from profiles.references import is_personal_profile_id


def parse_openclaw(document: Json, state: Json = None) -> ParsedStore:
    """Return the store; ``state`` is the decoded ``auth-state.json`` or state row, and wins over state in the file."""
    if not is_object(document) or not is_object(profiles := document.get("profiles")):
        return unreadable("The file has no object named profiles.")
    if state is not None and not is_object(state):
        return unreadable("The state file is not an object.")
    merged = {**document, **{key: value for key, value in (state or {}).items() if key in STATE_KEYS}}
    entries, findings = read_entries(profiles.items())
    findings += _state_findings(merged, frozenset(profiles))
    return ParsedStore(
        entries=entries,
        order=_order(merged.get("order")),
        usage=_usage(merged.get("usageStats")),
        last_good=_last_good(merged.get("lastGood")),
        unknown_top_level={key: value for key, value in merged.items() if key not in _KNOWN_KEYS},
        findings=findings,
        version=store_version(document),
    )


def read_entries(profiles: Iterable[tuple[str, Json]]) -> tuple[tuple[ParsedEntry, ...], tuple[Finding, ...]]:
    """Return every importable entry in stored order and all findings; of two entries with one id the first is kept."""
    entries: dict[str, ParsedEntry] = {}
    findings: list[Finding] = []
    for profile_id, raw in profiles:
        entry, found = read_entry(profile_id, raw)
        findings += found
        if profile_id in entries:
            detail = "Two entries of the file have this id."
            findings.append(Finding(profile_id, FindingCode.SHADOWED, Severity.ERROR, detail))
        elif entry is not None:
            entries[profile_id] = entry
    return tuple(entries.values()), tuple(findings)


def _order(value: Json) -> Mapping[str, tuple[str, ...]] | None:
    if not is_object(value):
        return None
    lists = {provider: ids for provider, ids in value.items() if is_array(ids)}
    return {provider: tuple(each for each in ids if isinstance(each, str)) for provider, ids in lists.items()}


def _usage(value: Json) -> Mapping[str, ParsedUsage] | None:
    if not is_object(value):
        return None
    return {
        profile_id: ParsedUsage(usage_from_json(record), record)
        for profile_id, record in value.items()
        if is_object(record) and not is_personal_profile_id(profile_id)
    }


def _last_good(value: Json) -> Mapping[str, str] | None:
    if not is_object(value):
        return None
    return {provider: profile_id for provider, profile_id in value.items() if isinstance(profile_id, str)}


def _state_findings(merged: JsonObject, stored: frozenset[str]) -> tuple[Finding, ...]:
    found = [_invalid_state(key) for key in STATE_KEYS if key in merged and not _is_sound(key, merged[key])]
    found += [
        Finding(profile_id, FindingCode.DANGLING_ORDER, Severity.WARNING, f"The order of {provider} names no profile.")
        for provider, ids in (_order(merged.get("order")) or {}).items()
        for profile_id in dict.fromkeys(ids)
        if profile_id not in stored
    ]
    unknown = [key for key in merged if key not in _KNOWN_KEYS]
    if unknown:
        detail = f"{len(unknown)} part(s) of the file are not known here and are kept for export."
        found.append(Finding(None, FindingCode.UNKNOWN_TOP_LEVEL, Severity.INFO, detail))
    return tuple(found)


def _invalid_state(key: str) -> Finding:
    return Finding(None, FindingCode.INVALID_STATE, Severity.WARNING, f"Parts of {key} are malformed and left out.")


def _is_sound(key: str, value: Json) -> bool:
    if not is_object(value):
        return False
    return all(_is_sound_item(key, each) for each in value.values())


def _is_sound_item(key: str, value: Json) -> bool:
    if key == "order":
        return is_array(value) and all(isinstance(each, str) for each in value)
    return is_object(value) if key == "usageStats" else isinstance(value, str)


_KNOWN_KEYS = frozenset({"version", "profiles", *STATE_KEYS})
