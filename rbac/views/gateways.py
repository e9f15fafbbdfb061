"""Gateways and their tokens over the API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.tokens.api_keys import get_api_key, revoke_api_key, rotate_api_key
from authsvc.tokens.models import ApiKey
from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from authsvc.web.scope_rules import ANY_CALLER
from rbac.models import Gateway
from rbac.permissions import require_scope
from rbac.serializers import (
    AcknowledgementInput,
    GatewayChange,
    GatewayInput,
    GatewayOutput,
    GatewayTokenImportInput,
    GatewayTokenInput,
    IssuedKeyOutput,
    KeyOutput,
    ReasonInput,
    RotationInput,
    RoutesInput,
    RoutesOutput,
    SharedSecretOutput,
)
from rbac.services.gateways import (
    acknowledge_key_set,
    create_gateway,
    delete_gateway,
    get_gateway,
    import_gateway_token,
    issue_gateway_token,
    update_gateway,
    use_shared_secret,
)
from rbac.services.routes import default_rules, set_routes
from rbac.views.service_accounts import shown_once


class GatewayList(ApiView):
    """The gateways of the caller's environment."""

    required_scopes = {"GET": "gateways:read", "POST": "gateways:write"}
    lists = True

    @extend_schema(responses=GatewayOutput(many=True))
    def get(self, request: Request) -> Response:
        """List gateways, newest first."""
        return self.page(Gateway.objects.for_environment(self.caller).select_related("principal"), GatewayOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=GatewayInput, responses={201: GatewayOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Register a gateway; its audience defaults to its id."""
        gateway = create_gateway(self.caller, **self.fields(GatewayInput), now=self.now)
        return Response(GatewayOutput(gateway).data, status=201)


class GatewayDetail(ApiView):
    """One gateway."""

    required_scopes = {"GET": "gateways:read", "PATCH": "gateways:write", "DELETE": "gateways:write"}

    @extend_schema(responses=GatewayOutput)
    def get(self, request: Request, gateway_id: str) -> Response:
        """Show a gateway."""
        return Response(GatewayOutput(get_gateway(self.caller, gateway_id)).data)

    @extend_schema(request=GatewayChange, responses=GatewayOutput)
    def patch(self, request: Request, gateway_id: str) -> Response:
        """Change a gateway."""
        gateway = get_gateway(self.caller, gateway_id)
        changed = update_gateway(self.caller, gateway=gateway, **self.fields(GatewayChange), now=self.now)
        return Response(GatewayOutput(changed).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, gateway_id: str) -> Response:
        """Delete a gateway with its tokens, grants and channel policies."""
        delete_gateway(self.caller, gateway=get_gateway(self.caller, gateway_id), now=self.now)
        return Response(status=204)


class GatewayTokenList(ApiView):
    """The gateway tokens of one gateway."""

    required_scopes = {"GET": "gateways:read", "POST": "gateways:write"}
    lists = True
    sensitive = True

    @extend_schema(responses=KeyOutput(many=True))
    def get(self, request: Request, gateway_id: str) -> Response:
        """List gateway tokens without their secrets."""
        gateway = get_gateway(self.caller, gateway_id)
        return self.page(ApiKey.objects.for_environment(self.caller).filter(principal_id=gateway.id), KeyOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=GatewayTokenInput, responses={201: IssuedKeyOutput})
    @idempotent
    def post(self, request: Request, gateway_id: str) -> Response:
        """Issue a gateway token; ``secret`` is shown this once."""
        gateway = get_gateway(self.caller, gateway_id)
        issued = issue_gateway_token(self.caller, gateway=gateway, **self.fields(GatewayTokenInput), now=self.now)
        return shown_once(issued, status=201)


class GatewayTokenImport(ApiView):
    """A gateway token that exists already."""

    required_scopes = {"POST": "gateways:write"}
    sensitive = True

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=GatewayTokenImportInput, responses={201: KeyOutput})
    @idempotent
    def post(self, request: Request, gateway_id: str) -> Response:
        """Accept a token of 64 hex digits that the gateway has already; only its keyed hash is kept."""
        gateway = get_gateway(self.caller, gateway_id)
        fields = self.fields(GatewayTokenImportInput)
        imported = import_gateway_token(self.caller, gateway=gateway, **fields, now=self.now)
        return Response(KeyOutput(imported.key).data, status=201)


class GatewayTokenDetail(ApiView):
    """One gateway token."""

    required_scopes = {"GET": "gateways:read", "DELETE": "gateways:write"}

    @extend_schema(responses=KeyOutput)
    def get(self, request: Request, gateway_id: str, key_id: str) -> Response:
        """Show a gateway token without its secret."""
        return Response(KeyOutput(_key(self.caller, gateway_id, key_id)).data)

    @extend_schema(request=ReasonInput, responses={204: None})
    def delete(self, request: Request, gateway_id: str, key_id: str) -> Response:
        """Revoke a gateway token at once."""
        key = _key(self.caller, gateway_id, key_id)
        revoke_api_key(self.caller, key=key, reason=self.fields(ReasonInput)["reason"], now=self.now)
        return Response(status=204)


class GatewayTokenRotation(ApiView):
    """A new secret for a gateway token; the id stays."""

    required_scopes = {"POST": "gateways:write"}
    sensitive = True

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=RotationInput, responses={200: IssuedKeyOutput})
    @idempotent
    def post(self, request: Request, gateway_id: str, key_id: str) -> Response:
        """Rotate a gateway token; the old secret works until the overlap ends."""
        key = _key(self.caller, gateway_id, key_id)
        overlap = self.fields(RotationInput)["overlap_seconds"]
        return shown_once(rotate_api_key(self.caller, key=key, overlap_seconds=overlap, now=self.now), status=200)


class GatewayRoutes(ApiView):
    """The route table of one gateway."""

    required_scopes = {"GET": "gateways:read", "PUT": "gateways:write"}

    @extend_schema(responses=RoutesOutput)
    def get(self, request: Request, gateway_id: str) -> Response:
        """Show the defaults of the gateway's kind, its own rules, and what happens to unmapped requests."""
        return Response(_routes(get_gateway(self.caller, gateway_id)))

    @extend_schema(request=RoutesInput, responses=RoutesOutput)
    def put(self, request: Request, gateway_id: str) -> Response:
        """Replace the gateway's own rules."""
        gateway = get_gateway(self.caller, gateway_id)
        return Response(_routes(set_routes(self.caller, gateway=gateway, **self.fields(RoutesInput), now=self.now)))


def _routes(gateway: Gateway) -> dict[str, object]:
    defaults = [
        {"method": rule.method, "pattern": rule.pattern, "scopes": list(rule.required_scopes), "minimum_trust": 0}
        for rule in default_rules(gateway)
    ]
    return {"unmapped": gateway.unmapped, "rules": gateway.routes, "defaults": defaults}


class KeySetAcknowledgement(ApiView):
    """Which keys a gateway has loaded."""

    required_scopes = {"POST": ANY_CALLER}

    @extend_schema(request=AcknowledgementInput, responses=GatewayOutput)
    def post(self, request: Request, gateway_id: str) -> Response:
        """Say which keys the gateway has: itself with its own token, or whoever holds gateways:write."""
        gateway = get_gateway(self.caller, gateway_id)
        if self.caller.principal_id != gateway.id:
            require_scope(self.caller, "gateways:write")
        kids = self.fields(AcknowledgementInput)["kids"]
        return Response(GatewayOutput(acknowledge_key_set(self.caller, gateway=gateway, kids=kids, now=self.now)).data)


class GatewaySharedSecret(ApiView):
    """The shared secret of a development gateway."""

    required_scopes = {"POST": "gateways:write"}
    sensitive = True

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=None, responses={201: SharedSecretOutput})
    @idempotent
    def post(self, request: Request, gateway_id: str) -> Response:
        """Sign this gateway's tokens with a fresh shared secret (HS256); dev only, shown this once."""
        gateway = get_gateway(self.caller, gateway_id)
        secret = use_shared_secret(self.caller, gateway=gateway, now=self.now)
        document = {"algorithm": gateway.algorithm, "secret": secret.reveal()}
        return Response(document, status=201, headers={"Cache-Control": "no-store"})


def _key(caller: Caller, gateway_id: str, key_id: str) -> ApiKey:
    """Return a token of a gateway; the secrets of devices and service accounts are not found here."""
    return get_api_key(caller, key_id, principal_id=get_gateway(caller, gateway_id).id)
