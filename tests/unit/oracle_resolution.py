"""A second opinion on resolution: slow, works on upstream's JSON, shares no code with ``profiles``.

Orders by repeatedly picking the profile that no other one must precede, and answers ``(chosen, order, failure)``.
"""

from __future__ import annotations

import math
from typing import Any

ALIASES = {"z.ai": "zai", "z-ai": "zai", "opencode-zen": "opencode", "qwen": "qwen-portal"}
SHELL_STARTS = ("npx ", "openclaw ", "export ", "echo ")


class Oracle:
    """One case under one generation (``classic`` or ``current``)."""

    def __init__(self, case: dict[str, Any], generation: str) -> None:
        self.case = case
        self.is_current = generation == "current"
        self.now = case["now"]
        self.records: dict[str, dict[str, Any]] = case["store"]["profiles"]
        self.config: dict[str, Any] = case["auth"].get("profiles", {})
        self.provider = self.name(case["provider"])

    def name(self, provider: str) -> str:
        low = provider.lower()
        return low if self.is_current or low not in ALIASES else ALIASES[low]

    def answer(self) -> tuple[str | None, list[str], str | None]:
        """Return what ``choose`` has to say about the case."""
        base, is_written = self.base()
        permitted = [p for p in base if self.access(p) is None]
        kind = self.case.get("preferredKind")
        if kind and not is_written:
            healthy = [p for p in permitted if not self.rest(p)]
            permitted = (
                [p for p in healthy if self.records[p]["type"] == kind]
                + [p for p in healthy if self.records[p]["type"] != kind]
                + [p for p in permitted if self.rest(p)]
            )
        permitted = self.first(permitted, self.case.get("preferredProfile"))
        pin = self.case.get("pin")
        if pin and (pin["source"] == "user" or (pin["id"] in self.records and not self.rest(pin["id"]))):
            permitted = self.first(permitted, pin["id"])
        failure = self.failure(base, permitted)
        healthy = [p for p in permitted if not self.rest(p)]
        return (None if failure else healthy[0]), permitted, failure

    def failure(self, base: list[str], permitted: list[str]) -> str | None:
        pin = self.case.get("pin")
        if pin and pin["source"] == "user":
            if pin["id"] in base and self.access(pin["id"]) == "access":
                return "forbidden"
            return None if pin["id"] in permitted and not self.rest(pin["id"]) else "pin_unavailable"
        if any(not self.rest(p) for p in permitted):
            return None
        if permitted:
            return "all_in_cooldown"
        return "forbidden" if any(self.access(p) == "access" for p in base) else "no_credentials"

    def upstream(self) -> list[str]:
        """Return what upstream's order function answers."""
        return self.first(self.base()[0], self.case.get("preferredProfile"))

    def base(self) -> tuple[list[str], bool]:
        key = self.case["provider"]
        stored = self.case["store"].get("order", {}).get(key)
        written = stored if stored is not None else self.case["auth"].get("order", {}).get(key)
        routed = [p for p, entry in self.config.items() if self.name(entry["provider"]) == self.provider]
        everything = [p for p, record in self.records.items() if self.name(record["provider"]) == self.provider]
        start = written if written is not None else routed or everything
        kept = [p for p in start if self.fits(p)]
        is_written = bool(written)
        gone = bool(start) and not [p for p in start if p in self.records]
        if self.is_current and gone and (stored is not None or routed):
            kept, is_written = [p for p in everything if self.fits(p)], False
        unique: list[str] = []
        for p in kept:
            if p not in unique:
                unique.append(p)
        return self.arrange(unique, is_written), is_written

    def arrange(self, ids: list[str], is_written: bool) -> list[str]:
        left, out = list(ids), []
        while left:
            leader = left[0]
            for other in left[1:]:
                if self.precedes(other, leader, is_written):
                    leader = other
            left.remove(leader)
            out.append(leader)
        return out

    def precedes(self, a: str, b: str, is_written: bool) -> bool:
        """Return whether a must come before b although it stands behind it."""
        rest_a, rest_b = self.rest(a), self.rest(b)
        if rest_a != rest_b:
            return rest_a < rest_b
        if is_written:
            return False
        for weigh in (self.weight, self.staleness, self.age):
            if weigh(a) != weigh(b):
                return weigh(a) < weigh(b)
        return False

    def weight(self, p: str) -> int:
        return ["oauth", "token", "api_key"].index(self.records[p]["type"])

    def staleness(self, p: str) -> int:
        record = self.records[p]
        if not self.is_current or record["type"] != "oauth":
            return 0
        expires = record.get("expires")
        is_fresh = bool((record.get("access") or "").strip()) and self.is_moment(expires) and expires > self.now
        return 0 if is_fresh else 1

    def age(self, p: str) -> int:
        return int(self.usage(p).get("lastUsed", 0))

    def usage(self, p: str) -> dict[str, Any]:
        found: dict[str, Any] = self.case["store"].get("usageStats", {}).get(p, {})
        return found

    def rest(self, p: str) -> int:
        """Return when p recovers, 0 when it is fit."""
        if self.is_current and self.name(self.records[p]["provider"]) in ("openrouter", "kilocode"):
            return 0
        usage, model = self.usage(p), self.case.get("model")
        ends = [usage.get("disabledUntil", 0), usage.get("blockedUntil", 0)]
        other = usage.get("cooldownModel")
        if not (self.is_current and other and model and other != model):
            ends.append(usage.get("cooldownUntil", 0))
        last = max(ends)
        return last if last > self.now else 0

    def fits(self, p: str) -> bool:
        record = self.records.get(p)
        if record is None or self.name(record["provider"]) != self.provider:
            return False
        if p in self.config:
            if self.name(self.config[p]["provider"]) != self.provider:
                return False
            pair = (self.config[p]["mode"], record["type"])
            if pair[0] != pair[1] and pair != ("oauth", "token"):
                return False
        return bool(getattr(self, "fits_" + record["type"])(record))

    def fits_api_key(self, record: dict[str, Any]) -> bool:
        key = record.get("key") or ""
        return bool(key.strip()) and not (self.is_current and key.startswith(SHELL_STARTS))

    def fits_token(self, record: dict[str, Any]) -> bool:
        if not (record.get("token") or "").strip():
            return False
        if "expires" not in record:
            return True
        expires = record["expires"]
        if self.is_moment(expires):
            return bool(expires > self.now)
        return not self.is_current

    def fits_oauth(self, record: dict[str, Any]) -> bool:
        return any((record.get(field) or "").strip() for field in ("access", "refresh"))

    @staticmethod
    def is_moment(value: object) -> bool:
        return isinstance(value, int | float) and math.isfinite(value) and 0 < value <= 8.64e15

    def access(self, p: str) -> str | None:
        rule = self.case.get("access", {}).get(p, {})
        if rule.get("minimum_trust", 0) > self.case.get("trust", 0):
            return "access"
        for limit, given in (("channels", "channel"), ("gateways", "gateway")):
            if limit in rule and self.case.get(given) not in rule[limit]:
                return "access"
        for demand in self.case.get("require", ()):
            if demand == "prompt_caching" and self.records[p]["type"] != "api_key":
                return "demand"
            if demand == "subscription":  # the random stores leave billing at its default, metered
                return "demand"
        return None

    @staticmethod
    def first(ids: list[str], leader: str | None) -> list[str]:
        return [leader] + [p for p in ids if p != leader] if leader is not None and leader in ids else ids
