"""Usage statistics in upstream's JSON and back, without losing fields that only upstream knows. PURE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from profiles.backoff import UsageStats
from profiles.interchange.store import Json, JsonObject, ParsedUsage, is_object

FOREIGN_NAMES: Final[Mapping[str, str]] = {
    "last_used_ms": "lastUsed",
    "error_count": "errorCount",
    "last_failure_at_ms": "lastFailureAt",
    "failure_counts": "failureCounts",
    "cooldown_until_ms": "cooldownUntil",
    "cooldown_reason": "cooldownReason",
    "cooldown_model": "cooldownModel",
    "disabled_until_ms": "disabledUntil",
    "disabled_reason": "disabledReason",
    "blocked_until_ms": "blockedUntil",
    "blocked_reason": "blockedReason",
}
_COUNTS: Final = "failureCounts"


def usage_from_json(document: JsonObject) -> UsageStats:
    """Return the typed statistics; a field of the wrong type counts as absent."""
    return UsageStats(
        last_used_ms=_whole(document.get("lastUsed")),
        error_count=_whole(document.get("errorCount")) or 0,
        last_failure_at_ms=_whole(document.get("lastFailureAt")),
        failure_counts=_counts(document.get(_COUNTS)),
        cooldown_until_ms=_whole(document.get("cooldownUntil")),
        cooldown_reason=_text(document.get("cooldownReason")),
        cooldown_model=_text(document.get("cooldownModel")),
        disabled_until_ms=_whole(document.get("disabledUntil")),
        disabled_reason=_text(document.get("disabledReason")),
        blocked_until_ms=_whole(document.get("blockedUntil")),
        blocked_reason=_text(document.get("blockedReason")),
    )


def usage_to_json(usage: ParsedUsage) -> dict[str, Json]:
    """Return the foreign record: what changed since it was read is rewritten, everything else stays as it was."""
    document = dict(usage.document)
    before = usage_from_json(usage.document)
    for each in fields(UsageStats):
        value: Json = getattr(usage.stats, each.name)
        if value == getattr(before, each.name):
            continue
        document.pop(FOREIGN_NAMES[each.name], None)
        if value is not None:
            document[FOREIGN_NAMES[each.name]] = value
    return document


def known_usage_to_json(stats: UsageStats) -> dict[str, Json]:
    """Return only the fields we know, for files that must not carry anything unexamined."""
    return usage_to_json(ParsedUsage(stats))


def _whole(value: Json) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value > 0 else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _counts(value: Json) -> dict[str, int]:
    if not is_object(value):
        return {}
    return {name: count for name, raw in value.items() if (count := _whole(raw)) is not None}
