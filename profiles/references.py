"""Names people type: profile ids, provider names, and a model with a pinned profile behind ``@``. PURE.

Refuses nothing: text that holds no usable name gives the default name, text without a pin gives none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_NAME: Final = "default"


class Strategy(StrEnum):
    """Which upstream generation's rules apply: 2026.1 to 2026.4, or 2026.9."""

    CLASSIC = "classic"
    CURRENT = "current"


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model as typed and the profile it was pinned to, if any."""

    model: str
    profile_id: str | None


def parse_model_reference(text: str) -> ModelReference:
    """Split ``model@profile`` at the first ``@`` behind the last ``/`` that opens neither a date nor a quantisation."""
    reference = text.strip()
    at = _pin_position(reference)
    if at is None:
        return ModelReference(reference, None)
    model, profile_id = reference[:at].strip(), reference[at + 1 :].strip()
    if not model or not profile_id:
        return ModelReference(reference, None)
    return ModelReference(model, profile_id)


def profile_id_for(provider: str, name: str) -> str:
    """Return ``provider:name`` with the name reduced to ``[a-z0-9._-]``, or ``default`` when nothing is left."""
    slug = _OUTSIDE_SLUG.sub("-", name.strip().lower()).strip("-")
    return f"{provider.strip().lower()}:{slug or DEFAULT_NAME}"


def normalise_provider(provider: str, strategy: Strategy) -> str:
    """Return the provider id that names are compared by; only the classic generation knows aliases."""
    lowered = provider.strip().lower()
    if strategy is Strategy.CLASSIC:
        return CLASSIC_ALIASES.get(lowered, lowered)
    return lowered


def is_deprecated_profile_id(profile_id: str) -> bool:
    """Return whether the id mirrors another program's login; upstream's doctor removes those."""
    return profile_id.endswith(("-cli", ":cli"))


def is_personal_profile_id(profile_id: str) -> bool:
    """Return whether the id belongs to one person on one machine; such profiles never travel."""
    return profile_id.startswith("personal:")


def _pin_position(reference: str) -> int | None:
    start = reference.rfind("/") + 1
    while (at := reference.find("@", start)) != -1:
        if not _MODEL_SUFFIX.match(reference, at + 1):
            return at
        start = at + 1
    return None


CLASSIC_ALIASES: Final[Mapping[str, str]] = {
    "z.ai": "zai",
    "z-ai": "zai",
    "opencode-zen": "opencode",
    "qwen": "qwen-portal",
}
_OUTSIDE_SLUG: Final = re.compile(r"[^a-z0-9._-]+")
_MODEL_SUFFIX: Final = re.compile(r"(?:[0-9]{8}|i?q[0-9]+(?:_[a-z0-9]+)*|[0-9]+bit)(?=@|$)", re.IGNORECASE)
