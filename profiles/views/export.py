"""Export of an agent's profiles over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.web.api import ApiView
from authsvc.web.serializers import NameField, StrictSerializer
from profiles.interchange.render import RefreshTokens, SecretsMode
from profiles.models import DEFAULT_AGENT
from profiles.services.exporting import EXPORT_FORMATS, Export, ExportQuery, export_store
from profiles.services.importing import findings_document

PARAMETERS = [
    OpenApiParameter("format", OpenApiTypes.STR, enum=EXPORT_FORMATS),
    OpenApiParameter("secrets", OpenApiTypes.STR, enum=[mode.value for mode in SecretsMode]),
    OpenApiParameter("refresh_tokens", OpenApiTypes.STR, enum=[each.value for each in RefreshTokens]),
    OpenApiParameter("agent", OpenApiTypes.STR),
]


class ExportInput(StrictSerializer):
    """The query of an export."""

    format = serializers.ChoiceField(choices=EXPORT_FORMATS, default="openclaw")
    secrets = serializers.ChoiceField(choices=[mode.value for mode in SecretsMode], default=SecretsMode.NONE.value)
    refresh_tokens = serializers.ChoiceField(
        choices=[each.value for each in RefreshTokens], default=RefreshTokens.OMIT.value
    )
    agent = NameField(max_length=128, default=DEFAULT_AGENT)


class ExportOutput(serializers.Serializer[Any]):
    """The rendered file: ``document`` (and ``state``) for JSON formats, ``text`` for lines."""

    format = serializers.CharField()
    secrets = serializers.CharField()
    agent = serializers.CharField()
    document = serializers.DictField(allow_null=True)
    state = serializers.DictField(allow_null=True)
    text = serializers.CharField(allow_null=True)
    findings = serializers.ListField(child=serializers.DictField())


class ProfileExport(ApiView):
    """An agent's profiles as a file for its gateway."""

    required_scopes = {"GET": "profiles:read"}
    sensitive = True

    @extend_schema(parameters=PARAMETERS, responses=ExportOutput)
    def get(self, request: Request) -> Response:
        """Export; ``full`` also requires credentials:resolve and credentials:write, refresh tokens authsvc:admin."""
        serializer = ExportInput(data=request.query_params.dict())
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        query = ExportQuery(
            format=fields["format"],
            secrets=SecretsMode(fields["secrets"]),
            refresh_tokens=RefreshTokens(fields["refresh_tokens"]),
            agent=fields["agent"],
        )
        export = export_store(self.caller, query, now=self.now)
        return Response(export_document(query, export), headers={"Cache-Control": "no-store"})


def export_document(query: ExportQuery, export: Export) -> dict[str, object]:
    """Return the answer's body."""
    return {
        "format": query.format,
        "secrets": query.secrets.value,
        "agent": query.agent,
        "document": export.document,
        "state": export.state,
        "text": export.text,
        "findings": findings_document(export.findings),
    }
