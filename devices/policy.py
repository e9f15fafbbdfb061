"""What an environment may decide about its devices: thresholds, ceilings, privacy; read from stored data. PURE.

Refuses unknown names, values out of bounds and ceilings that would reach what no device may ever hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta

from authsvc.web.problems import ValidationFailed
from devices.history import DEFAULT_THRESHOLDS, TrustThresholds
from devices.trust import Ceiling, TrustLevel

LONGEST_SECONDS = 366 * 86_400
LARGEST_COUNT = 10_000
PATTERNS_PER_CEILING = 100
CEILING_LEVELS = {"1": TrustLevel.BASIC, "2": TrustLevel.VERIFIED, "3": TrustLevel.TRUSTED}


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules one environment applies to its devices."""

    thresholds: TrustThresholds = DEFAULT_THRESHOLDS
    ceilings: Mapping[TrustLevel, Ceiling] = field(default_factory=dict)
    chosen_secret_limit: TrustLevel = TrustLevel.VERIFIED
    store_ip: bool = True
    store_user_agent: bool = True
    store_transcripts: bool = True  # for gateways that ask for it as a claim; nothing of either passes here
    store_audio: bool = False


DEFAULT_POLICY = Policy()


def read_thresholds(stored: Mapping[str, object]) -> TrustThresholds:
    """Return the defaults with what is stored; times are whole seconds. Raises ``ValidationFailed`` by name."""
    kinds = {each.name: type(getattr(DEFAULT_THRESHOLDS, each.name)) for each in fields(TrustThresholds)}
    errors: dict[str, list[str]] = {}
    changed: dict[str, object] = {}
    for name, value in stored.items():
        kind = kinds.get(name)
        if (kind is bool and isinstance(value, bool)) or (kind is int and _is_whole(value, LARGEST_COUNT)):
            changed[name] = value
        elif kind is timedelta and _is_whole(value, LONGEST_SECONDS):
            changed[name] = timedelta(seconds=int(str(value)))
        else:
            errors[f"thresholds.{name[:50]}"] = ["Unknown threshold." if kind is None else "Not a possible value."]
    if changed.get("burst_failures") == 0:
        errors["thresholds.burst_failures"] = ["At least 1."]
    if errors:
        raise ValidationFailed(errors=errors)
    return replace(DEFAULT_THRESHOLDS, **changed)  # type: ignore[arg-type]  # each value was matched to its kind


def read_ceilings(stored: Mapping[str, object]) -> dict[TrustLevel, Ceiling]:
    """Return the ceilings of the levels ``"1"`` to ``"3"`` that are stored; raises ``ValidationFailed`` by level."""
    errors, ceilings = {}, {}
    for name, document in stored.items():
        level = CEILING_LEVELS.get(name)
        parts = _patterns(document)
        if level is None or parts is None:
            errors[f"ceilings.{name[:50]}"] = ["Give own, refused and gateway_actions, each a list of patterns."]
        else:
            ceilings[level] = Ceiling(**parts)
    if errors:
        raise ValidationFailed(errors=errors)
    return ceilings


def _patterns(document: object) -> dict[str, tuple[str, ...]] | None:
    if not isinstance(document, dict) or not set(document) <= {"own", "refused", "gateway_actions"}:
        return None
    parts = {}
    for name, patterns in document.items():
        if not isinstance(patterns, list) or len(patterns) > PATTERNS_PER_CEILING:
            return None
        if not all(isinstance(text, str) and 0 < len(text) <= 255 for text in patterns):
            return None
        parts[name] = tuple(patterns)
    return parts


def _is_whole(value: object, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest
