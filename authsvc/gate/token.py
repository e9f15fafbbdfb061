"""``POST {issuer}/oauth/token``.

Client_credentials (RFC 6749 §4.4), with ``scope`` and ``audience`` or ``resource`` (RFC 8707).
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest, JsonResponse, QueryDict

from authsvc.gate.clients import Client, authenticate_client, form_of
from authsvc.gate.issue import Asked, Holder, issue_token
from authsvc.gate.oauth_errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from authsvc.tenants.models import PrincipalKind
from authsvc.tenants.services import get_environment
from authsvc.tokens.services import MintedToken
from devices.services.trust import DeviceTrust
from rbac.models import ServiceAccount

CLIENT_CREDENTIALS = "client_credentials"
GRANT_TYPES = (CLIENT_CREDENTIALS,)
SERVICE_TRUST = 1


def token_endpoint(request: HttpRequest, tenant: str, environment: str) -> JsonResponse:
    """Answer a token request of one environment; errors are RFC 6749 JSON."""
    now = datetime.now(UTC)
    place = get_environment(tenant=tenant, environment=environment)
    form = form_of(request)
    client = authenticate_client(request, place, now=now)
    grant_type = form.get("grant_type", "")
    if not grant_type:
        raise InvalidRequest("grant_type is missing.")
    if grant_type not in GRANT_TYPES:
        raise UnsupportedGrantType
    return token_response(_client_credentials(client, form, now), now=now)


def token_response(minted: MintedToken, *, now: datetime) -> JsonResponse:
    """Return the RFC 6749 §5.1 answer, never cached."""
    body = {
        "access_token": minted.text.reveal(),
        "token_type": "Bearer",
        "expires_in": int((minted.claims.expires_at - now).total_seconds()),
        "scope": " ".join(minted.claims.scopes),
    }
    return JsonResponse(body, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def asked_of(form: QueryDict, grant_type: str) -> Asked:
    """Return what the form asks for; raises ``InvalidRequest`` when audience and resource differ."""
    audience, resource = form.get("audience", ""), form.get("resource", "")
    if audience and resource and audience != resource:
        raise InvalidRequest("audience and resource name different targets.")
    return Asked(tuple(form.get("scope", "").split()), audience or resource, grant_type)


def service_holder(account: ServiceAccount) -> Holder:
    """Return the holder for a service account."""
    return Holder(
        principal=account.principal,
        client_id=account.id,
        maximum_scopes=tuple(account.maximum_scopes),
        default_scopes=tuple(account.default_scopes),
        trust=DeviceTrust.of_service(SERVICE_TRUST),
    )


def _client_credentials(client: Client, form: QueryDict, now: datetime) -> MintedToken:
    if client.principal.kind != PrincipalKind.SERVICE_ACCOUNT:
        raise UnauthorizedClient
    account = (
        ServiceAccount.objects.for_environment(client.caller).select_related("principal").get(id=client.principal.id)
    )
    return issue_token(client.caller, service_holder(account), asked_of(form, CLIENT_CREDENTIALS), now=now)
