"""``/tenant``: the caller's own tenant, and the emergency stop of all of it.

A suspended tenant's proofs open nothing, so no token can resume it: people do, in the admin or with ``tenants resume``.
Stopping reaches beyond the caller's environment: only a token of ``prod`` may, and it repeats the tenant's name.
"""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.tenant_serializers import SuspensionInput, TenantOutput
from authsvc.gate.views.members import TenantWide
from authsvc.tenants.limits import get_tenant
from authsvc.tenants.models import Environment, Tenant, TenantState
from authsvc.tenants.services import set_tenant_state
from authsvc.web.api import ApiView
from authsvc.web.problems import Forbidden, ValidationFailed
from authsvc.web.scope_rules import ANY_CALLER


class OnlyWithProd(Forbidden):
    """A token of another environment tried to stop all of them."""

    default_detail = "A suspension stops every environment; ask with a token of prod."


class TenantDetail(ApiView):
    """The caller's tenant."""

    required_scopes = {"GET": ANY_CALLER}

    @extend_schema(responses=TenantOutput)
    def get(self, request: Request) -> Response:
        """Show the tenant, its state and the names of its environments."""
        return Response(TenantOutput(_document(get_tenant(self.caller))).data)


class TenantSuspension(TenantWide):
    """The emergency stop."""

    required_scopes = {"POST": "authsvc:admin"}
    refusal = OnlyWithProd
    sensitive = True

    @extend_schema(request=SuspensionInput, responses=TenantOutput)
    def post(self, request: Request) -> Response:
        """Suspend the tenant: from now on nothing of it is answered, this token included. People resume it."""
        fields, tenant = self.fields(SuspensionInput), get_tenant(self.caller)
        if fields["confirm"] != tenant.slug:
            raise ValidationFailed(errors={"confirm": ["Repeat the name of your own tenant."]})
        suspended = set_tenant_state(
            self.caller, tenant=tenant, state=TenantState.SUSPENDED, reason=fields["reason"], now=self.now
        )
        return Response(TenantOutput(_document(suspended)).data)


def _document(tenant: Tenant) -> dict[str, object]:
    environments = Environment.objects.for_tenant(tenant.id).order_by("name").values_list("name", flat=True)
    return {"tenant": tenant.slug, "name": tenant.name, "state": str(tenant.state), "environments": list(environments)}
