"""Shapes of the rights API: what is accepted (strict) and what is shown (never a secret, except once)."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from authsvc.tenants.models import PrincipalState
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.serializers import IdentifierField, NameField, ScopesField, StrictSerializer, TextField
from rbac.models import Gateway, GatewayKind, Grant, Role, ServiceAccount, TenantScope


class RoleInput(StrictSerializer):
    """A new role."""

    name = NameField()
    description = TextField(required=False, allow_blank=True)
    scopes = ScopesField(allow_empty=False)


class RoleChange(StrictSerializer):
    """What may change in a role."""

    name = NameField(required=False)
    description = TextField(required=False, allow_blank=True)
    scopes = ScopesField(required=False, allow_empty=False)


class RoleOutput(serializers.ModelSerializer[Role]):
    """A role."""

    scopes: Any = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Role
        fields: ClassVar = ["id", "name", "description", "scopes", "created_at"]


class GrantInput(StrictSerializer):
    """A new grant."""

    principal_id = IdentifierField()
    role_id = IdentifierField()
    gateway_id = IdentifierField(required=False, allow_null=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    reason = TextField(required=False, allow_blank=True)
    confirm = ScopesField(required=False, help_text="With it, an administrator's scope is granted only if named here.")


class GrantOutput(serializers.ModelSerializer[Grant]):
    """A grant, living or dead; ``scopes`` are those granted without a role."""

    scopes: Any = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Grant
        fields: ClassVar = [
            "id",
            "principal_id",
            "role_id",
            "scopes",
            "gateway_id",
            "reason",
            "granted_by",
            "created_at",
            "expires_at",
            "revoked_at",
        ]


class ReasonInput(StrictSerializer):
    """Why; optional unless the operation says otherwise."""

    reason = TextField(required=False, allow_blank=True, default="")


class ServiceAccountInput(StrictSerializer):
    """A new service account."""

    name = NameField()
    description = TextField(required=False, allow_blank=True)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)
    maximum_scopes = ScopesField(required=False)
    default_scopes = ScopesField(required=False)
    public_jwks = serializers.ListField(child=serializers.DictField(), max_length=10, required=False)


class ServiceAccountChange(StrictSerializer):
    """What may change in a service account."""

    name = NameField(required=False)
    description = TextField(required=False, allow_blank=True)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)
    maximum_scopes = ScopesField(required=False)
    default_scopes = ScopesField(required=False)
    public_jwks = serializers.ListField(child=serializers.DictField(), max_length=10, required=False)
    state = serializers.ChoiceField(choices=PrincipalState.choices, required=False)
    reason = TextField(required=False, allow_blank=True)


class ServiceAccountOutput(serializers.ModelSerializer[ServiceAccount]):
    """A service account; its id is its OAuth client id."""

    client_id = serializers.CharField(source="id", read_only=True)
    name = serializers.CharField(source="principal.name", read_only=True)
    state = serializers.CharField(source="principal.state", read_only=True)
    maximum_scopes: Any = serializers.ListField(child=serializers.CharField())
    default_scopes: Any = serializers.ListField(child=serializers.CharField())
    public_jwks: Any = serializers.ListField(child=serializers.DictField())

    class Meta:
        model = ServiceAccount
        fields: ClassVar = [
            "id",
            "client_id",
            "name",
            "description",
            "email",
            "state",
            "maximum_scopes",
            "default_scopes",
            "public_jwks",
            "created_at",
        ]


class KeyInput(StrictSerializer):
    """A new API key or client secret of a service account."""

    kind = serializers.ChoiceField(
        choices=[ApiKeyKind.API_KEY.value, ApiKeyKind.CLIENT_SECRET.value], default=ApiKeyKind.API_KEY.value
    )
    name = NameField(required=False, default="", allow_blank=True)
    scopes = ScopesField(required=False, default=list)
    address_ranges = serializers.ListField(child=TextField(max_length=60), max_length=50, required=False, default=list)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class GatewayTokenInput(StrictSerializer):
    """A new gateway token."""

    name = NameField(required=False, default="", allow_blank=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class RotationInput(StrictSerializer):
    """How long the old secret still works, in seconds; at most 30 days."""

    overlap_seconds = serializers.IntegerField(min_value=0, max_value=30 * 86_400, default=86_400)


class KeyOutput(serializers.ModelSerializer[ApiKey]):
    """An opaque proof without its secret."""

    scopes: Any = serializers.ListField(child=serializers.CharField())
    address_ranges: Any = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ApiKey
        fields: ClassVar = [
            "id",
            "kind",
            "principal_id",
            "name",
            "last_four",
            "scopes",
            "address_ranges",
            "created_at",
            "rotated_at",
            "rotate_after",
            "previous_valid_until",
            "expires_at",
            "revoked_at",
            "last_used_at",
        ]


class GatewayTokenImportInput(StrictSerializer):
    """A gateway token that exists already: 64 hex digits; it is never shown."""

    token = TextField(max_length=64, write_only=True)
    name = NameField(required=False, allow_blank=True, default="")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class IssuedKeyOutput(KeyOutput):
    """A fresh opaque proof; ``secret`` is shown this once."""

    secret = serializers.CharField(read_only=True)

    class Meta(KeyOutput.Meta):
        fields: ClassVar = [*KeyOutput.Meta.fields, "secret"]


class GatewayInput(StrictSerializer):
    """A new gateway."""

    name = NameField()
    kind = serializers.ChoiceField(choices=GatewayKind.choices, default=GatewayKind.AGNO)
    audience = IdentifierField(required=False)
    algorithm = TextField(max_length=10, required=False)
    admin_scope = TextField(max_length=100, required=False)
    url = serializers.URLField(max_length=500, required=False, allow_blank=True)
    claims = serializers.DictField(child=TextField(max_length=20), required=False)
    shares_tokens = serializers.BooleanField(required=False)


class GatewayChange(StrictSerializer):
    """What may change in a gateway."""

    name = NameField(required=False)
    algorithm = TextField(max_length=10, required=False)
    admin_scope = TextField(max_length=100, required=False)
    url = serializers.URLField(max_length=500, required=False, allow_blank=True)
    claims = serializers.DictField(child=TextField(max_length=20), required=False)
    shares_tokens = serializers.BooleanField(required=False)
    allowed_principals = serializers.ListField(child=IdentifierField(), max_length=1000, required=False)


class GatewayOutput(serializers.ModelSerializer[Gateway]):
    """A gateway."""

    state = serializers.CharField(source="principal.state", read_only=True)
    allowed_principals: Any = serializers.ListField(child=serializers.CharField())
    acknowledged_kids: Any = serializers.ListField(child=serializers.CharField())
    fetched_kids: Any = serializers.ListField(child=serializers.CharField())
    claims: Any = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = Gateway
        fields: ClassVar = [
            "id",
            "name",
            "kind",
            "audience",
            "algorithm",
            "admin_scope",
            "url",
            "unmapped",
            "state",
            "allowed_principals",
            "acknowledged_kids",
            "acknowledged_at",
            "fetched_kids",
            "fetched_at",
            "claims",
            "shares_tokens",
            "created_at",
        ]


class RouteRuleField(StrictSerializer):
    """One route: all of ``scopes`` are needed, none means public."""

    method = TextField(max_length=20)
    pattern = TextField(max_length=2000)
    scopes = ScopesField()
    minimum_trust = serializers.IntegerField(min_value=0, max_value=3, required=False, default=0)


class RoutesInput(StrictSerializer):
    """A gateway's own rules, in order, after the defaults of its kind."""

    rules = serializers.ListField(child=RouteRuleField(), max_length=500)
    unmapped = serializers.ChoiceField(choices=["deny", "allow"], required=False, default="deny")


