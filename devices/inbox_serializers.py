"""Shapes of the inbox: a waiting request with its risk, and several rejections at once."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from authsvc.web.serializers import IdentifierField, StrictSerializer, TextField
from devices.models import STATUS_CHOICES, Device
from devices.serializers import DeviceOutput
from devices.services.inbox import SENTENCES, Assessment, Rejection
from devices.snapshot import RiskLevel

MOST_AT_ONCE = 500


class RiskReasonOutput(serializers.Serializer[Any]):
    """One reason for a closer look: a stable code and a sentence."""

    code = serializers.CharField()
    detail = serializers.CharField()


class RiskOutput(serializers.Serializer[Any]):
    """How risky a request looks; the order of the inbox follows the points. It sorts and never decides."""

    level = serializers.ChoiceField(choices=[level.name.lower() for level in RiskLevel])
    points = serializers.IntegerField()
    reasons = RiskReasonOutput(many=True)
    known_as = serializers.CharField(allow_null=True)
    changes = serializers.ListField(child=serializers.DictField())


class WaitingOutput(serializers.Serializer[Any]):
    """One waiting request."""

    device = DeviceOutput()
    risk = RiskOutput()


class InboxOutput(serializers.Serializer[Any]):
    """The waiting requests, the riskiest first."""

    results = WaitingOutput(many=True)


class RejectionsInput(StrictSerializer):
    """Which requests, and why."""

    ids = serializers.ListField(child=IdentifierField(), min_length=1, max_length=MOST_AT_ONCE)
    reason = TextField(required=False, allow_blank=True, default="")


class RejectionOutput(serializers.Serializer[Any]):
    """What became of one: its new status, or the code and the sentence of what stood in the way."""

    id = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUS_CHOICES, allow_null=True)
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)


class RejectionsOutput(serializers.Serializer[Any]):
    """What became of each, in the order asked for."""

    results = RejectionOutput(many=True)
    rejected = serializers.IntegerField()


def risk_document(found: Assessment) -> dict[str, object]:
    """Return the risk as the API and the command show it."""
    return {
        "level": found.label,
        "points": found.score.points,
        "reasons": [{"code": reason.value, "detail": SENTENCES[reason]} for reason in found.score.reasons],
        "known_as": found.previous.id if found.previous else None,
        "changes": [asdict(change) for change in found.changes],
    }


def waiting_document(device: Device, found: Assessment) -> dict[str, object]:
    """Return one waiting request."""
    return {"device": DeviceOutput(device).data, "risk": risk_document(found)}


def rejections_document(results: list[Rejection]) -> dict[str, object]:
    """Return what became of each."""
    shown = [
        {
            "id": result.device_id,
            "status": result.status or None,
            "code": result.problem.slug if result.problem else None,
            "detail": result.problem.detail if result.problem else None,
        }
        for result in results
    ]
    return {"results": shown, "rejected": sum(1 for result in results if result.problem is None)}
