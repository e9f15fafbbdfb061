"""Shapes of the devices API: what is accepted (strict) and what is shown."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from authsvc.web.serializers import IdentifierField, NameField, ScopesField, StrictSerializer, TextField
from devices.models import CAPABILITIES, Device, DeviceType, EnrolmentCode
from devices.proof import PayloadVersion
from devices.snapshot import difference, digest
from devices.trust import TrustLevel

CAPABILITIES_SCHEMA = {
    "oneOf": [
        {"type": "array", "items": {"type": "string", "enum": list(CAPABILITIES)}},
        {
            "type": "object",
            "properties": {name: {"type": "boolean"} for name in CAPABILITIES},
            "additionalProperties": False,
        },
    ]
}


@extend_schema_field(CAPABILITIES_SCHEMA)
class CapabilitiesField(serializers.Field[Any, Any, Any, Any]):
    """Either a list of names, or an object of the six booleans; read back as a sorted list."""

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the names of the capabilities the device has."""
        if isinstance(data, dict) and all(isinstance(value, bool) for value in data.values()):
            names = [name for name, present in data.items() if present]
            unknown = set(data) - set(CAPABILITIES)
        elif isinstance(data, list) and all(isinstance(item, str) for item in data):
            names, unknown = data, set(data) - set(CAPABILITIES)
        else:
            raise serializers.ValidationError("Give a list of names, or an object of booleans.")
        if unknown:
            raise serializers.ValidationError(f"Known capabilities are {', '.join(CAPABILITIES)}.")
        return sorted(set(names))

    def to_representation(self, value: Any) -> list[str]:
        """Return the list."""
        return list(value)


class MetadataField(serializers.DictField):
    """At most 50 texts, numbers or booleans by name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=serializers.JSONField(), **options)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the metadata."""
        values: dict[str, Any] = super().to_internal_value(data)
        fits = all(
            len(name) <= 100 and isinstance(value, str | int | float | bool | None) and len(str(value)) <= 500
            for name, value in values.items()
        )
        if len(values) > 50 or not fits:
            raise serializers.ValidationError("At most 50 entries of short texts, numbers or booleans.")
        return values


