"""The provider catalogue over the API: built in, and an environment's own additions."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.web.api import ApiView
from authsvc.web.serializers import StrictSerializer, TextField
from profiles.models import BILLING_CHOICES, ProbeStyle, TokenBody
from profiles.services.providers import delete_provider, provider_document, provider_documents, set_provider


class ProviderInput(StrictSerializer):
    """An environment's own entry; what is left out is empty."""

    label: Any = TextField(max_length=200, required=False, allow_blank=True, default="")
    env_names = serializers.ListField(child=TextField(max_length=128), max_length=10, required=False, default=list)
    prefixes = serializers.ListField(child=TextField(max_length=64), max_length=10, required=False, default=list)
    minimum_length = serializers.IntegerField(min_value=1, max_value=4096, required=False, default=1)
    billing = serializers.ChoiceField(choices=BILLING_CHOICES, required=False, allow_blank=True, default="")
    dashboard_url = TextField(max_length=500, required=False, allow_blank=True, default="")
    endpoint_url = TextField(max_length=500, required=False, allow_blank=True, default="")
    token_url = TextField(max_length=500, required=False, allow_blank=True, default="")
    token_client_id = TextField(max_length=200, required=False, allow_blank=True, default="")
    token_body = serializers.ChoiceField(choices=TokenBody.choices, required=False, default=TokenBody.FORM.value)
    probe_url = TextField(max_length=500, required=False, allow_blank=True, default="")
    probe_style = serializers.ChoiceField(choices=ProbeStyle.choices, required=False, default=ProbeStyle.BEARER.value)


class ProviderOutput(serializers.Serializer[Any]):
    """A provider as this environment sees it."""

    provider = serializers.CharField()
    label: Any = serializers.CharField()
    env_names = serializers.ListField(child=serializers.CharField())
    kinds = serializers.ListField(child=serializers.DictField())
    dashboard_url = serializers.CharField()
    endpoint_url = serializers.CharField()
    built_in = serializers.BooleanField()
    own_entry = serializers.DictField(allow_null=True)


class ProvidersOutput(serializers.Serializer[Any]):
    """Every known provider at once."""

    results = ProviderOutput(many=True)


class ProviderList(ApiView):
    """Every known provider."""

    required_scopes = {"GET": "profiles:read"}

    @extend_schema(responses=ProvidersOutput)
    def get(self, request: Request) -> Response:
        """List the catalogue; a provider that is not in it is accepted all the same."""
        return Response({"results": provider_documents(self.caller)})


class ProviderDetail(ApiView):
    """One provider. Only an administrator chooses where secrets may be sent."""

    required_scopes = {"GET": "profiles:read", "PUT": "authsvc:admin", "DELETE": "authsvc:admin"}

    @extend_schema(responses=ProviderOutput)
    def get(self, request: Request, provider: str) -> Response:
        """Show a provider."""
        return Response(provider_document(self.caller, slug=provider.lower()))

    @extend_schema(request=ProviderInput, responses=ProviderOutput)
    def put(self, request: Request, provider: str) -> Response:
        """Add a provider, or replace this environment's own entry."""
        set_provider(self.caller, slug=provider.lower(), fields=self.fields(ProviderInput), now=self.now)
        return Response(provider_document(self.caller, slug=provider.lower()))

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, provider: str) -> Response:
        """Remove this environment's own entry."""
        delete_provider(self.caller, slug=provider.lower(), now=self.now)
        return Response(status=204)
