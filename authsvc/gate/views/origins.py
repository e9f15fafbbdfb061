"""``/origins``: which web pages may read answers about the caller's tenant in a browser."""

from __future__ import annotations

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.tenant_serializers import OriginsInput, OriginsOutput
from authsvc.tenants.limits import get_tenant
from authsvc.tenants.origins import origins_of, set_origins
from authsvc.web.api import ApiView
from authsvc.web.scope_rules import ANY_CALLER


class Origins(ApiView):
    """The tenant's origins, beside those of the whole service."""

    required_scopes = {"GET": ANY_CALLER, "PUT": "authsvc:admin"}

    @extend_schema(responses=OriginsOutput)
    def get(self, request: Request) -> Response:
        """Show the origins the tenant lists, and those everybody has."""
        return Response(_document(origins_of(get_tenant(self.caller))))

    @extend_schema(request=OriginsInput, responses=OriginsOutput)
    def put(self, request: Request) -> Response:
        """Replace the origins the tenant lists."""
        origins = self.fields(OriginsInput)["origins"]
        return Response(
            _document(set_origins(self.caller, tenant=get_tenant(self.caller), origins=origins, now=self.now))
        )


def _document(origins: list[str]) -> dict[str, object]:
    return {"origins": origins, "of_the_service": list(settings.CORS_ALLOWED_ORIGINS)}
