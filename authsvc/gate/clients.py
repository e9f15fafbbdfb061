"""OAuth client authentication, one method per request.

``client_secret_basic`` and ``client_secret_post`` (RFC 6749 §2.3.1), ``private_key_jwt`` (RFC 7523 §2.2).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict

from authsvc.audit.changes import current_changes
from authsvc.audit.record import record
from authsvc.gate.failed_proofs import note_failure
from authsvc.gate.oauth_errors import InvalidClient, InvalidRequest
from authsvc.tenants.models import Environment, Principal, PrincipalKind, PrincipalState
from authsvc.tokens.assertions import check_assertion, read_assertion
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.issuer import issuer_of
from authsvc.tokens.models import ApiKeyKind
from authsvc.tokens.opaque import verify_opaque
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.client_address import client_address
from authsvc.web.limit_middleware import count_for_tenant
from authsvc.web.quick import FORM
from authsvc.web.request_id import request_id_of
from rbac.models import ServiceAccount

AUDIENCES = frozenset({"audience", "resource"})
MAXIMUM_AUDIENCES = 8
MAXIMUM_PARAMETER = 16_384
Form = MultiValueDict[str, str]
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated OAuth client and the caller it acts as in its own environment."""

    principal: Principal
    caller: Caller


def form_of(request: HttpRequest) -> Form:
    """Return the form; raises ``InvalidRequest`` for another media type, a repeat, or NUL (RFC 6749 §3.2).

    A client that acts for itself may repeat ``audience`` or ``resource`` (RFC 8707 §2).
    """
    if request.content_type != FORM:
        raise InvalidRequest(f"Send {FORM}.")
    for name, values in request.POST.lists():
        may_repeat = name in AUDIENCES and request.POST.get("grant_type") == "client_credentials"
        if len(values) > (MAXIMUM_AUDIENCES if may_repeat else 1):
            raise InvalidRequest(f"The parameter {name[:50]} is repeated.")
        if any("\x00" in str(value) or len(str(value)) > MAXIMUM_PARAMETER for value in values):
            raise InvalidRequest(f"The parameter {name[:50]} is malformed.")
    return request.POST


def authenticate_client(request: HttpRequest, environment: Environment, *, now: datetime) -> Client:
    """Return the client of this environment; raises ``InvalidClient``, the same for every cause.

    From here on the request counts against the tenant's own rates; raises ``TooManyRequests``.
    """
    client = _authenticated(request, environment, now)
    count_for_tenant(request, environment.tenant_id)
    return client


def _authenticated(request: HttpRequest, environment: Environment, now: datetime) -> Client:
    changes = current_changes(environment.tenant_id)
    form = form_of(request)
    if "client_assertion" in form or "client_assertion_type" in form:
        return _authenticate_by_key(request, environment, form, changes, now)
    client_id, secret = _credentials(request, form)
    address = client_address(request)
    try:
        key = verify_opaque(secret, address=address, now=now)
    except TokenRefused as refusal:
        _note_failure(request, environment, client_id, refusal.reason, now)
        raise InvalidClient from refusal
    mine = key.environment_id == environment.id and key.principal_id == client_id
    if key.kind != ApiKeyKind.CLIENT_SECRET or not mine:
        _note_failure(request, environment, client_id, "not this client's secret", now)
        raise InvalidClient
    return Client(key.principal, client_caller(request, environment, key.principal, key.id, changes=changes))


def _authenticate_by_key(
    request: HttpRequest, environment: Environment, form: Form, changes: int, now: datetime
) -> Client:
    if request.META.get("HTTP_AUTHORIZATION") or "client_secret" in form:
        raise InvalidRequest("Use one way of client authentication.")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidRequest(f"client_assertion_type must be {ASSERTION_TYPE}.")
    client_id = form.get("client_id", "")
    try:
        assertion = read_assertion(form.get("client_assertion", ""))
        if client_id not in {"", assertion.client_id}:
            raise TokenRefused("client_id")
        client_id = assertion.client_id
        account = _keyed_account(environment, client_id)
        caller = client_caller(request, environment, account.principal, "", "private_key_jwt", changes)
        issuer = issuer_of(environment.tenant.slug, environment.name)
        check_assertion(caller, assertion, keys=account.public_jwks, issuer=issuer, now=now)
    except TokenRefused as refusal:
        _note_failure(request, environment, client_id, refusal.reason, now, method="private_key_jwt")
        raise InvalidClient from refusal
    return Client(account.principal, caller)


def _keyed_account(environment: Environment, client_id: str) -> ServiceAccount:
    accounts = ServiceAccount.objects.for_tenant(environment.tenant_id).select_related("principal")
    active = accounts.filter(environment=environment, principal__state=PrincipalState.ACTIVE)
    account = active.filter(id=client_id).first()
    if account is None:
        raise TokenRefused("client")
    return account


def has_client_proof(request: HttpRequest) -> bool:
    """True when the request tries to authenticate a client at all, well or badly."""
    names = ("client_secret", "client_assertion", "client_assertion_type")
    return bool(request.META.get("HTTP_AUTHORIZATION")) or any(name in form_of(request) for name in names)


def client_caller(
    request: HttpRequest,
    environment: Environment,
    principal: Principal,
    token_id: str,
    proof: str = "client_secret",
    changes: int | None = None,
) -> Caller:
    """Return the caller for a principal at an OAuth endpoint; it holds no API scope there."""
    return Caller(
        tenant_id=environment.tenant_id,
        tenant=environment.tenant.slug,
        environment_id=environment.id,
        environment=environment.name,
        principal_id=principal.id,
        kind=CallerKind(principal.kind),
        scopes=frozenset(),
        proof=proof,
        token_id=token_id,
        request_id=request_id_of(request),
        address=client_address(request),
        changes=changes,
    )


def _credentials(request: HttpRequest, form: Form) -> tuple[str, str]:
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header and "client_secret" in form:
        raise InvalidRequest("Use one way of client authentication.")
    if header:
        client_id, secret = _basic(header)
        if form.get("client_id", client_id) != client_id:
            raise InvalidRequest("client_id differs from the authenticated client.")
        return client_id, secret
    return str(form.get("client_id", "")), str(form.get("client_secret", ""))


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise InvalidClient from error
    client_id, colon, secret = text.partition(":")
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if not colon or "\x00" in client_id:
        raise InvalidClient
    return client_id, secret


def _note_failure(
    request: HttpRequest,
    environment: Environment,
    client_id: str,
    reason: str,
    now: datetime,
    method: str = "client_secret",
) -> None:
    """Count the failure, and audit that of a client that exists; made-up names leave no row to pile up."""
    principals = Principal.objects.for_tenant(environment.tenant_id).filter(environment=environment)
    principal = principals.filter(id=client_id, kind=PrincipalKind.SERVICE_ACCOUNT).first()
    note_failure(request, environment, principal_id=principal.id if principal else "", proof=method, now=now)
    if principal is None:
        return
    caller = client_caller(request, environment, principal, "")
    detail = {"client_id": client_id, "method": method, "reason": reason}
    record(caller, "client.authentication_failed", subject_id=client_id, detail=detail, now=now)
