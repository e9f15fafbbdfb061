"""Roles, grants and the catalogue of scopes over the API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from authsvc.web.scope_rules import ANY_CALLER
from rbac.catalogue import CATALOGUE, Audience
from rbac.models import Grant, Role, TenantScope
from rbac.serializers import (
    GrantInput,
    GrantOutput,
    ReasonInput,
    RoleChange,
    RoleInput,
    RoleOutput,
    ScopeInput,
    ScopeOutput,
    ScopesOutput,
    TenantScopeOutput,
)
from rbac.services.gateways import get_gateway
from rbac.services.grants import create_grant, get_grant, get_principal, revoke_grant
from rbac.services.roles import create_role, delete_role, get_role, update_role
from rbac.services.scopes import define_scope, remove_scope


class RoleList(ApiView):
    """The roles of the caller's environment."""

    required_scopes = {"GET": "roles:read", "POST": "roles:write"}
    lists = True

    @extend_schema(responses=RoleOutput(many=True))
    def get(self, request: Request) -> Response:
        """List roles, newest first."""
        return self.page(Role.objects.for_environment(self.caller), RoleOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=RoleInput, responses={201: RoleOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Create a role from scopes you hold."""
        role = create_role(self.caller, **self.fields(RoleInput), now=self.now)
        return Response(RoleOutput(role).data, status=201)


class RoleDetail(ApiView):
    """One role."""

    required_scopes = {"GET": "roles:read", "PATCH": "roles:write", "DELETE": "roles:write"}

    @extend_schema(responses=RoleOutput)
    def get(self, request: Request, role_id: str) -> Response:
        """Show a role."""
        return Response(RoleOutput(get_role(self.caller, role_id)).data)

    @extend_schema(request=RoleChange, responses=RoleOutput)
    def patch(self, request: Request, role_id: str) -> Response:
        """Change a role; grants of it change with it."""
        role = get_role(self.caller, role_id)
        return Response(RoleOutput(update_role(self.caller, role=role, **self.fields(RoleChange), now=self.now)).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, role_id: str) -> Response:
        """Delete a role nobody is granted."""
        delete_role(self.caller, role=get_role(self.caller, role_id), now=self.now)
        return Response(status=204)


class GrantList(ApiView):
    """The grants of the caller's environment."""

    required_scopes = {"GET": "grants:read", "POST": "grants:write"}
    lists = True

    @extend_schema(responses=GrantOutput(many=True))
    def get(self, request: Request) -> Response:
        """List grants, newest first."""
        return self.page(Grant.objects.for_environment(self.caller), GrantOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=GrantInput, responses={201: GrantOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Give a role to a principal."""
        fields = self.fields(GrantInput)
        gateway_id = fields.get("gateway_id")
        grant = create_grant(
            self.caller,
            principal=get_principal(self.caller, fields["principal_id"]),
            role=get_role(self.caller, fields["role_id"]),
            gateway=get_gateway(self.caller, gateway_id) if gateway_id else None,
            expires_at=fields.get("expires_at"),
            reason=fields.get("reason", ""),
            confirmed=fields.get("confirm"),
            now=self.now,
        )
        return Response(GrantOutput(grant).data, status=201)


class GrantDetail(ApiView):
    """One grant."""

    required_scopes = {"GET": "grants:read", "DELETE": "grants:write"}

    @extend_schema(responses=GrantOutput)
    def get(self, request: Request, grant_id: str) -> Response:
        """Show a grant."""
        return Response(GrantOutput(get_grant(self.caller, grant_id)).data)

    @extend_schema(request=ReasonInput, responses={204: None})
    def delete(self, request: Request, grant_id: str) -> Response:
        """Revoke a grant; it stays listed as revoked."""
        grant = get_grant(self.caller, grant_id)
        revoke_grant(self.caller, grant=grant, reason=self.fields(ReasonInput)["reason"], now=self.now)
        return Response(status=204)


class ScopeList(ApiView):
    """Every scope that can be granted."""

    required_scopes = {"GET": ANY_CALLER, "POST": "roles:write"}

    @extend_schema(responses=ScopesOutput)
    def get(self, request: Request) -> Response:
        """List the catalogue and what the tenant added, with a sentence for each scope."""
        added = [
            {"id": row.id, "scope": row.scope, "sentence": row.sentence, "takes_id": True, "audience": Audience.GATEWAY}
            for row in TenantScope.objects.for_environment(self.caller)
        ]
        catalogue = ScopeOutput(CATALOGUE, many=True).data
        return Response({"results": [*catalogue, *ScopeOutput(added, many=True).data]})

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=ScopeInput, responses={201: TenantScopeOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Add a scope for endpoints of your own gateways."""
        row = define_scope(self.caller, **self.fields(ScopeInput), now=self.now)
        return Response(TenantScopeOutput(row).data, status=201)


class ScopeDetail(ApiView):
    """One scope the tenant added."""

    required_scopes = {"DELETE": "roles:write"}

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, scope_id: str) -> Response:
        """Take it out of the catalogue; what was granted stays."""
        remove_scope(self.caller, scope_id=scope_id, now=self.now)
        return Response(status=204)
