"""``{issuer}/.well-known/jwks.json`` (RFC 7517) and ``{issuer}/jwks.pem``: the public keys of one environment."""

from __future__ import annotations

import hashlib
import json

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from authsvc.tenants.models import Environment
from authsvc.tenants.services import get_environment
from authsvc.tokens.jwt import public_pem
from authsvc.tokens.keys import published_keys

MAXIMUM_AGE_SECONDS = 300


def jwks_document(place: Environment) -> dict[str, list[dict[str, str]]]:
    """Return ``{"keys": [...]}``: next, active and retiring keys, public members only."""
    return {"keys": [key.public_jwk for key in published_keys(place)]}


def jwks_endpoint(request: HttpRequest, tenant: str, environment: str) -> HttpResponseBase:
    """Answer the key set with an ETag and a short life."""
    document = jwks_document(get_environment(tenant=tenant, environment=environment))
    return _cacheable(request, json.dumps(document, sort_keys=True), "application/jwk-set+json")


def pem_endpoint(request: HttpRequest, tenant: str, environment: str) -> HttpResponseBase:
    """Answer the public keys as PEM, one after the other."""
    keys = published_keys(get_environment(tenant=tenant, environment=environment))
    return _cacheable(request, "".join(public_pem(key.public_jwk) for key in keys), "application/x-pem-file")


def _cacheable(request: HttpRequest, body: str, content_type: str) -> HttpResponse:
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={MAXIMUM_AGE_SECONDS}",
        "Access-Control-Allow-Origin": "*",
    }
    if request.headers.get("If-None-Match", "") == etag:
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(body, content_type=content_type, headers=headers)
