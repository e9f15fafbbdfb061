"""``/limits``: how many requests a minute the caller's tenant may make."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.tenant_serializers import LimitsInput, LimitsOutput
from authsvc.tenants.limits import BOUNDS, get_tenant, set_limits
from authsvc.tenants.models import Tenant
from authsvc.web.api import ApiView
from authsvc.web.limits import GENERAL, SENSITIVE
from authsvc.web.scope_rules import ANY_CALLER


class Limits(ApiView):
    """The tenant's rates, by which also its principals are counted."""

    required_scopes = {"GET": ANY_CALLER, "PUT": "authsvc:admin"}

    @extend_schema(responses=LimitsOutput)
    def get(self, request: Request) -> Response:
        """Show the limits in force, what the tenant set, and the bounds."""
        return Response(_document(get_tenant(self.caller)))

    @extend_schema(request=LimitsInput, responses=LimitsOutput)
    def put(self, request: Request) -> Response:
        """Set the tenant's own limits, within the bounds; null takes the service's own."""
        fields = self.fields(LimitsInput)
        return Response(_document(set_limits(self.caller, tenant=get_tenant(self.caller), **fields, now=self.now)))


def _document(tenant: Tenant) -> dict[str, object]:
    return {
        "general_limit": tenant.general_limit,
        "sensitive_limit": tenant.sensitive_limit,
        "in_force": {
            "general": tenant.general_limit or GENERAL.rate().limit,
            "sensitive": tenant.sensitive_limit or SENSITIVE.rate().limit,
        },
        "bounds": {field: [bounds.least, bounds.most] for field, bounds in BOUNDS.items()},
    }
