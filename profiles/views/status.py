"""The status of the environment's credentials over the API; writes nothing."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.web.api import ApiView
from authsvc.web.serializers import NameField, StrictSerializer, TextField
from profiles.durations import MALFORMED, parse_duration_ms
from profiles.models import DEFAULT_AGENT, STRATEGY_CHOICES
from profiles.references import Strategy
from profiles.services.status import StatusQuery, status_document

PARAMETERS = [
    OpenApiParameter("warn_after", OpenApiTypes.STR, description="Seconds, or a number with ms, s, m, h or d."),
    OpenApiParameter("agent", OpenApiTypes.STR),
    OpenApiParameter("compat", OpenApiTypes.STR, enum=[strategy.value for strategy in Strategy]),
    OpenApiParameter("provider", OpenApiTypes.STR, description="Comma-separated; default: every provider in use."),
]


class StatusInput(StrictSerializer):
    """The query of a status."""

    warn_after = TextField(max_length=20, required=False)
    agent = NameField(max_length=128, default=DEFAULT_AGENT)
    compat = serializers.ChoiceField(choices=STRATEGY_CHOICES, default=Strategy.CLASSIC.value)
    provider = TextField(max_length=2000, required=False, default="")

    def validate_warn_after(self, text: str) -> int:
        """Return milliseconds."""
        milliseconds = parse_duration_ms(text, default_unit="s")
        if milliseconds is None:
            raise serializers.ValidationError(MALFORMED)
        return milliseconds


class StatusOutput(serializers.Serializer[Any]):
    """The document of ``models status --json``."""

    tenant = serializers.CharField()
    environment = serializers.CharField()
    agent = serializers.CharField()
    generatedAt = serializers.CharField()  # noqa: N815 - upstream's spelling
    check = serializers.IntegerField()
    auth = serializers.DictField()


class Status(ApiView):
    """Do the stored credentials keep working?"""

    required_scopes = {"GET": "status:read"}

    @extend_schema(parameters=PARAMETERS, responses=StatusOutput)
    def get(self, request: Request) -> Response:
        """Show every profile's state; ``check`` is 0 fine, 1 expired or missing, 2 expiring."""
        serializer = StatusInput(data=request.query_params.dict())
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        query = StatusQuery(
            agent=fields["agent"],
            warn_after_ms=fields.get("warn_after"),
            compat=Strategy(fields["compat"]),
            providers=frozenset(name for name in fields["provider"].lower().split(",") if name),
        )
        return Response(status_document(self.caller, query, now=self.now))
