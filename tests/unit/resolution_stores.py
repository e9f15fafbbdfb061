"""Foreign stores as resolution input: candidates and requests from upstream's JSON, and random stores from a seed.

Holds no rule of its own beyond reading fields, so that a vector and the oracle see the same store.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from profiles.backoff import UsageStats
from profiles.candidates import Candidate, ConfiguredProfile, Pin, PinSource, Requirement, ResolutionRequest
from profiles.expiry import read_expiry
from profiles.providers import Kind, has_prompt_caching, looks_like_shell_command
from profiles.references import Strategy

VECTORS = Path(__file__).parent.parent / "vectors"
NOW = 1_800_000_000_000
SECRET_FIELDS = {"api_key": "key", "token": "token", "oauth": "access"}


def load_vectors(name: str) -> Any:
    """Return the decoded vector file of the openclaw family."""
    return json.loads((VECTORS / "openclaw" / name).read_text())


def candidate_of(profile_id: str, record: dict[str, Any], usage: dict[str, Any], access: dict[str, Any]) -> Candidate:
    """Return the candidate for one stored record."""
    secret = (record.get(SECRET_FIELDS[record["type"]]) or "").strip()
    return Candidate(
        profile_id,
        record["provider"],
        Kind(record["type"]),
        has_secret=bool(secret),
        has_refresh=bool((record.get("refresh") or "").strip()),
        expiry=read_expiry(record),
        has_unresolved_reference="oauthRef" in record,
        is_malformed=looks_like_shell_command(secret),
        usage=stats_of(usage),
        minimum_trust=access.get("minimum_trust", 0),
        allowed_channels=_frozen(access.get("channels")),
        allowed_gateways=_frozen(access.get("gateways")),
        prompt_caching=has_prompt_caching(Kind(record["type"])),
    )


def stats_of(usage: dict[str, Any]) -> UsageStats:
    """Return the typed statistics of a foreign usage record."""
    return UsageStats(
        last_used_ms=usage.get("lastUsed"),
        error_count=usage.get("errorCount", 0),
        cooldown_until_ms=usage.get("cooldownUntil"),
        cooldown_model=usage.get("cooldownModel"),
        disabled_until_ms=usage.get("disabledUntil"),
        disabled_reason=usage.get("disabledReason"),
        blocked_until_ms=usage.get("blockedUntil"),
    )


def candidates_of(case: dict[str, Any]) -> list[Candidate]:
    """Return the candidates of a case in the order in which they are stored."""
    usage = case["store"].get("usageStats", {})
    access = case.get("access", {})
    return [
        candidate_of(profile_id, record, usage.get(profile_id, {}), access.get(profile_id, {}))
        for profile_id, record in case["store"]["profiles"].items()
    ]


def request_of(case: dict[str, Any], strategy: Strategy) -> ResolutionRequest:
    """Return the request of a case: a stored order goes before a configured one."""
    provider, stored, auth = case["provider"], case["store"].get("order", {}), case["auth"]
    order = stored.get(provider, auth.get("order", {}).get(provider))
    pin = case.get("pin")
    return ResolutionRequest(
        provider=provider,
        now_ms=case["now"],
        strategy=strategy,
        explicit_order=None if order is None else tuple(order),
        is_stored_order=provider in stored,
        configured=tuple(
            ConfiguredProfile(profile_id, entry["provider"], entry["mode"])
            for profile_id, entry in auth.get("profiles", {}).items()
        ),
        preferred_profile=case.get("preferredProfile"),
        pin=Pin(pin["id"], PinSource(pin["source"])) if pin else None,
        model=case.get("model"),
        require=frozenset(Requirement(word) for word in case.get("require", ())),
        trust_level=case.get("trust", 0),
        channel=case.get("channel"),
        gateway=case.get("gateway"),
        preferred_kind=Kind(case["preferredKind"]) if "preferredKind" in case else None,
    )


def random_case(seed: int) -> dict[str, Any]:
    """Return a reproducible random store with a request that exercises every rule."""
    dice = random.Random(seed)
    provider = dice.choice(["anthropic", "anthropic", "openai", "openrouter", "zai"])
    ids = [f"{provider}:p{n}" for n in range(dice.randint(0, 6))]
    some = [*ids, "ghost:1", "ghost:2"]
    case: dict[str, Any] = {
        "now": NOW,
        "provider": dice.choice([provider, provider.upper()]) if dice.random() < 0.1 else provider,
        "auth": {},
        "store": {
            "profiles": {each: _random_record(dice, provider) for each in ids},
            "usageStats": {each: _random_usage(dice) for each in ids if dice.random() < 0.8},
        },
        "access": {each: _random_access(dice) for each in ids if dice.random() < 0.3},
        "trust": dice.randint(0, 3),
    }
    if dice.random() < 0.3:
        case["store"]["order"] = {case["provider"]: _some(dice, some)}
    if dice.random() < 0.3:
        case["auth"]["order"] = {case["provider"]: _some(dice, some)}
    if dice.random() < 0.3:
        case["auth"]["profiles"] = {each: _random_mode(dice, provider) for each in _some(dice, some)}
    for name, values in _OPTIONS.items():
        if dice.random() < 0.3:
            case[name] = dice.choice(values)
    if dice.random() < 0.3:
        case["preferredProfile"] = dice.choice(some)
    if dice.random() < 0.3:
        case["pin"] = {"id": dice.choice(some), "source": dice.choice(["user", "auto"])}
    return case


_OPTIONS: dict[str, list[Any]] = {
    "model": ["m1", "m2"],
    "channel": ["telegram", "discord"],
    "gateway": ["g1", "g2"],
    "preferredKind": ["api_key", "token", "oauth"],
    "require": [["prompt_caching"], ["subscription"], ["metered"]],
}


def _random_record(dice: random.Random, provider: str) -> dict[str, Any]:
    kind = dice.choice(["api_key", "token", "oauth"])
    record: dict[str, Any] = {"type": kind, "provider": provider}
    if provider == "zai" and dice.random() < 0.5:
        record["provider"] = "z.ai"
    if dice.random() < 0.1:
        record["provider"] = "elsewhere"
    if dice.random() < 0.85:
        record[SECRET_FIELDS[kind]] = dice.choice(["secret", "secret", "secret", "npx openclaw onboard", "", "  "])
    if kind == "oauth" and dice.random() < 0.6:
        record["refresh"] = dice.choice(["refresh", "", " "])
    if kind == "oauth" and dice.random() < 0.1:
        record["oauthRef"] = {"source": "x"}
    if dice.random() < 0.6:
        record["expires"] = dice.choice([NOW, NOW - 1, NOW + 1, NOW + 1000, 0, -5, "soon", None, 8.64e15, 8.65e15])
    return record


def _random_usage(dice: random.Random) -> dict[str, Any]:
    usage: dict[str, Any] = {}
    moments = [NOW - 5, NOW, NOW + 5, NOW + 50, NOW + 500]
    if dice.random() < 0.8:
        usage["lastUsed"] = NOW - dice.randint(1, 4)
    if dice.random() < 0.4:
        usage["cooldownUntil"] = dice.choice(moments)
        if dice.random() < 0.4:
            usage["cooldownModel"] = dice.choice(["m1", "m2"])
    if dice.random() < 0.2:
        usage |= {"disabledUntil": dice.choice(moments), "disabledReason": "billing"}
    if dice.random() < 0.1:
        usage["blockedUntil"] = dice.choice(moments)
    return usage


def _random_access(dice: random.Random) -> dict[str, Any]:
    access: dict[str, Any] = {"minimum_trust": dice.randint(0, 3)}
    if dice.random() < 0.3:
        access["channels"] = dice.choice([["telegram"], []])
    if dice.random() < 0.3:
        access["gateways"] = ["g1"]
    return access


def _random_mode(dice: random.Random, provider: str) -> dict[str, str]:
    named = provider if dice.random() < 0.9 else "elsewhere"
    return {"provider": named, "mode": dice.choice(["oauth", "token", "api_key", "aws-sdk"])}


def _some(dice: random.Random, ids: list[str]) -> list[str]:
    return [dice.choice(ids) for _ in range(dice.randint(0, 5))]


def _frozen(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
