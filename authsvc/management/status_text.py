"""The status document as lines for people; no value of any credential is in it."""

from __future__ import annotations

from typing import Any

VERDICTS = {0: "fine", 1: "broken: expired or missing", 2: "expiring soon"}


def status_lines(document: dict[str, Any]) -> list[str]:
    """Return one environment's status, worst news with its remedy."""
    auth = document["auth"]
    lines = [f"{document['tenant']}/{document['environment']} (agent {document['agent']}): {_verdict(document)}"]
    for profile in auth["oauth"]["profiles"]:
        lines.append(f"  {profile['profileId']}: {profile['status']}{_left(profile['remainingMs'])}")
        if profile["recoveryHint"]:
            lines.append(f"    {profile['recoveryHint']}")
    lines += [
        f"  {each['profileId']}: {each['kind']} ({each['reason']}){_left(each['remainingMs'])} {each['recoveryHint']}"
        for each in auth["unusableProfiles"]
    ]
    lines += [f"  {provider}: no credential is stored" for provider in auth["missingProvidersInUse"]]
    lines += [f"  advice: {advice['detail']}" for advice in auth["advice"]]
    return lines


def _verdict(document: dict[str, Any]) -> str:
    return VERDICTS[int(document["check"])]


def _left(remaining_ms: int | None) -> str:
    if remaining_ms is None:
        return ""
    hours = abs(remaining_ms) // 3_600_000
    span = f"{hours // 24} d" if hours >= 48 else f"{hours} h {abs(remaining_ms) // 60_000 % 60} min"
    return f", {span} left" if remaining_ms > 0 else f", since {span}"
