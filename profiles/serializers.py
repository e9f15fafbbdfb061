"""Shapes of the credentials API: values go in, and come out only as a lease."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from authsvc.web.serializers import IdentifierField, NameField, StrictSerializer, TextField
from profiles.candidates import Requirement
from profiles.interchange.usage import usage_from_json
from profiles.models import DEFAULT_AGENT, KIND_CHOICES, Credential, CredentialState, Profile
from profiles.services.importing import FORMATS
from profiles.services.resolve import expires_at_of
from profiles.services.rotation import overlap_sentence, rotation_state, version_state
from profiles.services.store import MAXIMUM_SECRET
from profiles.services.usage import usage_verdict

AGENT_LENGTH = 128
A_YEAR_SECONDS = 31_536_000
CURRENT_VERSIONS = "current_versions"  # where a list keeps them, so that a page costs one query


class SecretFields(StrictSerializer):
    """The secret of one version; write-only. ``refresh`` belongs to OAuth alone."""

    kind = serializers.ChoiceField(choices=KIND_CHOICES)
    value = TextField(max_length=MAXIMUM_SECRET)
    refresh = TextField(max_length=MAXIMUM_SECRET, required=False, allow_blank=True, default="")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class RuleFields(StrictSerializer):
    """Where and by whom a profile may be used."""

    description = TextField(required=False, allow_blank=True)
    minimum_trust = serializers.IntegerField(min_value=0, max_value=3, required=False)
    allowed_channels = serializers.ListField(
        child=TextField(max_length=64), max_length=100, required=False, allow_null=True
    )
    allowed_gateways = serializers.ListField(child=IdentifierField(), max_length=100, required=False, allow_null=True)
    warn_after_seconds = serializers.IntegerField(
        min_value=0, max_value=A_YEAR_SECONDS, required=False, allow_null=True
    )
    rotate_after_days = serializers.IntegerField(min_value=0, max_value=3650, required=False)


class ProfileInput(SecretFields, RuleFields):
    """A new profile with its first secret."""

    provider = NameField(max_length=64)
    name = NameField(max_length=128, default="default")
    agent = NameField(max_length=AGENT_LENGTH, default=DEFAULT_AGENT)


class CredentialOutput(serializers.ModelSerializer[Credential]):
    """One version without its secret; the fingerprint tells versions apart."""

    expires_at = serializers.SerializerMethodField()
    rotation_state = serializers.SerializerMethodField()
    overlap = serializers.SerializerMethodField()

    class Meta:
        model = Credential
        fields: ClassVar = [
            "id",
            "profile_id",
            "version",
            "kind",
            "fingerprint",
            "last_four",
            "has_refresh",
            "has_reference",
            "expires_at",
            "origin",
            "state",
            "rotation_state",
            "overlap",
            "leased_until",
            "last_used_at",
            "last_used_by",
            "retired_at",
            "created_by",
            "created_at",
        ]

    def get_rotation_state(self, credential: Credential) -> str:
        """Return current, draining while the last lease of a replaced version runs, retired or deleted."""
        return str(version_state(credential, self._now()))

    def get_overlap(self, credential: Credential) -> str:
        """Return who used a replaced version last, and how long ago."""
        return overlap_sentence(credential, self._now())

    def _now(self) -> datetime:
        moment: datetime = self.context["now"]
        return moment

    def get_expires_at(self, credential: Credential) -> str | None:
        """Return the end of its life, if it has one."""
        moment = expires_at_of(credential)
        return moment.isoformat() if moment else None


class ProfileOutput(serializers.ModelSerializer[Profile]):
    """A profile; ``profile`` is its name ``provider:name``."""

    profile = serializers.CharField(source="key", read_only=True)
    usage = serializers.SerializerMethodField()
    rotation = serializers.SerializerMethodField()
    allowed_channels: Any = serializers.ListField(child=serializers.CharField(), allow_null=True)
    allowed_gateways: Any = serializers.ListField(child=serializers.CharField(), allow_null=True)

    class Meta:
        model = Profile
        fields: ClassVar = [
            "id",
            "profile",
            "provider",
            "agent",
            "description",
            "kind",
            "origin",
            "minimum_trust",
            "allowed_channels",
            "allowed_gateways",
            "state",
            "usage",
            "rotation",
            "lease_count",
            "success_count",
            "failure_count",
            "warn_after_seconds",
            "rotate_after_days",
            "created_at",
            "last_used_at",
            "last_used_by",
        ]

    def get_rotation(self, profile: Profile) -> str:
        """Return whether a new version is due: ok, due, overdue or never."""
        now: datetime = self.context["now"]
        current = getattr(profile, CURRENT_VERSIONS, None)
        if current is None:
            rows = Credential.objects.for_tenant(profile.tenant_id)
            current = list(rows.filter(profile=profile, state=CredentialState.CURRENT))
        return str(rotation_state(profile, next(iter(current), None), now))

    def get_usage(self, profile: Profile) -> dict[str, Any]:
        """Return where the profile stands after what gateways reported, and what to do about it."""
        stats = usage_from_json(profile.usage)
        now: datetime = self.context["now"]
        verdict = usage_verdict(stats, int(now.timestamp() * 1000))
        return {
            "status": str(verdict.state),
            "until_ms": verdict.until_ms,
            "cause": verdict.cause,
            "hint": verdict.hint,
            "errors_in_a_row": stats.error_count,
            "failures": dict(stats.failure_counts),
        }


@extend_schema_serializer(component_name="ProfileReasonInput")
class ReasonInput(StrictSerializer):
    """Why."""

    reason = TextField(required=False, allow_blank=True, default="")


class ResolveInput(StrictSerializer):
    """Which credential is needed, for whom and what for."""

    provider = NameField(max_length=64)
    agent = NameField(max_length=AGENT_LENGTH, default=DEFAULT_AGENT)
    session = TextField(max_length=128, required=False, allow_blank=True, default="")
    pin = TextField(max_length=200, required=False, allow_null=True, default=None)
    model = TextField(max_length=400, required=False, allow_null=True, default=None)
    require = serializers.ListField(
        child=serializers.ChoiceField(choices=[requirement.value for requirement in Requirement]),
        max_length=10,
        required=False,
        default=list,
    )
    purpose = TextField(max_length=200, required=False, allow_blank=True, default="")
    channel = TextField(max_length=64, required=False, allow_null=True, default=None)
    gateway = IdentifierField(required=False, allow_null=True, default=None)
    view = serializers.ChoiceField(choices=["compact", "full"], default="compact")


class TraceOutput(serializers.Serializer[Any]):
    """What became of one candidate."""

    profile = serializers.CharField()
    reason = serializers.CharField()
    until_ms = serializers.IntegerField(allow_null=True)
    cause = serializers.CharField(allow_null=True)


class ReleaseOutput(serializers.Serializer[Any]):
    """A leased credential; ``value`` is the secret."""

    lease_id = serializers.CharField()
    profile_id = serializers.CharField()
    profile = serializers.CharField()
    version = serializers.IntegerField()
    provider = serializers.CharField()
    kind = serializers.CharField()
    env_name = serializers.CharField()
    tenant = serializers.CharField()
    environment = serializers.CharField()
    value = serializers.CharField()
    expires_at = serializers.CharField(allow_null=True)
    lease_expires_at = serializers.DateTimeField()
    source: Any = serializers.CharField()
    trace = TraceOutput(many=True)
    next_profile = serializers.CharField(allow_null=True, required=False)
    endpoint_url = serializers.CharField(allow_null=True, required=False)


class ImportInput(StrictSerializer):
    """A foreign credential file: its JSON, or its text."""

    format = serializers.ChoiceField(choices=list(FORMATS))
    content = serializers.JSONField()
    state = serializers.JSONField(required=False, allow_null=True, default=None)
    passphrase = TextField(max_length=1024, required=False, allow_blank=True, default="")
    salt = TextField(max_length=128, required=False, allow_blank=True, default="")
    agent = NameField(max_length=AGENT_LENGTH, default=DEFAULT_AGENT)
    dry_run = serializers.BooleanField(default=False)


class ImportOutput(serializers.Serializer[Any]):
    """What was, or would be, taken over."""

    dry_run = serializers.BooleanField()
    entries = serializers.ListField(child=serializers.DictField())
    findings = serializers.ListField(child=serializers.DictField())
    orders = serializers.DictField()


class OrderInput(StrictSerializer):
    """The wanted order, by profile name."""

    profiles = serializers.ListField(child=TextField(max_length=200), max_length=500)


class OrderOutput(serializers.Serializer[Any]):
    """The order that is set here; null when none is."""

    provider = serializers.CharField()
    agent = serializers.CharField(allow_null=True)
    order = serializers.ListField(child=serializers.CharField(), allow_null=True)
    warnings = serializers.ListField(child=serializers.CharField())
