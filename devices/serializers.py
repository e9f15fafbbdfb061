"""Shapes of the devices API: what is accepted (strict) and what is shown."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from authsvc.web.serializers import IdentifierField, NameField, ScopesField, StrictSerializer, TextField
from devices.models import CAPABILITIES, Device, DeviceType
from devices.snapshot import digest
from devices.trust import TrustLevel


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
    snapshot = serializers.SerializerMethodField()

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
            "status",
            "trust_level",
            "address",
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


class EnrolledOutput(DeviceOutput):
    """A fresh request: ``secret`` is shown this once, ``user_code`` is for the approver to compare."""

    secret = serializers.CharField(read_only=True)
    user_code = serializers.CharField(read_only=True)

    class Meta(DeviceOutput.Meta):
        fields: ClassVar = [*DeviceOutput.Meta.fields, "secret", "user_code"]


class ApprovalInput(StrictSerializer):
    """An approval of exactly what was seen."""

    user_code = TextField(max_length=64)
    snapshot = TextField(max_length=64, required=False, allow_blank=True, default="")
    trust_level = serializers.IntegerField(min_value=1, max_value=3, default=int(TrustLevel.VERIFIED))
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    reason = TextField(required=False, allow_blank=True, default="")


class ReasonInput(StrictSerializer):
    """Why."""

    reason = TextField(required=False, allow_blank=True, default="")


class TrustInput(StrictSerializer):
    """A stored trust level set by an administrator, with the reason."""

    trust_level = serializers.IntegerField(min_value=1, max_value=3)
    reason = TextField()


class RotationInput(StrictSerializer):
    """How long the old secret still works, in seconds."""

    overlap_seconds = serializers.IntegerField(min_value=0, max_value=30 * 86_400, default=0)


class SecretInput(StrictSerializer):
    """The device's secret."""

    secret = TextField(max_length=256)


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
