"""Use cases of channel policies: keep them, and ask whether a sender may speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from django.db import transaction

from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.problems import NotFound, ValidationFailed
from rbac.channel_rules import (
    ChannelKind,
    ChannelPolicyValue,
    ChannelRule,
    ChannelSender,
    ChannelVerdict,
    DirectPolicy,
    Effect,
    GroupGate,
    GroupPolicy,
    Reach,
    SubjectKind,
    decide_channel,
)
from rbac.models import ChannelPolicy, Gateway
from rbac.services.roles import NameTaken

Choice = TypeVar("Choice", bound=StrEnum)
RuleFields = Mapping[str, object]
MAXIMUM_RULES = 1000


def create_channel(
    caller: Caller,
    *,
    channel: str,
    name: str = "",
    gateway: Gateway | None = None,
    dm_policy: str = DirectPolicy.ALLOWLIST,
    group_policy: str = GroupPolicy.ALLOWLIST,
    group_gate: str = GroupGate.EITHER,
    rules: Sequence[RuleFields] = (),
    now: datetime,
) -> ChannelPolicy:
    """Create the policy of a channel, for the environment or for one gateway; raises ``ValidationFailed``."""
    policy = ChannelPolicy(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        gateway=gateway,
        channel=choice(ChannelKind, channel, "channel"),
        name=name,
        dm_policy=choice(DirectPolicy, dm_policy, "dm_policy"),
        group_policy=choice(GroupPolicy, group_policy, "group_policy"),
        group_gate=choice(GroupGate, group_gate, "group_gate"),
        rules=_checked_rules(rules),
        created_at=now,
    )
    with transaction.atomic():
        if find_policy(caller, channel=channel, gateway=gateway, exactly=True) is not None:
            raise NameTaken("This channel has a policy here.")
        policy.save(force_insert=True)
        detail = {"channel": channel, "gateway_id": policy.gateway_id or "", "dm_policy": policy.dm_policy}
        record(caller, "channel.created", subject_id=policy.id, detail=detail, now=now)
    return policy


def update_channel(
    caller: Caller,
    *,
    policy: ChannelPolicy,
    name: str | None = None,
    dm_policy: str | None = None,
    group_policy: str | None = None,
    group_gate: str | None = None,
    rules: Sequence[RuleFields] | None = None,
    now: datetime,
) -> ChannelPolicy:
    """Change a channel policy; rules are replaced as a whole."""
    if name is not None:
        policy.name = name
    if dm_policy is not None:
        policy.dm_policy = choice(DirectPolicy, dm_policy, "dm_policy")
    if group_policy is not None:
        policy.group_policy = choice(GroupPolicy, group_policy, "group_policy")
    if group_gate is not None:
        policy.group_gate = choice(GroupGate, group_gate, "group_gate")
    if rules is not None:
        policy.rules = _checked_rules(rules)
    new = {
        "name": name,
        "dm_policy": dm_policy,
        "group_policy": group_policy,
        "group_gate": group_gate,
        "rules": rules,
    }
    changed = [field for field, value in new.items() if value is not None]
    with transaction.atomic():
        policy.save(update_fields=changed)
        detail = {"channel": policy.channel, "gateway_id": policy.gateway_id or "", "changed": changed}
        record(caller, "channel.updated", subject_id=policy.id, detail=detail, now=now)
    return policy


def delete_channel(caller: Caller, *, policy: ChannelPolicy, now: datetime) -> None:
    """Delete a policy; its channel is unknown afterwards, so nobody may speak through it."""
    with transaction.atomic():
        detail = {"channel": policy.channel, "gateway_id": policy.gateway_id or ""}
        record(caller, "channel.deleted", subject_id=policy.id, detail=detail, now=now)
        policy.delete()


def check_channel(caller: Caller, *, channel: str, gateway: Gateway | None, sender: ChannelSender) -> ChannelVerdict:
    """Decide whether a sender may speak; a gateway's own policy goes before the environment's."""
    policy = find_policy(caller, channel=channel, gateway=gateway, exactly=False)
    return decide_channel(policy_value(policy) if policy else None, sender)


def find_policy(caller: Caller, *, channel: str, gateway: Gateway | None, exactly: bool) -> ChannelPolicy | None:
    """Return the policy of a channel: the gateway's; else, unless ``exactly``, the environment's."""
    policies = ChannelPolicy.objects.for_environment(caller).filter(channel=channel)
    own = policies.filter(gateway=gateway).first()
    return own if own or exactly else policies.filter(gateway__isnull=True).first()


def get_channel(caller: Caller, channel_id: str) -> ChannelPolicy:
    """Return a policy of the caller's environment; raises ``NotFound``."""
    policy = ChannelPolicy.objects.for_environment(caller).filter(id=channel_id).first()
    if policy is None:
        raise NotFound
    return policy


def policy_value(policy: ChannelPolicy) -> ChannelPolicyValue:
    """Return the pure value of a stored policy."""
    return ChannelPolicyValue(
        ChannelKind(policy.channel),
        DirectPolicy(policy.dm_policy),
        GroupPolicy(policy.group_policy),
        tuple(_rule(rule) for rule in policy.rules),
        GroupGate(policy.group_gate),
    )


def sender_of(fields: Mapping[str, object]) -> ChannelSender:
    """Return the sender of a validated body; raises ``ValidationFailed`` for an id that is neither number nor text."""
    ids = {name: raw_id(fields.get(name), name) for name in ("user", "guild", "chat")}
    return ChannelSender(**ids, is_direct=bool(fields.get("is_direct", True)))


def raw_id(value: object, field: str) -> str | int | None:
    """Return an id of a validated body; raises ``ValidationFailed`` for what is neither number nor text."""
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return value
    raise ValidationFailed(errors={field: ["Give a number or a text."]})


def stored_rule(rule: ChannelRule) -> dict[str, str]:
    """Return a rule as it is stored and shown."""
    return {
        "subject_kind": rule.subject_kind.value,
        "subject_id": str(rule.subject_id),
        "effect": rule.effect.value,
        "reach": rule.reach.value,
    }


def _checked_rules(rules: Sequence[RuleFields]) -> list[dict[str, str]]:
    return [stored_rule(_rule(rule)) for rule in rules]


def _rule(fields: RuleFields) -> ChannelRule:
    subject_id = raw_id(fields["subject_id"], "rules")
    return ChannelRule(
        choice(SubjectKind, fields["subject_kind"], "rules"),
        "" if subject_id is None else subject_id,
        choice(Effect, fields.get("effect", Effect.ALLOW), "rules"),
        choice(Reach, fields.get("reach", Reach.EVERYWHERE), "rules"),
    )


def choice(kind: type[Choice], value: object, field: str) -> Choice:
    """Return the member of an enum a text names; raises ``ValidationFailed``."""
    try:
        return kind(str(value))
    except ValueError as error:
        raise ValidationFailed(errors={field: [f"Choose one of {', '.join(kind)}."]}) from error
