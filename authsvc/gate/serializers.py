"""Shapes of the front door's REST calls."""

from __future__ import annotations

from typing import Any, ClassVar, TypeGuard

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from authsvc.audit.models import AuditCheckpoint, AuditEvent
from authsvc.tokens.models import IssuedToken, SigningKey, TokenPolicy
from authsvc.tokens.policy import LIMITS
from authsvc.web.serializers import IdentifierField, OutsideIdField, ScopesField, StrictSerializer, TextField
from devices.serializers import AuthenticatedOutput


class ChannelQuestion(StrictSerializer):
    """Who speaks through which channel."""

    kind = TextField(max_length=20)
    user = OutsideIdField(required=False)
    guild = OutsideIdField(required=False)
    chat = OutsideIdField(required=False)
    is_direct = serializers.BooleanField(default=True)


class DecideInput(StrictSerializer):
    """A question: a token and either a scope, or a gateway with method and path."""

    token = TextField(max_length=16_384)
    gateway = IdentifierField(required=False)
    scope = TextField(max_length=255, required=False)
    method = TextField(max_length=10, required=False)
    path = TextField(max_length=2000, required=False)
    device = IdentifierField(required=False)
    channel = ChannelQuestion(required=False)


class ReasonOutput(serializers.Serializer[Any]):
    """Why a decision fell."""

    code = serializers.CharField()
    gate = serializers.CharField()
    detail = serializers.CharField()


class DecisionOutput(serializers.Serializer[Any]):
    """A decision."""

    decision_id = serializers.CharField()
    allowed = serializers.BooleanField()
    reason = ReasonOutput()
    principal = serializers.DictField(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField())
    trust_level = serializers.IntegerField()
    filter_ids = serializers.ListField(child=serializers.CharField(), required=False)


class BatchInput(StrictSerializer):
    """Up to 100 questions."""

    questions = serializers.ListField(child=DecideInput(), min_length=1, max_length=100)


class BatchOutput(serializers.Serializer[Any]):
    """One decision per question, in their order."""

    decisions = DecisionOutput(many=True)


def are_ids(data: object) -> TypeGuard[list[str]]:
    """True for a list of at most 100,000 texts."""
    if not isinstance(data, list) or len(data) > 100_000:
        return False
    try:
        "".join(data)  # takes texts alone, and looks at them faster than anything else
    except TypeError:
        return False
    return True


@extend_schema_field({"type": "array", "items": {"type": "string"}, "maxItems": 100_000})
class IdsField(serializers.Field[Any, Any, Any, Any]):
    """A list of at most 100,000 texts, checked in one pass."""

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the list."""
        if not are_ids(data):
            raise serializers.ValidationError("Give a list of at most 100,000 texts.")
        return data

    def to_representation(self, value: Any) -> list[str]:
        """Return the list."""
        return list(value)


class FilterInput(StrictSerializer):
    """Which of these ids may the token act on?"""

    token = TextField(max_length=16_384)
    gateway = IdentifierField(required=False)
    resource = TextField(max_length=100)
    action = TextField(max_length=100)
    ids = IdsField()


class FilterOutput(serializers.Serializer[Any]):
    """Those of the ids, in their order."""

    ids = serializers.ListField(child=serializers.CharField())


class AccessQuery(StrictSerializer):
    """What the caller wants to know about itself."""

    resource = TextField(max_length=100)
    action = TextField(max_length=100)
    gateway = IdentifierField(required=False)


@extend_schema_field({"oneOf": [{"type": "string", "enum": ["*"]}, {"type": "array", "items": {"type": "string"}}]})
class IdsOrAll(serializers.JSONField):
    """A list of ids, or ``"*"``."""


class AccessOutput(serializers.Serializer[Any]):
    """The ids, or ``"*"`` for all."""

    resource = serializers.CharField()
    action = serializers.CharField()
    ids = IdsOrAll()


class GateOutput(serializers.Serializer[Any]):
    """One gate's verdict."""

    gate = serializers.CharField()
    open = serializers.BooleanField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ExplanationOutput(serializers.Serializer[Any]):
    """A decision taken apart."""

    decision = DecisionOutput()
    gates = GateOutput(many=True)
    required: Any = serializers.ListField(child=serializers.CharField())
    matched_grants = serializers.ListField(child=serializers.DictField())
    smallest_grant = serializers.DictField(allow_null=True)
    held_but_not_carried = serializers.BooleanField()
    agentos = serializers.DictField(allow_null=True)


class MeOutput(serializers.Serializer[Any]):
    """The caller as this service sees it."""

    tenant = serializers.CharField()
    environment = serializers.CharField()
    principal_id = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    trust_level = serializers.IntegerField()
    device_id = serializers.CharField(allow_null=True)
    proof = serializers.CharField()
    token_id = serializers.CharField()
    audience = serializers.CharField()


class TokenInput(StrictSerializer):
    """An access token for a service account, issued by somebody who holds what it will carry."""

    principal_id = IdentifierField()
    scopes = ScopesField(required=False, default=list)
    audience = TextField(max_length=128, required=False, default="")
    ttl_seconds = serializers.IntegerField(
        min_value=60, max_value=86_400, required=False, allow_null=True, default=None
    )
    with_refresh_token = serializers.BooleanField(required=False, default=False)


