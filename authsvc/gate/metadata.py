"""Authorization server metadata (RFC 8414) at the path-inserted address and at the aliases clients try."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse

from authsvc.gate.token import grant_types
from authsvc.tenants.services import get_environment
from authsvc.tokens.issuer import issuer_of
from authsvc.tokens.jwt import ALGORITHMS

CLIENT_AUTHENTICATION = ["client_secret_basic", "client_secret_post", "private_key_jwt"]


def metadata_endpoint(request: HttpRequest, tenant: str, environment: str) -> JsonResponse:
    """Answer the metadata of one issuer; ``issuer`` equals the address in its tokens exactly."""
    place = get_environment(tenant=tenant, environment=environment)
    issuer = issuer_of(place.tenant.slug, place.name)
    document = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": [],
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "grant_types_supported": list(grant_types()),
        "token_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
        "introspection_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": CLIENT_AUTHENTICATION,
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "access_token_signing_alg_values_supported": list(ALGORITHMS),
        "service_documentation": issuer.partition("/t/")[0] + "/api/docs/",
    }
    headers = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
    return JsonResponse(document, headers=headers)
