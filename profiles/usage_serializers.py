"""Shapes of usage reports, pins and the environment's credential settings."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from authsvc.web.serializers import IdentifierField, NameField, StrictSerializer, TextField
from profiles.candidates import PinSource
from profiles.failures import FailureReason
from profiles.models import DEFAULT_AGENT, KIND_CHOICES, PRESET_CHOICES, STRATEGY_CHOICES, ProfileSettings, SessionPin
from profiles.services.settings import SETTINGS
from profiles.services.usage import Outcome

A_YEAR_SECONDS = 31_536_000
MAXIMUM_COUNT = 1_000_000
SHORTEST_LEASE, LONGEST_LEASE = 60, 86_400


class ReportInput(StrictSerializer):
    """How a use ended; ``message`` is what the provider said, ``retry_after`` is in seconds."""

    lease_id = IdentifierField(required=False, allow_null=True, default=None)
    profile_id = IdentifierField(required=False, allow_null=True, default=None)
    outcome = serializers.ChoiceField(choices=[outcome.value for outcome in Outcome])
    reason = serializers.ChoiceField(
        choices=[reason.value for reason in FailureReason], required=False, allow_null=True, default=None
    )
    message = TextField(max_length=20_000, required=False, allow_blank=True, default="")
    http_status = serializers.IntegerField(min_value=100, max_value=599, required=False, allow_null=True, default=None)
    model = TextField(max_length=200, required=False, allow_null=True, default=None)
    retry_after = serializers.FloatField(
        min_value=0, max_value=A_YEAR_SECONDS, required=False, allow_null=True, default=None
    )
    reset_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class ReportOutput(serializers.Serializer[Any]):
    """Where the profile stands after the report."""

    profile_id = serializers.CharField()
    profile = serializers.CharField()
    outcome = serializers.CharField()
    reason = serializers.CharField(allow_null=True)
    hint = serializers.CharField()
    status = serializers.CharField()
    cause = serializers.CharField(allow_null=True)
    until_ms = serializers.IntegerField(allow_null=True)
    success_count = serializers.IntegerField()
    failure_count = serializers.IntegerField()


class SettingsInput(StrictSerializer):
    """Settings to change."""

    backoff_preset = serializers.ChoiceField(choices=PRESET_CHOICES, required=False)
    strategy = serializers.ChoiceField(choices=STRATEGY_CHOICES, required=False)
    preferred_kind = serializers.ChoiceField(choices=KIND_CHOICES, required=False, allow_blank=True)
    failure_threshold = serializers.IntegerField(min_value=0, max_value=MAXIMUM_COUNT, required=False)
    lease_threshold = serializers.IntegerField(min_value=0, max_value=MAXIMUM_COUNT, required=False)
    warn_after_seconds = serializers.IntegerField(
        min_value=0, max_value=A_YEAR_SECONDS, required=False, allow_null=True
    )
    lease_ttl_seconds = serializers.IntegerField(
        min_value=SHORTEST_LEASE, max_value=LONGEST_LEASE, required=False, allow_null=True
    )


class SettingsOutput(serializers.ModelSerializer[ProfileSettings]):
    """The settings that apply."""

    class Meta:
        model = ProfileSettings
        fields: ClassVar = list(SETTINGS)


class ProbeOutput(serializers.Serializer[Any]):
    """What a provider said of a credential that was tried now."""

    profile_id = serializers.CharField()
    profile = serializers.CharField()
    version = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=["accepted", "refused", "unknown"])
    reason = serializers.CharField(allow_null=True)
    http_status = serializers.IntegerField(allow_null=True)
    hint = serializers.CharField()
    status = serializers.CharField()
    until_ms = serializers.IntegerField(allow_null=True)


class UsedOutput(serializers.Serializer[Any]):
    """What one gateway, device or service account did with a profile."""

    principal_id = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    leases = serializers.IntegerField()
    last_leased_at = serializers.DateTimeField(allow_null=True)
    successes = serializers.IntegerField()
    failures = serializers.IntegerField()


class LedgerOutput(serializers.Serializer[Any]):
    """Who used a profile within the last days, the busiest first; the totals are those of its whole life."""

    profile_id = serializers.CharField()
    days = serializers.IntegerField()
    lease_count = serializers.IntegerField()
    success_count = serializers.IntegerField()
    failure_count = serializers.IntegerField()
    used_by = UsedOutput(many=True)


class PinInput(StrictSerializer):
    """The profile to pin, by name or id."""

    profile = TextField(max_length=200)
    source: Any = serializers.ChoiceField(choices=[source.value for source in PinSource], default=PinSource.USER.value)
    agent = NameField(max_length=128, default=DEFAULT_AGENT)


class PinOutput(serializers.ModelSerializer[SessionPin]):
    """The pin of a session."""

    profile = serializers.CharField(source="profile_key", read_only=True)

    class Meta:
        model = SessionPin
        fields: ClassVar = ["session", "profile", "provider", "source", "created_by", "created_at"]
