"""Taking dev over into prod: a diff that is read first, then applied as it was read, in one transaction.

Roles, scopes of one's own, routes, channel policies, the rules and order of credential profiles and their settings are
taken over by name. Secrets never are: a profile that the target lacks becomes an empty slot that waits for a secret of
its own. Neither are gateways, grants, accounts, devices and the addresses logins are refreshed at: these are what makes
an environment an environment. Nobody takes anything out of prod, and nothing is ever deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from authsvc.audit.record import record
from authsvc.gate.promotion_plan import Item, ItemKind, Plan, plan_of
from authsvc.gate.promotion_state import EVERY_AGENT, state_of
from authsvc.tenants.four_eyes import Act, Fields, require_second_operator
from authsvc.tenants.models import Environment
from authsvc.tenants.review_lines import ReviewLine, digest_of
from authsvc.tenants.reviews import ReviewedAct, ReviewStale, register
from authsvc.web.caller import Caller
from authsvc.web.problems import Forbidden, NotFound, ValidationFailed
from profiles.models import Profile
from profiles.providers import Kind
from profiles.services.order import EVERY_AGENT as NO_AGENT
from profiles.services.order import store_order
from profiles.services.settings import update_profile_settings
from profiles.services.store import add_profile, find_profile, update_profile
from rbac.models import ChannelPolicy, Gateway, Role, TenantScope
from rbac.services.channels import create_channel, update_channel
from rbac.services.roles import create_role, update_role
from rbac.services.routes import set_routes
from rbac.services.scopes import define_scope, remove_scope

SCOPE = "authsvc:admin"
PROTECTED = "prod"
MOST_ITEMS = 2000


@dataclass(frozen=True, slots=True)
class Promotion:
    """A plan with the environment it takes from."""

    source: str
    plan: Plan

    def digest(self, items: Sequence[Item]) -> str:
        """Return the digest that binds a decision to these items as they were shown."""
        return digest_of(Act.PROMOTION, _fields(self.source, items), [item.line() for item in items])


def plan_promotion(caller: Caller, *, source: str) -> Promotion:
    """Return what taking ``source`` over into the caller's environment would change; changes nothing.

    Raises ``Forbidden`` for anybody but an administrator, ``NotFound`` for an unknown environment and
    ``ValidationFailed`` for prod and for the environment itself.
    """
    if SCOPE not in caller.scopes:
        raise Forbidden(f"This requires the scope {SCOPE}.")
    if source in {PROTECTED, caller.environment}:
        raise ValidationFailed(errors={"source": [f"Choose an environment other than {PROTECTED} and this one."]})
    places = Environment.objects.for_tenant(caller.tenant_id).select_related("tenant")
    here, there = places.filter(id=caller.environment_id).first(), places.filter(name=source).first()
    if here is None or there is None:
        raise NotFound
    return Promotion(source, plan_of(state_of(there), state_of(here)))


def promote(caller: Caller, *, source: str, items: Sequence[str] | None, digest: str, now: datetime) -> int:
    """Take the chosen items over (all for ``None``) exactly as ``digest`` says they were shown; returns how many.

    Raises ``ReviewStale`` when they are not what was shown any more, ``ReviewRequired`` where the tenant wants a
    second operator, and whatever the services below refuse; then nothing happened.
    """
    with transaction.atomic():
        promotion = plan_promotion(caller, source=source)
        chosen = _chosen(promotion, items)
        if digest != promotion.digest(chosen):
            raise ReviewStale
        require_second_operator(caller, Act.PROMOTION, _fields(source, chosen))
        _take_over(caller, promotion, chosen, now)
    return len(chosen)


def _take_over(caller: Caller, promotion: Promotion, chosen: Sequence[Item], now: datetime) -> None:
    for item in chosen:
        APPLY[item.kind](caller, item, now)
    kinds = sorted({item.kind.value for item in chosen})
    digest = promotion.digest(chosen)
    detail = {"source": promotion.source, "digest": digest, "count": len(chosen), "kinds": kinds}
    record(caller, "environment.promoted", subject_id=caller.environment_id, detail=detail, now=now)


def _chosen(promotion: Promotion, keys: Sequence[str] | None) -> tuple[Item, ...]:
    unknown = promotion.plan.unknown(keys or ())
    if unknown:
        raise ReviewStale(f"{unknown[0][:100]} is no longer a difference; look again.")
    chosen = promotion.plan.chosen(keys)
    if not 0 < len(chosen) <= MOST_ITEMS:
        raise ValidationFailed(errors={"items": [f"Choose between 1 and {MOST_ITEMS} differences."]})
    return chosen


def _fields(source: str, items: Sequence[Item]) -> dict[str, object]:
    return {"source": source, "items": [item.key for item in items]}


def _scope(caller: Caller, item: Item, now: datetime) -> None:
    known = TenantScope.objects.for_environment(caller).filter(scope=item.name).first()
    if known is not None:
        remove_scope(caller, scope_id=known.id, now=now)
    define_scope(caller, scope=item.name, sentence=str(item.after["sentence"]), now=now)


def _role(caller: Caller, item: Item, now: datetime) -> None:
    role = Role.objects.for_environment(caller).filter(name=item.name).first()
    scopes, description = _texts(item.after["scopes"]), str(item.after["description"])
    if role is None:
        create_role(caller, name=item.name, scopes=scopes, description=description, now=now)
    else:
        update_role(caller, role=role, scopes=scopes, description=description, now=now)


def _routes(caller: Caller, item: Item, now: datetime) -> None:
    rules = item.after["rules"]
    set_routes(
        caller,
        gateway=_gateway(caller, item.name),
        rules=rules if isinstance(rules, list) else [],
        unmapped="allow" if item.after["unmapped"] == "allow" else "deny",
        now=now,
    )


def _channel(caller: Caller, item: Item, now: datetime) -> None:
    channel, _, gateway_name = item.name.partition(" at ")
    gateway = _gateway(caller, gateway_name) if gateway_name else None
    fields = {name: str(item.after[name]) for name in ("name", "dm_policy", "group_policy", "group_gate")}
    given = item.after["rules"]
    rules = given if isinstance(given, list) else []
    policies = ChannelPolicy.objects.for_environment(caller).filter(channel=channel)
    known = policies.filter(gateway=gateway) if gateway else policies.filter(gateway__isnull=True)
    policy = known.first()
    if policy is None:
        create_channel(caller, channel=channel, gateway=gateway, **fields, rules=rules, now=now)
    else:
        update_channel(caller, policy=policy, **fields, rules=rules, now=now)


def _profile(caller: Caller, item: Item, now: datetime) -> None:
    agent, _, key = item.name.partition("/")
    provider = str(item.after["provider"])
    profile = find_profile(caller, key=key, agent=agent) or add_profile(
        caller, provider=provider, key=key, kind=Kind.API_KEY, agent=agent, origin="promotion", now=now
    )
    changes = {name: value for name, value in item.after.items() if name != "provider"}
    update_profile(caller, profile=profile, changes=changes, now=now)


def _order(caller: Caller, item: Item, now: datetime) -> None:
    provider, _, agent = item.name.partition(" for ")
    keys = _texts(item.after["profiles"])
    here = Profile.objects.for_environment(caller).filter(provider=provider)
    known = set(here.values_list("key", flat=True))
    kept = [key for key in keys if key in known]
    if keys and not kept:
        raise ValidationFailed(
            errors={"items": [f"{item.key}: none of its profiles is here; take one of them over too."]}
        )
    agent = NO_AGENT if agent == EVERY_AGENT else agent
    store_order(caller, provider=provider, agent=agent, profile_keys=kept, now=now)


def _settings(caller: Caller, item: Item, now: datetime) -> None:
    update_profile_settings(caller, changes=dict(item.after), now=now)


def _gateway(caller: Caller, name: str) -> Gateway:
    gateway = Gateway.objects.for_environment(caller).select_related("principal").filter(name=name).first()
    if gateway is None:
        raise ReviewStale
    return gateway


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


APPLY: Mapping[ItemKind, Callable[[Caller, Item, datetime], None]] = {
    ItemKind.SCOPE: _scope,
    ItemKind.ROLE: _role,
    ItemKind.ROUTES: _routes,
    ItemKind.CHANNEL: _channel,
    ItemKind.PROFILE: _profile,
    ItemKind.ORDER: _order,
    ItemKind.SETTINGS: _settings,
}


def _asked(caller: Caller, fields: Fields) -> tuple[Promotion, tuple[Item, ...]]:
    keys = fields.get("items")
    if keys is not None and not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
        raise ValidationFailed(errors={"items": ["Give a list of keys from the plan."]})
    promotion = plan_promotion(caller, source=str(fields.get("source", ""))[:63])
    return promotion, _chosen(promotion, keys)


def _describe(caller: Caller, fields: Fields, _now: datetime) -> Sequence[ReviewLine]:
    return [item.line() for item in _asked(caller, fields)[1]]


def _apply(caller: Caller, fields: Fields, now: datetime) -> object:
    promotion, chosen = _asked(caller, fields)
    _take_over(caller, promotion, chosen, now)
    return len(chosen)


register(ReviewedAct(Act.PROMOTION, SCOPE, _describe, _apply))
