"""Use cases of channel settings of other products: take one over as a policy, write a policy as one."""

from __future__ import annotations

from datetime import datetime

from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed
from rbac.channel_exports import ExportedChannel, Product, export_channel
from rbac.channel_formats import ImportedChannel, import_channel
from rbac.channel_rules import ChannelKind
from rbac.models import ChannelPolicy, Gateway
from rbac.services.channels import (
    MAXIMUM_RULES,
    choice,
    create_channel,
    find_policy,
    policy_value,
    stored_rule,
    update_channel,
)


def read_channel_document(*, channel: str, document: object) -> ImportedChannel:
    """Return the policy a product's settings come down to; raises ``ValidationFailed``. Nothing is stored."""
    imported = import_channel(choice(ChannelKind, channel, "channel"), document)
    if len(imported.policy.rules) > MAXIMUM_RULES:
        raise ValidationFailed(errors={"document": [f"A policy holds at most {MAXIMUM_RULES} rules."]})
    return imported


def store_imported_channel(
    caller: Caller, *, imported: ImportedChannel, gateway: Gateway | None, now: datetime
) -> ChannelPolicy:
    """Store what was read as the policy of the channel, in the place of the present one."""
    value = imported.policy
    rules = [stored_rule(rule) for rule in value.rules]
    existing = find_policy(caller, channel=value.channel_kind, gateway=gateway, exactly=True)
    if existing is None:
        return create_channel(
            caller,
            channel=value.channel_kind,
            gateway=gateway,
            dm_policy=value.direct_policy,
            group_policy=value.group_policy,
            group_gate=value.group_gate,
            rules=rules,
            now=now,
        )
    return update_channel(
        caller,
        policy=existing,
        dm_policy=value.direct_policy,
        group_policy=value.group_policy,
        group_gate=value.group_gate,
        rules=rules,
        now=now,
    )


def write_channel_document(policy: ChannelPolicy, *, product: str) -> ExportedChannel:
    """Return a policy as a product's settings; raises ``ValidationFailed`` or ``ChannelNotExportable``."""
    return export_channel(policy_value(policy), choice(Product, product, "product"))
