"""``GET /gateways/{id}/snippets``: ready text that makes a gateway trust our tokens."""

from __future__ import annotations

from dataclasses import asdict

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.serializers import SnippetsOutput
from authsvc.gate.snippets import snippets_of
from authsvc.tokens.issuer import issuer_of
from authsvc.web.api import ApiView
from rbac.services.gateways import get_gateway


class GatewaySnippets(ApiView):
    """The ready texts of one gateway."""

    required_scopes = {"GET": "gateways:read"}

    @extend_schema(responses=SnippetsOutput)
    def get(self, request: Request, gateway_id: str) -> Response:
        """Show code and settings for AgentOS, the shell, Authlib, PyJWT and nginx; none holds a secret."""
        gateway = get_gateway(self.caller, gateway_id)
        document = {
            "issuer": issuer_of(self.caller.tenant, self.caller.environment),
            "audience": gateway.audience,
            "algorithm": gateway.algorithm,
            "snippets": [asdict(snippet) for snippet in snippets_of(self.caller, gateway)],
        }
        return Response(SnippetsOutput(document).data)