class DeviceInput(StrictSerializer):
    """A device that asks to join."""

    name = NameField()
    device_type = serializers.ChoiceField(choices=DeviceType.choices)
    platform = TextField(max_length=100, required=False, allow_blank=True)
    firmware_version = TextField(max_length=50, required=False, allow_blank=True)
    capabilities = CapabilitiesField(required=False)
    metadata = MetadataField(required=False)
    requested_scopes = ScopesField(required=False)
    gateway_id = IdentifierField(required=False, allow_null=True)
    public_key = TextField(max_length=100, required=False, allow_blank=True)
    role = TextField(max_length=40, required=False, allow_blank=True)
    operator_scopes = serializers.ListField(child=TextField(max_length=100), max_length=50, required=False)
    secret = TextField(min_length=8, max_length=256, required=False)
    replaces = IdentifierField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse two proofs at once, and a role without the key it belongs to."""
        if attrs.get("public_key") and attrs.get("secret"):
            raise serializers.ValidationError({"secret": ["A device with a key needs no secret."]})
        if (attrs.get("role") or attrs.get("operator_scopes")) and not attrs.get("public_key"):
            raise serializers.ValidationError({"role": ["A role belongs to a public key."]})
        return attrs


class FleetDeviceInput(DeviceInput):
    """A device that joins with an enrolment code; the code is its proof."""

    enrolment_code = TextField(max_length=100)


class DeviceChange(StrictSerializer):
    """What may change in a device without asking its approver again."""

    name = NameField(required=False)
    firmware_version = TextField(max_length=50, required=False, allow_blank=True)
    metadata = MetadataField(required=False)


class DeviceOutput(serializers.ModelSerializer[Device]):
    """A device; never its secret. ``snapshot`` is the digest an approval binds to."""

    name = serializers.CharField(source="principal.name", read_only=True)
    capabilities: Any = serializers.ListField(child=serializers.CharField())
    metadata: Any = serializers.DictField()
    requested_scopes: Any = serializers.ListField(child=serializers.CharField())
    operator_scopes: Any = serializers.ListField(child=serializers.CharField())
    snapshot = serializers.SerializerMethodField()
    replaces = serializers.CharField(source="previous_id", read_only=True, allow_null=True)
    difference = serializers.SerializerMethodField()

    class Meta:
        model = Device
        fields: ClassVar = [
            "id",
            "name",
            "device_type",
            "platform",
            "firmware_version",
            "capabilities",
            "metadata",
            "gateway_id",
            "requested_scopes",
            "requested_role",
            "operator_scopes",
            "key_fingerprint",
            "replaces",
            "difference",
            "status",
            "trust_level",
            "address",
            "user_agent",
            "snapshot",
            "request_expires_at",
            "decided_by",
            "decided_at",
            "decision_reason",
            "created_at",
            "last_seen_at",
            "expires_at",
        ]

    def get_snapshot(self, device: Device) -> str:
        """Return the digest of what an approver sees."""
        return digest(device.snapshot())

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_difference(self, device: Device) -> list[dict[str, Any]]:
        """Return what differs from the device it replaces; empty for a new one."""
        if device.previous is None:
            return []
        return [asdict(change) for change in difference(device.previous.snapshot(), device.snapshot())]


class EnrolledOutput(DeviceOutput):
    """A fresh request: ``secret`` is shown this once, ``user_code`` is for the approver to compare.

    The two addresses are where people approve; a device with a display draws the second as a QR code.
    """

    secret = serializers.CharField(read_only=True, allow_null=True)
    user_code = serializers.CharField(read_only=True)
    verification_uri = serializers.CharField(read_only=True)
    verification_uri_complete = serializers.CharField(read_only=True)

    class Meta(DeviceOutput.Meta):
        fields: ClassVar = [
            *DeviceOutput.Meta.fields,
            "secret",
            "user_code",
            "verification_uri",
            "verification_uri_complete",
        ]


class ApprovalInput(StrictSerializer):
    """An approval of exactly what was seen."""

    user_code = TextField(max_length=64)
    snapshot = TextField(max_length=64, required=False, allow_blank=True, default="")
    trust_level = serializers.IntegerField(min_value=1, max_value=3, default=int(TrustLevel.VERIFIED))
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    reason = TextField(required=False, allow_blank=True, default="")


@extend_schema_serializer(component_name="DeviceReasonInput")
class ReasonInput(StrictSerializer):
    """Why."""

    reason = TextField(required=False, allow_blank=True, default="")


class TrustInput(StrictSerializer):
    """A stored trust level set by an administrator, with the reason."""

    trust_level = serializers.IntegerField(min_value=1, max_value=3)
    reason = TextField()


class PolicyInput(StrictSerializer):
    """What an environment decides about its devices; what is not named stays."""

    thresholds = serializers.DictField(child=serializers.JSONField(), required=False)
    ceilings = serializers.DictField(child=serializers.JSONField(), required=False)
    chosen_secret_level = serializers.IntegerField(min_value=1, max_value=2, required=False)
    store_ip = serializers.BooleanField(required=False)
    store_user_agent = serializers.BooleanField(required=False)
    store_transcripts = serializers.BooleanField(required=False)
    store_audio = serializers.BooleanField(required=False)


class PolicyOutput(serializers.Serializer[Any]):
    """The rules an environment set itself; empty objects are the built-in defaults."""

    thresholds = serializers.DictField()
    ceilings = serializers.DictField()
    chosen_secret_level = serializers.IntegerField()
    store_ip = serializers.BooleanField()
    store_user_agent = serializers.BooleanField()
    store_transcripts = serializers.BooleanField()
    store_audio = serializers.BooleanField()


class EnrolmentCodeInput(StrictSerializer):
    """Permission for devices to join without anybody watching."""

    name = NameField()
    maximum_uses = serializers.IntegerField(min_value=1, max_value=10_000, default=1)
    expires_in = serializers.IntegerField(min_value=60, max_value=7 * 86_400, default=600)
    address_ranges = serializers.ListField(child=TextField(max_length=50), max_length=50, required=False)
    scopes = ScopesField(required=False)
    gateway_id = IdentifierField(required=False, allow_null=True)
    trust_level = serializers.IntegerField(min_value=1, max_value=2, default=int(TrustLevel.BASIC))


class EnrolmentCodeOutput(serializers.ModelSerializer[EnrolmentCode]):
    """An enrolment code; never its text."""

    address_ranges: Any = serializers.ListField(child=serializers.CharField())
    scopes: Any = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = EnrolmentCode
        fields: ClassVar = [
            "id",
            "name",
            "last_four",
            "maximum_uses",
            "uses",
            "address_ranges",
            "scopes",
            "gateway_id",
            "trust_level",
            "created_by",
            "created_at",
            "expires_at",
            "revoked_at",
        ]


class IssuedEnrolmentCodeOutput(EnrolmentCodeOutput):
    """A fresh enrolment code; ``code`` is shown this once."""

    code = serializers.CharField(read_only=True)

    class Meta(EnrolmentCodeOutput.Meta):
        fields: ClassVar = [*EnrolmentCodeOutput.Meta.fields, "code"]


@extend_schema_serializer(component_name="DeviceRotationInput")
class RotationInput(StrictSerializer):
    """How long the old secret still works, in seconds."""

    overlap_seconds = serializers.IntegerField(min_value=0, max_value=30 * 86_400, default=0)


class SecretInput(StrictSerializer):
    """The device's secret."""

    secret = TextField(max_length=256)


class ChallengeOutput(serializers.Serializer[Any]):
    """What the device signs within the next two minutes, once."""

    nonce = serializers.CharField()
    expires_in = serializers.IntegerField()


class SignatureInput(StrictSerializer):
    """A signed challenge, in the words of openclaw's payloads v2 and v3; ``signed_at`` is milliseconds."""

    version = serializers.ChoiceField(choices=[version.value for version in PayloadVersion])
    nonce = TextField(max_length=300)
    signature = TextField(max_length=100)
    signed_at = serializers.IntegerField(min_value=0, max_value=2**53)
    client_id = TextField(max_length=100, required=False, allow_blank=True, default="")
    client_mode = TextField(max_length=100, required=False, allow_blank=True, default="")
    role = TextField(max_length=40, required=False, allow_blank=True, default="")
    scopes = serializers.ListField(child=TextField(max_length=100), max_length=50, default=list)
    token = TextField(max_length=1000, required=False, allow_null=True, allow_blank=True, default=None)
    platform = TextField(max_length=100, required=False, allow_blank=True, default="")
    device_family = TextField(max_length=100, required=False, allow_blank=True, default="")


class AuthenticatedOutput(serializers.Serializer[Any]):
    """A proven device and its short access token."""

    authenticated = serializers.BooleanField()
    device = DeviceOutput()
    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField()
    scope = serializers.CharField()


class RotatedSecretOutput(serializers.Serializer[Any]):
    """A device's new secret, shown this once."""

    secret = serializers.CharField()
    previous_valid_until = serializers.DateTimeField(allow_null=True)


class HistoryOutput(serializers.Serializer[Any]):
    """One event of a device's history."""

    id = serializers.CharField()
    event_type = serializers.CharField()
    actor_kind = serializers.CharField()
    actor_id = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    detail = serializers.DictField()
