"""``{issuer}/.well-known/jwks.json`` (RFC 7517) and ``{issuer}/jwks.pem``: the public keys of one environment.

Anybody may ask. A gateway that sends its own token is noted as having fetched these keys; a token that is not accepted
changes nothing in the answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags

from authsvc.gate.authentication import admit, bearer_of
from authsvc.tenants.models import Environment
from authsvc.tenants.services import get_environment
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import TokenType
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.tokens.jwt import public_pem
from authsvc.tokens.keys import KEY_SET_SECONDS, published_keys
from authsvc.tokens.models import SigningKey, SigningKeyState
from authsvc.web.client_address import client_address
from authsvc.web.request_id import request_id_of
from rbac.services.gateways import note_key_set_fetched


def jwks_document(place: Environment) -> dict[str, list[dict[str, str]]]:
    """Return ``{"keys": [...]}``: next, active and retiring keys, public members only."""
    return {"keys": [key.public_jwk for key in published_keys(place)]}


def jwks_endpoint(request: HttpRequest, tenant: str, environment: str) -> HttpResponseBase:
    """Answer the key set with an ETag and a short life."""
    place = get_environment(tenant=tenant, environment=environment)
    keys = published_keys(place)
    _note_fetch(request, place, keys)
    document = {"keys": [key.public_jwk for key in keys]}
    return _cacheable(request, json.dumps(document, sort_keys=True), "application/jwk-set+json")


def pem_endpoint(request: HttpRequest, tenant: str, environment: str) -> HttpResponseBase:
    """Answer the public keys as PEM, one after the other; first what signs now, for readers that take one."""
    place = get_environment(tenant=tenant, environment=environment)
    keys = sorted(published_keys(place), key=lambda key: key.state != SigningKeyState.ACTIVE)
    _note_fetch(request, place, keys)
    return _cacheable(request, "".join(public_pem(key.public_jwk) for key in keys), "application/x-pem-file")


def _note_fetch(request: HttpRequest, place: Environment, keys: Sequence[SigningKey]) -> None:
    raw = bearer_of(request.headers.get("Authorization", "")) or ""
    if not raw.startswith(f"{TokenType.GATEWAY_TOKEN}_"):
        return
    now = datetime.now(UTC)
    with suppress(TokenRefused):
        address, request_id = client_address(request), request_id_of(request)
        caller = admit(raw, audience=API_AUDIENCE, now=now, address=address, request_id=request_id)
        if caller.environment_id == place.id:
            note_key_set_fetched(caller, kids=[key.kid for key in keys], now=now)


def _cacheable(request: HttpRequest, body: str, content_type: str) -> HttpResponse:
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={KEY_SET_SECONDS}",
        "Access-Control-Allow-Origin": "*",
    }
    known = [text.removeprefix("W/") for text in parse_etags(request.headers.get("If-None-Match", ""))]
    if etag in known or "*" in known:
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(body, content_type=content_type, headers=headers)
