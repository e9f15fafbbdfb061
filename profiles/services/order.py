"""The explicit order of a provider's profiles: for the environment, or for one agent, whose own goes first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from authsvc.audit.changes import Remembered
from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.prepared import Prepared
from authsvc.web.problems import ValidationFailed
from profiles.models import DEFAULT_AGENT, Profile, ProfileOrder
from profiles.strategy import prune_order

EVERY_AGENT = ""


_KNOWN: Remembered[tuple[str, str, str], tuple[str, ...] | None] = Remembered(4096)
_ORDERS = Prepared(
    lambda tenant_id, environment_id, provider, agent: (
        ProfileOrder.objects.for_tenant(tenant_id)
        .filter(environment_id=environment_id, provider=provider)
        .filter(Q(agent=agent) | Q(agent=EVERY_AGENT))
        .order_by()
    )
)


def find_order(caller: Caller, *, provider: str, agent: str) -> tuple[str, ...] | None:
    """Return the order that applies to an agent: its own, else the environment's, else ``None``.

    It is looked up once per change of the tenant.
    """

    def look() -> tuple[str, ...] | None:
        orders = _ORDERS.rows(
            tenant_id=caller.tenant_id, environment_id=caller.environment_id, provider=provider, agent=agent
        )
        by_agent = {order.agent: tuple(order.profile_keys) for order in orders}
        return by_agent.get(agent, by_agent.get(EVERY_AGENT))

    return _KNOWN.known((caller.environment_id, provider, agent), caller.tenant_id, look)


def set_order(
    caller: Caller, *, provider: str, agent: str, profile_keys: Sequence[str], now: datetime
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Set the order of an agent, or of every agent when ``agent`` is empty; return it and the dangling names left out.

    Raises ``ValidationFailed`` when names were given and none of them exists: an empty order selects nothing.
    """
    agents = {agent or DEFAULT_AGENT, DEFAULT_AGENT} if agent else None
    known = Profile.objects.for_environment(caller).filter(provider=provider, key__in=set(profile_keys))
    found = frozenset((known if agents is None else known.filter(agent__in=agents)).values_list("key", flat=True))
    kept, gone = prune_order(profile_keys, found)
    if gone and not kept:
        raise ValidationFailed(errors={"profiles": [f"No profile {key[:100]} of {provider} here." for key in gone]})
    store_order(caller, provider=provider, agent=agent, profile_keys=kept, now=now)
    return kept, gone


def dangling_warnings(gone: Sequence[str]) -> list[str]:
    """Return one public sentence for each name that was left out."""
    return [f"{key[:100]} has no profile here and was left out." for key in gone]


def store_order(caller: Caller, *, provider: str, agent: str, profile_keys: Sequence[str], now: datetime) -> None:
    """Write an order as it is, with its audit event."""
    with transaction.atomic():
        ProfileOrder.objects.for_environment(caller).filter(provider=provider, agent=agent).delete()
        ProfileOrder(
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            provider=provider,
            agent=agent,
            profile_keys=list(profile_keys),
            created_at=now,
        ).save(force_insert=True)
        detail = {"provider": provider, "agent": agent, "profile_ids": list(profile_keys)}
        record(caller, "order.set", subject_id=provider, detail=detail, now=now)


def clear_order(caller: Caller, *, provider: str, agent: str, now: datetime) -> bool:
    """Remove the order of an agent (or the environment's); True when there was one."""
    with transaction.atomic():
        count, _ = ProfileOrder.objects.for_environment(caller).filter(provider=provider, agent=agent).delete()
        if count:
            record(caller, "order.cleared", subject_id=provider, detail={"provider": provider, "agent": agent}, now=now)
    return bool(count)