class TokenOutput(serializers.ModelSerializer[IssuedToken]):
    """An issued access token; never the token itself."""

    jti = serializers.CharField(source="id", read_only=True)
    scopes: Any = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = IssuedToken
        fields: ClassVar = [
            "jti",
            "principal_id",
            "client_id",
            "audience",
            "scopes",
            "grant_type",
            "trust_level",
            "created_at",
            "expires_at",
            "revoked_at",
        ]


class MintedTokenOutput(serializers.Serializer[Any]):
    """A fresh access token, shown this once."""

    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField()
    scope = serializers.CharField()
    jti = serializers.CharField()
    refresh_token = serializers.CharField(required=False)


class DeviceTokenOutput(AuthenticatedOutput):
    """A proven device with its tokens; each refresh token works once."""

    refresh_token = serializers.CharField()


class RevokeAllInput(StrictSerializer):
    """Whose tokens; without a principal, every token of the environment."""

    principal_id = IdentifierField(required=False, default="", allow_blank=True)
    reason = TextField(required=False, allow_blank=True, default="")


class RevokedCount(serializers.Serializer[Any]):
    """How many were alive."""

    revoked = serializers.IntegerField()


class DiagnosisInput(StrictSerializer):
    """A token that is not accepted, and the gateway it was shown to; our own API without one."""

    token = TextField(max_length=16_384)
    gateway = IdentifierField(required=False)


class CheckOutput(serializers.Serializer[Any]):
    """One check of the verifier."""

    name = serializers.CharField()
    passed = serializers.BooleanField()
    detail = serializers.CharField()


class DiagnosisOutput(serializers.Serializer[Any]):
    """The checks in their order, up to the first that failed."""

    accepted = serializers.BooleanField()
    checks = CheckOutput(many=True)


class SigningKeyOutput(serializers.ModelSerializer[SigningKey]):
    """A signing key: its public half and its place in the rotation."""

    public_jwk: Any = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = SigningKey
        fields: ClassVar = [
            "id",
            "kid",
            "algorithm",
            "audience",
            "state",
            "public_jwk",
            "created_at",
            "activated_at",
            "retire_at",
        ]


class TokenPolicyInput(StrictSerializer):
    """What may change in an environment's token policy; what is not named stays."""

    access_token_seconds = serializers.IntegerField(required=False, allow_null=True)
    refresh_idle_days = serializers.IntegerField(required=False)
    refresh_total_days = serializers.IntegerField(required=False)
    api_key_days = serializers.IntegerField(required=False)
    gateway_token_days = serializers.IntegerField(required=False)
    device_secret_days = serializers.IntegerField(required=False)
    rotation_due_days = serializers.IntegerField(required=False)
    rotate_keys_after_days = serializers.IntegerField(required=False, allow_null=True)
    key_lead_days = serializers.IntegerField(required=False)
    rsa_bits = serializers.IntegerField(required=False)


class TokenPolicyOutput(serializers.ModelSerializer[TokenPolicy]):
    """How long proofs live in the environment and when its signing keys rotate."""

    class Meta:
        model = TokenPolicy
        fields: ClassVar = list(LIMITS)


class RotationRequest(StrictSerializer):
    """Which algorithm gets a next key."""

    algorithm = TextField(max_length=10, required=False, default="RS256")


class ActivationInput(StrictSerializer):
    """Which algorithm's next key signs from now on; ``force`` needs a reason."""

    algorithm = TextField(max_length=10, required=False, default="RS256")
    force = serializers.BooleanField(required=False, default=False)
    reason = TextField(required=False, allow_blank=True, default="")


class KeyReasonInput(StrictSerializer):
    """Why a key ends now."""

    reason = TextField(max_length=500)


class SnippetOutput(serializers.Serializer[Any]):
    """One ready text."""

    name = serializers.CharField()
    language = serializers.CharField()
    text = serializers.CharField()
    note = serializers.CharField()


class SnippetsOutput(serializers.Serializer[Any]):
    """The ready texts of one gateway."""

    issuer = serializers.CharField()
    audience = serializers.CharField()
    algorithm = serializers.CharField()
    snippets = SnippetOutput(many=True)


class AuditEventOutput(serializers.ModelSerializer[AuditEvent]):
    """An audit event with its place in the chain."""

    detail = serializers.DictField()

    class Meta:
        model = AuditEvent
        fields: ClassVar = [
            "id",
            "sequence",
            "event_type",
            "environment_id",
            "actor_kind",
            "actor_id",
            "subject_id",
            "request_id",
            "address",
            "occurred_at",
            "detail",
            "previous_hash",
            "hash",
        ]


class CheckpointOutput(serializers.ModelSerializer[AuditCheckpoint]):
    """A signed checkpoint of the tenant's chain."""

    class Meta:
        model = AuditCheckpoint
        fields: ClassVar = ["sequence", "hash", "signed_at", "public_key", "signature"]
