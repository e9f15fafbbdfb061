"""``POST {issuer}/oauth/token``: one endpoint, one handler per grant type.

Here: client_credentials (RFC 6749 §4.4), with ``scope`` and ``audience`` or ``resource`` (RFC 8707). The other grants
register themselves: ``refresh_grant``, ``exchange`` and the device flow, each of which authenticates its client itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.http import HttpRequest, JsonResponse

from authsvc.audit.changes import Remembered, current_changes
from authsvc.audit.together import once_more
from authsvc.gate.clients import Form, authenticate_client, form_of
from authsvc.gate.issue import Asked, Holder, issue_token
from authsvc.gate.oauth_errors import InvalidClient, InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from authsvc.tenants.known import known_environment
from authsvc.tenants.models import Environment, PrincipalKind
from authsvc.tokens.services import MintedToken
from authsvc.web.arrival import waited
from authsvc.web.prepared import Prepared
from authsvc.web.secret_text import SecretText
from devices.services.trust import DeviceTrust
from rbac.models import ServiceAccount

CLIENT_CREDENTIALS = "client_credentials"
SERVICE_TRUST = 1
MAXIMUM_SESSION_ID = 255
NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@dataclass(frozen=True, slots=True)
class TokenCall:
    """One request to the token endpoint; nobody is authenticated yet. ``arrived_at`` is before any waiting."""

    request: HttpRequest
    place: Environment
    form: Form
    now: datetime
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the endpoint hands out; ``members`` are what a grant type adds to the answer."""

    minted: MintedToken
    refresh_token: SecretText | None = None
    issued_token_type: str = ""
    members: Mapping[str, str] = field(default_factory=dict)


GrantHandler = Callable[[TokenCall], TokenAnswer]
_HANDLERS: dict[str, GrantHandler] = {}


_ACCOUNTS: Remembered[str, ServiceAccount] = Remembered(4096)
_ACCOUNT = Prepared(
    lambda tenant_id, environment_id, account_id: (
        ServiceAccount.objects.for_tenant(tenant_id)
        .select_related("principal")
        .filter(environment_id=environment_id, id=account_id)
        .order_by()
    )
)


def register_grant(grant_type: str, handler: GrantHandler) -> None:
    """Let ``handler`` answer a grant type. It authenticates the client and raises OAuth errors."""
    _HANDLERS[grant_type] = handler


def grant_types() -> tuple[str, ...]:
    """Return the registered grant types, for the metadata."""
    return tuple(sorted(_HANDLERS))


def token_endpoint(request: HttpRequest, tenant: str, environment: str) -> JsonResponse:
    """Answer a token request of one environment, never cached; errors are RFC 6749 JSON."""
    return JsonResponse(token_document(request, tenant, environment), headers=NOT_KEPT)


def token_document(request: HttpRequest, tenant: str, environment: str) -> dict[str, str | int]:
    """Return the answer to a token request of one environment (RFC 6749 §5.1); raises OAuth errors."""
    wait = waited(request)
    now = datetime.now(UTC)
    place = known_environment(tenant=tenant, environment=environment)
    form = form_of(request)
    grant_type = form.get("grant_type", "")
    if not grant_type:
        raise InvalidRequest("grant_type is missing.")
    handler = _HANDLERS.get(grant_type)
    if handler is None:
        authenticate_client(request, place, now=now)
        raise UnsupportedGrantType
    call = TokenCall(request, place, form, now, now - wait)
    return _document(once_more(lambda: handler(call)), now)


def _document(answer: TokenAnswer, now: datetime) -> dict[str, str | int]:
    minted = answer.minted
    document: dict[str, str | int] = {
        "access_token": minted.text.reveal(),
        "token_type": "Bearer",
        "expires_in": int((minted.claims.expires_at - now).total_seconds()),
        "scope": " ".join(minted.claims.scopes),
        **answer.members,
    }
    if answer.refresh_token is not None:
        document["refresh_token"] = answer.refresh_token.reveal()
    if answer.issued_token_type:
        document["issued_token_type"] = answer.issued_token_type
    return document


def asked_of(form: Form, grant_type: str) -> Asked:
    """Return what the form asks for; raises ``InvalidRequest`` when audience and resource differ.

    ``session_id`` is the client's own name for a conversation: the token carries it, nothing here reads it.
    """
    audiences, resources = (_named(form, name) for name in ("audience", "resource"))
    if audiences and resources and set(audiences) != set(resources):
        raise InvalidRequest("audience and resource name different targets.")
    audience, *more = audiences or resources or [""]
    session_id = str(form.get("session_id", ""))
    if len(session_id) > MAXIMUM_SESSION_ID or not session_id.isprintable():
        raise InvalidRequest(f"session_id is a printable text of at most {MAXIMUM_SESSION_ID} characters.")
    scopes = tuple(form.get("scope", "").split())
    return Asked(scopes, audience, grant_type, session_id=session_id, more_audiences=tuple(more))


def _named(form: Form, name: str) -> list[str]:
    return [value for value in dict.fromkeys(map(str, form.getlist(name))) if value]


def service_holder(account: ServiceAccount) -> Holder:
    """Return the holder for a service account."""
    return Holder(
        principal=account.principal,
        client_id=account.id,
        maximum_scopes=tuple(account.maximum_scopes),
        default_scopes=tuple(account.default_scopes),
        trust=DeviceTrust.of_service(SERVICE_TRUST),
    )


def _client_credentials(call: TokenCall) -> TokenAnswer:
    client = authenticate_client(call.request, call.place, now=call.now)
    if client.principal.kind != PrincipalKind.SERVICE_ACCOUNT:
        raise UnauthorizedClient
    holder = service_holder(_account(call.place, client.principal.id))
    return TokenAnswer(issue_token(client.caller, holder, asked_of(call.form, CLIENT_CREDENTIALS), now=call.now))


def _account(place: Environment, account_id: str) -> ServiceAccount:
    known = _ACCOUNTS.find(account_id)
    if known is not None and known.value.environment_id == place.id:
        return known.value
    changes = current_changes(place.tenant_id)
    account = _ACCOUNT.first(tenant_id=place.tenant_id, environment_id=place.id, account_id=account_id)
    if account is None:  # deleted since it was authenticated
        raise InvalidClient
    _ACCOUNTS.put(account_id, place.tenant_id, changes, account)
    return account


register_grant(CLIENT_CREDENTIALS, _client_credentials)
