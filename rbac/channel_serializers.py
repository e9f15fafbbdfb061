"""Shapes of the channel API: policies, questions about a sender, settings of other products, pairing."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from authsvc.web.serializers import IdentifierField, NameField, OutsideIdField, StrictSerializer, TextField
from rbac.channel_exports import Product
from rbac.channel_rules import Effect, Reach
from rbac.models import ChannelPairing, ChannelPolicy


class ChannelRuleField(StrictSerializer):
    """One allow or deny rule; ``reach`` says where an allow rule about a person counts."""

    subject_kind = TextField(max_length=10)
    subject_id = OutsideIdField()
    effect = serializers.ChoiceField(choices=[effect.value for effect in Effect], default=Effect.ALLOW.value)
    reach = serializers.ChoiceField(choices=[reach.value for reach in Reach], default=Reach.EVERYWHERE.value)


class ChannelInput(StrictSerializer):
    """A new channel policy."""

    channel = TextField(max_length=20)
    name = NameField(required=False, allow_blank=True)
    gateway_id = IdentifierField(required=False, allow_null=True)
    dm_policy = TextField(max_length=12, required=False)
    group_policy = TextField(max_length=12, required=False)
    group_gate = TextField(max_length=12, required=False)
    rules = serializers.ListField(child=ChannelRuleField(), max_length=1000, required=False)


class ChannelChange(StrictSerializer):
    """What may change in a channel policy."""

    name = NameField(required=False, allow_blank=True)
    dm_policy = TextField(max_length=12, required=False)
    group_policy = TextField(max_length=12, required=False)
    group_gate = TextField(max_length=12, required=False)
    rules = serializers.ListField(child=ChannelRuleField(), max_length=1000, required=False)


class ChannelOutput(serializers.ModelSerializer[ChannelPolicy]):
    """A channel policy."""

    rules: Any = serializers.ListField(child=serializers.DictField())

    class Meta:
        model = ChannelPolicy
        fields: ClassVar = [
            "id",
            "channel",
            "name",
            "gateway_id",
            "dm_policy",
            "group_policy",
            "group_gate",
            "rules",
            "created_at",
        ]


class ChannelCheckInput(StrictSerializer):
    """Who wants to speak through which channel."""

    channel = TextField(max_length=20)
    gateway_id = IdentifierField(required=False, allow_null=True)
    user = OutsideIdField(required=False)
    guild = OutsideIdField(required=False)
    chat = OutsideIdField(required=False)
    is_direct = serializers.BooleanField(default=True)


class ChannelVerdictOutput(serializers.Serializer[Any]):
    """The answer and why."""

    allowed = serializers.BooleanField()
    reason = serializers.CharField()
    matched_rule = serializers.DictField(allow_null=True)


class FindingOutput(serializers.Serializer[Any]):
    """What could not be carried over as it was."""

    code = serializers.CharField()
    path = serializers.CharField()


class ChannelImportInput(StrictSerializer):
    """One channel's settings as another product keeps them."""

    channel = TextField(max_length=20)
    gateway_id = IdentifierField(required=False, allow_null=True)
    document = serializers.JSONField()
    dry_run = serializers.BooleanField(default=False)


class ChannelImportOutput(serializers.Serializer[Any]):
    """What was read; ``channel_id`` is null after a dry run."""

    channel_id = serializers.CharField(allow_null=True)
    dm_policy = serializers.CharField()
    group_policy = serializers.CharField()
    group_gate = serializers.CharField()
    rules = serializers.ListField(child=serializers.DictField())
    findings = FindingOutput(many=True)


class ChannelExportQuery(StrictSerializer):
    """Which product's settings."""

    product = serializers.ChoiceField(choices=[product.value for product in Product], default=Product.OPENCLAW.value)


class ChannelExportOutput(serializers.Serializer[Any]):
    """Settings to merge into ``channels.<kind>`` and what could not be said in them."""

    product = serializers.CharField()
    document = serializers.DictField()
    findings = FindingOutput(many=True)


class PairingInput(StrictSerializer):
    """Who wrote to the channel."""

    sender = OutsideIdField()
    name = NameField(required=False, default="", allow_blank=True)


class PairingApproval(StrictSerializer):
    """The code the sender was shown."""

    code = TextField(max_length=64)


class PairingOutput(serializers.ModelSerializer[ChannelPairing]):
    """A pairing, without its code."""

    class Meta:
        model = ChannelPairing
        fields: ClassVar = ["id", "sender_id", "name", "state", "created_at", "expires_at"]


class RequestedPairingOutput(PairingOutput):
    """A fresh pairing; the code is shown this once."""

    code = serializers.CharField()

    class Meta(PairingOutput.Meta):
        fields: ClassVar = [*PairingOutput.Meta.fields, "code"]
