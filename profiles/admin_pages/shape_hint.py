"""What can be told about a pasted value before it is stored; the value itself is never part of the answer."""

from __future__ import annotations

from dataclasses import dataclass

from profiles.models import ProviderEntry
from profiles.providers import CATALOGUE, Billing, Kind, billing_of, check_shape, env_name_for, has_prompt_caching
from profiles.services.providers import own_shape_of


@dataclass(frozen=True, slots=True)
class ShapeHint:
    """Whether the value has the shape of what it is meant to be, what is wrong, and facts about the kind."""

    is_fine: bool
    message: str
    facts: tuple[str, ...]


def hint_of(provider: str, kind: str, value: str, entry: ProviderEntry | None = None) -> ShapeHint | None:
    """Return a hint for what was typed so far; ``None`` while there is nothing to say.

    ``entry`` is what the environment itself says of the provider.
    """
    if not (provider.strip() and value.strip() and kind in set(Kind)):
        return None
    own_shape = own_shape_of(entry)
    known, finding = Kind(kind), check_shape(provider, Kind(kind), value, own_shape)
    facts = []
    if provider.strip().lower() not in CATALOGUE and own_shape is None:
        facts.append("This provider is not in the catalogue, so its shape cannot be checked.")
    own_billing = entry.billing if entry is not None else ""
    metered = (own_billing or billing_of(provider, known)) == Billing.METERED
    facts.append("Use is paid by volume." if metered else "Use draws on a subscription.")
    if not has_prompt_caching(known):
        facts.append("Prompt caching cannot be relied on.")
    own_names = entry.env_names if entry is not None else []
    env_name = own_names[0] if own_names else env_name_for(provider.strip().lower(), known)
    if env_name:
        facts.append(f"Programs read it as {env_name}.")
    fine = f"{len(value.strip())} characters, the shape is right."
    return ShapeHint(finding is None, fine if finding is None else finding.message, tuple(facts))
