"""What one environment has differently from another, item by item, and in which order it is taken over. PURE.

Nothing is ever taken away: what only the target has stays. An item whose gateway the target lacks is left out, with a
note that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from authsvc.tenants.review_lines import ReviewLine, shown

Document = Mapping[str, object]


class ItemKind(StrEnum):
    """What can be taken over, in the order it is applied: later kinds name earlier ones."""

    SCOPE = "scope"
    ROLE = "role"
    ROUTES = "routes"
    CHANNEL = "channel"
    PROFILE = "profile"
    ORDER = "order"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class State:
    """An environment's items by kind and name; ``gateways`` are the names of its gateways."""

    items: Mapping[ItemKind, Mapping[str, Document]]
    gateways: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """One difference; ``before`` is ``None`` when the target lacks it."""

    kind: ItemKind
    name: str
    before: Document | None
    after: Document

    @property
    def key(self) -> str:
        """Return the name by which the item is chosen."""
        return f"{self.kind.value}:{self.name}"

    def line(self) -> ReviewLine:
        """Return the item as a line to review: only the fields that differ."""
        changed = [
            name for name in sorted(self.after) if self.before is None or self.before.get(name) != self.after[name]
        ]
        before = "" if self.before is None else _text(self.before, changed)
        return ReviewLine(f"{self.kind.value} {self.name}", before, _text(self.after, changed))


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that differs, and a sentence for each thing that is left out."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = field(default=())

    def chosen(self, keys: Iterable[str] | None) -> tuple[Item, ...]:
        """Return the items of these keys, in the plan's order; all of them for ``None``."""
        wanted = None if keys is None else set(keys)
        return tuple(item for item in self.items if wanted is None or item.key in wanted)

    def unknown(self, keys: Iterable[str]) -> list[str]:
        """Return the keys that name no item of the plan."""
        return sorted(set(keys) - {item.key for item in self.items})


def plan_of(source: State, target: State) -> Plan:
    """Return what taking the source over would change in the target."""
    items, notes = [], []
    for kind in ItemKind:
        present = target.items.get(kind, {})
        for name, document in sorted(source.items.get(kind, {}).items()):
            gateway = _gateway_of(kind, name)
            if gateway and gateway not in target.gateways:
                notes.append(f"{kind.value} {name} is left out: no gateway has this name here; register it first.")
            elif present.get(name) != document:
                items.append(Item(kind, name, present.get(name), document))
    return Plan(tuple(items), tuple(notes))


def _gateway_of(kind: ItemKind, name: str) -> str:
    if kind is ItemKind.ROUTES:
        return name
    return name.partition(" at ")[2] if kind is ItemKind.CHANNEL else ""


def _text(document: Document, names: Iterable[str]) -> str:
    """Return the named fields as lines; an empty value is said aloud, so that nothing seems unchanged."""
    return "\n".join(f"{name.replace('_', ' ')}: {shown(document.get(name)) or '-'}" for name in names)
