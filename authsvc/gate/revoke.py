"""``POST {issuer}/oauth/revoke`` (RFC 7009): 200 whether or not the token was ours; only its own client ends it.

A refresh token ends its whole family and the access tokens issued with it; a device, a public client, needs no more.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse

from authsvc.gate.clients import Client, authenticate_client, form_of
from authsvc.gate.oauth_errors import InvalidRequest
from authsvc.gate.refresh_grant import presented_token
from authsvc.tenants.services import get_environment
from authsvc.tokens.api_keys import revoke_api_key
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import TokenType, is_opaque_shaped
from authsvc.tokens.models import IssuedToken
from authsvc.tokens.opaque import verify_opaque
from authsvc.tokens.refresh import end_family
from authsvc.tokens.services import revoke_token, verify_access_token

REASON = "revoked by its client"


def revocation_endpoint(request: HttpRequest, tenant: str, environment: str) -> HttpResponse:
    """End a token of the authenticated client; an unknown or foreign one changes nothing and is answered alike."""
    now = datetime.now(UTC)
    place = get_environment(tenant=tenant, environment=environment)
    form = form_of(request)
    raw = form.get("token", "")
    if raw.startswith(f"{TokenType.REFRESH_TOKEN}_"):
        with suppress(TokenRefused):  # RFC 7009 §2.2: an invalid token is not an error
            token, caller = presented_token(request, place, raw, now=now)
            end_family(caller, family=token.family, reason=REASON, now=now)
        return _done()
    client = authenticate_client(request, place, now=now)
    if not raw:
        raise InvalidRequest("token is missing.")
    with suppress(TokenRefused):
        _revoke(client, raw, now)
    return _done()


def _done() -> HttpResponse:
    return HttpResponse(status=200, headers={"Cache-Control": "no-store"})


def _revoke(client: Client, raw: str, now: datetime) -> None:
    if is_opaque_shaped(raw):
        key = verify_opaque(raw, address=client.caller.address, now=now)
        if key.principal_id == client.principal.id and key.environment_id == client.caller.environment_id:
            revoke_api_key(client.caller, key=key, reason=REASON, now=now)
        return
    verified = verify_access_token(raw, now=now)
    jti = verified.claims.jti
    mine = verified.environment_id == client.caller.environment_id and verified.claims.client_id == client.principal.id
    if mine and IssuedToken.objects.for_environment(client.caller).filter(id=jti).exists():
        revoke_token(client.caller, jti=jti, reason=REASON, now=now)
