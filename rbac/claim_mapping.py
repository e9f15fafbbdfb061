"""Which further claims a gateway's tokens carry, and under which names. PURE.

A mapping is ``{claim: source}``. The four optional standard claims (``email``, ``name``, ``roles``, ``session_id``)
come from their own source alone; any other name, such as ``user_id``, may repeat any source. Refused: a claim that the
service itself writes, an unknown source, a name that is no plain word, more than 20 of them. Without a mapping a token
says nothing about a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from authsvc.web.problems import ValidationFailed

STANDARD = frozenset({"email", "name", "roles", "session_id"})
SOURCES = STANDARD | {
    "subject",
    "client_id",
    "audience",
    "tenant",
    "environment",
    "scopes",
    "trust_level",
    "device_id",
    "store_transcripts",
    "store_audio",
}
RESERVED = frozenset(
    {
        *("iss", "aud", "sub", "client_id", "jti", "iat", "nbf", "exp", "tenant", "env", "scope", "scopes"),
        *("trust_level", "device_id", "act", "cnf", "may_act", "auth_time", "acr", "amr", "azp"),
    }
)
CLAIM = re.compile(r"[A-Za-z][A-Za-z0-9_./:-]{0,99}\Z")
MAXIMUM_CLAIMS = 20

ClaimValue = str | int | list[str]  # a bool is an int


def checked_mapping(mapping: Mapping[str, str]) -> dict[str, str]:
    """Return the mapping; raises ``ValidationFailed`` on the field ``claims``."""
    faults = [fault for claim, source in mapping.items() if (fault := _fault(claim, source))]
    if len(mapping) > MAXIMUM_CLAIMS:
        faults.insert(0, f"At most {MAXIMUM_CLAIMS} claims.")
    if faults:
        raise ValidationFailed(errors={"claims": faults})
    return dict(mapping)


def mapped_claims(mapping: Mapping[str, str], values: Mapping[str, ClaimValue]) -> dict[str, ClaimValue]:
    """Return the claims a token carries besides ours; a source without a value leaves its claim out."""
    found = {claim: values.get(source, "") for claim, source in mapping.items()}
    return {claim: value for claim, value in found.items() if value not in ("", [])}


def _fault(claim: str, source: str) -> str:
    shown = claim[:100]
    if not CLAIM.match(claim):
        return f"{shown!r} is no claim name: a letter, then letters, digits and _ . / : -."
    if claim in RESERVED:
        return f"{shown} is written by the service itself."
    if source not in SOURCES:
        return f"{shown}: choose a source among {', '.join(sorted(SOURCES))}."
    if claim in STANDARD and claim != source:
        return f"{shown} comes from its own source alone."
    return ""