class RoutesOutput(serializers.Serializer[Any]):
    """What is searched: the defaults, then the gateway's own rules."""

    unmapped = serializers.CharField()
    rules = RouteRuleField(many=True)
    defaults = RouteRuleField(many=True)


class AcknowledgementInput(StrictSerializer):
    """The ``kid`` of every key a gateway has loaded."""

    kids = serializers.ListField(child=TextField(max_length=128), max_length=100)


class SharedSecretOutput(serializers.Serializer[Any]):
    """A gateway's shared secret, shown this once."""

    algorithm = serializers.CharField()
    secret = serializers.CharField()


class ScopeInput(StrictSerializer):
    """A scope the tenant adds: ``resource:action`` and what it allows."""

    scope = TextField(max_length=255)
    sentence = NameField(max_length=500)


class TenantScopeOutput(serializers.ModelSerializer[TenantScope]):
    """A scope the tenant added."""

    class Meta:
        model = TenantScope
        fields: ClassVar = ["id", "scope", "sentence", "created_at"]


class ScopeOutput(serializers.Serializer[Any]):
    """One scope that can be granted; those the tenant added have an ``id``."""

    id = serializers.CharField(required=False)
    scope = serializers.CharField()
    sentence = serializers.CharField()
    takes_id = serializers.BooleanField()
    audience = serializers.CharField()


class ScopesOutput(serializers.Serializer[Any]):
    """Every scope at once: the catalogue, then what the tenant added."""

    results = ScopeOutput(many=True)
