"""Shapes of reviews and promotions over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from authsvc.tenants.four_eyes import CHOICES, Act
from authsvc.tenants.review_models import Review
from authsvc.web.serializers import SlugField, StrictSerializer, TextField


class ReviewInput(StrictSerializer):
    """An act to ask a second operator for; a 409 ``review_required`` says what to send here."""

    act = serializers.ChoiceField(choices=[act.value for act in Act])
    fields = serializers.DictField(source="act_fields")  # type: ignore[assignment]
    reason = TextField(max_length=2000, required=False, default="", allow_blank=True)


class ReviewApprovalInput(StrictSerializer):
    """An approval of exactly what was seen: ``digest`` as the review shows it."""

    digest = TextField(max_length=64)
    reason = TextField(max_length=2000, required=False, default="", allow_blank=True)


class ReviewReasonInput(StrictSerializer):
    """Why."""

    reason = TextField(max_length=2000, required=False, default="", allow_blank=True)


class LineOutput(serializers.Serializer[Any]):
    """One thing that changes; an empty text means absent."""

    what = serializers.CharField()
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class ReviewOutput(serializers.ModelSerializer[Review]):
    """A review."""

    state = serializers.SerializerMethodField()
    lines = LineOutput(many=True)

    class Meta:
        model = Review
        fields = [
            "id",
            "act",
            "state",
            "fields",
            "lines",
            "digest",
            "reason",
            "requested_by",
            "requested_kind",
            "created_at",
            "expires_at",
            "decided_by",
            "decided_at",
            "decision_reason",
        ]

    @extend_schema_field({"type": "string", "enum": ["waiting", "expired", "applied", "rejected", "withdrawn"]})
    def get_state(self, row: Review) -> str:
        """Return the state as of this request."""
        return row.standing(self.context["now"])


class FourEyesDocument(StrictSerializer):
    """The acts of the tenant that need a second operator."""

    acts = serializers.ListField(
        child=serializers.ChoiceField(choices=[act.value for act in CHOICES]), max_length=len(CHOICES)
    )


class ItemOutput(serializers.Serializer[Any]):
    """One difference between two environments."""

    key = serializers.CharField()
    kind = serializers.CharField()
    name = serializers.CharField()
    before = serializers.DictField(allow_null=True)
    after = serializers.DictField()


class PromotionOutput(serializers.Serializer[Any]):
    """What taking another environment over would change; ``digest`` is that of all items."""

    source = serializers.CharField()  # type: ignore[assignment]
    target = serializers.CharField()
    digest = serializers.CharField()
    items = ItemOutput(many=True)
    notes = serializers.ListField(child=serializers.CharField())


class PromotionInput(StrictSerializer):
    """The differences to take over, by key (absent: all of them), with the digest of exactly these."""

    source = SlugField()  # type: ignore[assignment]
    digest = TextField(max_length=64)
    items = serializers.ListField(child=TextField(max_length=500), max_length=2000, required=False)


class PromotedOutput(serializers.Serializer[Any]):
    """How many differences were taken over."""

    promoted = serializers.IntegerField()
