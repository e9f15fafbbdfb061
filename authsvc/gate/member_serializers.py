"""Shapes of members and invitations over the API; a link is shown once."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from authsvc.operators.models import Invitation
from authsvc.tenants.models import Membership, MembershipRole
from authsvc.web.serializers import NameField, StrictSerializer


class MemberChange(StrictSerializer):
    """Another role."""

    role = serializers.ChoiceField(choices=MembershipRole.choices)


class InvitationInput(StrictSerializer):
    """Whom, and as what."""

    invited = NameField(max_length=254)
    role = serializers.ChoiceField(choices=MembershipRole.choices)


class MemberOutput(serializers.ModelSerializer[Membership]):
    """An operator's role in the tenant."""

    username: Any = serializers.CharField(source="operator.username")
    is_active: Any = serializers.BooleanField(source="operator.is_active")

    class Meta:
        model = Membership
        fields: ClassVar = ["operator_id", "username", "is_active", "role", "created_at"]


class InvitationOutput(serializers.ModelSerializer[Invitation]):
    """An invitation, open or over."""

    class Meta:
        model = Invitation
        fields: ClassVar = [
            "id",
            "invited",
            "role",
            "invited_by",
            "created_at",
            "expires_at",
            "accepted_at",
            "accepted_by",
            "withdrawn_at",
        ]


class SentInvitationOutput(InvitationOutput):
    """A fresh invitation with its link."""

    link = serializers.CharField()

    class Meta(InvitationOutput.Meta):
        fields: ClassVar = [*InvitationOutput.Meta.fields, "link"]


class SignedOutOutput(serializers.Serializer[Any]):
    """How many sessions ended."""

    ended = serializers.IntegerField()
