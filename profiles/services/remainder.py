"""What an imported file held beside its profiles: kept sealed per agent, so that a full export gives it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from authsvc.vault.services import open_text, seal_text
from authsvc.web.caller import Caller
from authsvc.web.secret_text import SecretText
from profiles.interchange.store import Json, ParsedStore
from profiles.models import StoreRemainder


@dataclass(frozen=True, slots=True)
class Remainder:
    """The parts of a store that belong to no profile; ``usage`` is of ids without one, and of empty records."""

    version: int = 1
    unknown: Mapping[str, Json] = field(default_factory=dict, repr=False)
    last_good: Mapping[str, str] | None = None
    usage: Mapping[str, Mapping[str, Json]] = field(default_factory=dict, repr=False)
    has_order: bool = False
    has_usage: bool = False


def store_remainder(caller: Caller, *, agent: str, store: ParsedStore, now: datetime) -> None:
    """Seal what a file held beside its profiles in place of what an earlier one held; part of the import's change."""
    stored = {entry.profile_id for entry in store.entries}
    usage = {
        name: dict(each.document) for name, each in (store.usage or {}).items() if _is_left(name, each.document, stored)
    }
    document = {
        "version": store.version,
        "unknown": dict(store.unknown_top_level),
        "last_good": None if store.last_good is None else dict(store.last_good),
        "usage": usage,
        "has_order": store.order is not None,
        "has_usage": store.usage is not None,
    }
    with transaction.atomic():
        StoreRemainder.objects.for_environment(caller).filter(agent=agent).delete()
        row = StoreRemainder(
            tenant_id=caller.tenant_id, environment_id=caller.environment_id, agent=agent, created_at=now
        )
        row.sealed = seal_text(caller, row.place(), SecretText(json.dumps(document)), now=now)
        row.save(force_insert=True)


def open_remainder(caller: Caller, *, agent: str) -> Remainder:
    """Return what is kept for an agent, empty when nothing was ever imported."""
    row = StoreRemainder.objects.for_environment(caller).filter(agent=agent).first()
    return Remainder() if row is None else Remainder(**json.loads(open_text(row.place(), row.sealed).reveal()))


def _is_left(name: str, document: Mapping[str, Json], stored: set[str]) -> bool:
    return name not in stored or not document
