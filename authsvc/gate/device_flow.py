"""RFC 8628: a device without a keyboard asks, a person approves at ``/device``, the device polls for its token.

The request is an ordinary pending device; this adds the polling side. Refused: unknown clients, unknown scopes, more
waiting requests than one network may have, and every poll the RFC names an error for. A device code works once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from rest_framework.exceptions import ValidationError

from authsvc.gate.clients import Form, authenticate_client, form_of
from authsvc.gate.device_tokens import issue_device_tokens
from authsvc.gate.issue import gateway_of_audience, require_known_scopes
from authsvc.gate.oauth_errors import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScopeRequested,
    OAuthError,
)
from authsvc.gate.token import TokenAnswer, TokenCall, register_grant
from authsvc.tenants.models import Environment, Principal, PrincipalKind, PrincipalState
from authsvc.tenants.services import get_environment
from authsvc.tokens.opaque import pepper
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.client_address import client_address
from authsvc.web.problems import TooManyRequests
from authsvc.web.request_id import request_id_of
from authsvc.web.serializers import NameField
from devices.codes import approval_address
from devices.models import Device, DeviceAuthorization, DeviceType
from devices.services.authenticate import Attempt, DeviceNotActive, ProvenDevice, accept_proof
from devices.services.enrol import REQUEST_SECONDS, Enrolment, Identity, enrol_device
from devices.states import State

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
RECORDED_AS = "device_code"  # the grant type as stored and audited
SERVICE_ACCOUNT_IDS = "svc_"
PUBLIC_CLIENT = "authsvc-device"  # for devices nobody registered a client for; the approver sees what it is
INTERVAL_SECONDS = 5
SLOW_DOWN_SECONDS = 5
JITTER = timedelta(milliseconds=500)  # a client that waits exactly the interval may arrive a little early
WAITING_PER_NETWORK = 20
WAITING_PER_ENVIRONMENT = 500


class AuthorizationPending(OAuthError):
    """Nobody decided yet (RFC 8628 §3.5)."""

    slug, default_detail = "authorization_pending", "Nobody decided yet."


class SlowDown(OAuthError):
    """Polled before the interval was over; wait five seconds more from now on."""

    slug, default_detail = "slow_down", "Poll more slowly: the interval grew by five seconds."


class AccessDenied(OAuthError):
    """The request was refused."""

    slug, default_detail = "access_denied", "The request was refused."


class ExpiredToken(OAuthError):
    """The device code ran out; ask again."""

    slug, default_detail = "expired_token", "The device code expired; ask again."


class TooManyWaiting(TooManyRequests):
    """Too many requests wait for an answer already."""

    slug, title = "too_many_waiting", "Too many waiting requests"
    default_detail = "Too many requests wait for approval; let them be answered first."


@dataclass(frozen=True, slots=True)
class PollingClient:
    """Who asks: a client that proved itself, or one that only gave its name."""

    client_id: str
    name: str
    is_authenticated: bool
    caller: Caller


def device_authorization_endpoint(request: HttpRequest, tenant: str, environment: str) -> JsonResponse:
    """Answer ``POST {issuer}/oauth/device_authorization`` (RFC 8628 §3.2)."""
    now = datetime.now(UTC)
    place = get_environment(tenant=tenant, environment=environment)
    form = form_of(request)
    client = _client(request, place, form, now)
    audience = str(form.get("audience") or form.get("resource") or "")
    gateway = gateway_of_audience(place.tenant_id, place.id, audience)
    scopes = _scopes(client.caller, form)
    _require_room(client, now)
    device_code = secrets.token_urlsafe(32)
    identity = Identity(has_device_code=True, user_agent=request.headers.get("User-Agent", ""))
    with transaction.atomic():
        enrolment = enrol_device(
            client.caller,
            name=_name(form, client),
            device_type=DeviceType.CUSTOM,
            requested_scopes=scopes,
            gateway=gateway,
            identity=identity,
            now=now,
        )
        _authorization(enrolment.device, client, device_code, now).save(force_insert=True)
    return JsonResponse(_invitation(enrolment, device_code), headers={"Cache-Control": "no-store"})


def redeem_device_code(call: TokenCall) -> TokenAnswer:
    """Answer one poll (RFC 8628 §3.4): the tokens, once, or the error that says how to go on."""
    client = _client(call.request, call.place, call.form, call.now)
    row = _polled(client, call.form.get("device_code", ""), call.now)
    _require_decided(row, call.now)
    attempt = Attempt(row.device_id, None, client_address(call.request), request_id_of(call.request), call.now)
    with transaction.atomic():
        unused = DeviceAuthorization.objects.for_environment(client.caller).filter(pk=row.pk, redeemed_at__isnull=True)
        if not unused.update(redeemed_at=call.now):
            raise InvalidGrant
        proven = _proven(row.device, attempt)
        tokens = issue_device_tokens(proven, grant_type=RECORDED_AS, client_id=_token_client(client), now=call.now)
    return TokenAnswer(tokens.minted, tokens.refresh, members={"device_id": proven.device.id})


register_grant(DEVICE_CODE, redeem_device_code)


def _client(request: HttpRequest, place: Environment, form: Form, now: datetime) -> PollingClient:
    """Return the client: proven when it sent any proof, else one that exists here; raises ``InvalidClient``."""
    if "HTTP_AUTHORIZATION" in request.META or "client_secret" in form or "client_assertion" in form:
        proven = authenticate_client(request, place, now=now)
        return PollingClient(proven.principal.id, proven.principal.name, True, proven.caller)
    client_id = str(form.get("client_id", ""))
    if not client_id:
        raise InvalidRequest("client_id is missing.")
    name = "Device" if client_id == PUBLIC_CLIENT else _registered_name(place, client_id)
    caller = Caller(
        tenant_id=place.tenant_id,
        tenant=place.tenant.slug,
        environment_id=place.id,
        environment=place.name,
        principal_id=f"client:{client_id}"[:150],
        kind=CallerKind.DEVICE,
        scopes=frozenset(),
        request_id=request_id_of(request),
        address=client_address(request),
    )
    return PollingClient(client_id, name, False, caller)


def _registered_name(place: Environment, client_id: str) -> str:
    principals = Principal.objects.for_tenant(place.tenant_id).filter(
        environment=place, id=client_id, state=PrincipalState.ACTIVE
    )
    principal = principals.exclude(kind=PrincipalKind.DEVICE).first()
    if principal is None:
        raise InvalidClient
    return principal.name


def _scopes(caller: Caller, form: Form) -> list[str]:
    scopes = list(dict.fromkeys(str(form.get("scope", "")).split()))
    if len(scopes) > 500:
        raise InvalidScopeRequested("Too many scopes.")
    require_known_scopes(caller, scopes)
    return scopes


def _name(form: Form, client: PollingClient) -> str:
    """Return the name the device gives itself, or one made of its client's."""
    text = str(form.get("device_name", "")) or f"Device of {client.name}"[:200]
    try:
        return str(NameField().run_validation(text))
    except ValidationError as error:
        raise InvalidRequest("device_name is not a name.") from error


def _require_room(client: PollingClient, now: datetime) -> None:
    if client.is_authenticated:
        return
    waiting = Device.objects.for_environment(client.caller).filter(
        status=State.PENDING, request_expires_at__gt=now, authorization__is_client_authenticated=False
    )
    here = waiting.filter(address=client.caller.address) if client.caller.address else waiting.none()
    if here.count() >= WAITING_PER_NETWORK or waiting.count() >= WAITING_PER_ENVIRONMENT:
        raise TooManyWaiting(headers={"Retry-After": str(REQUEST_SECONDS)})


def _authorization(device: Device, client: PollingClient, device_code: str, now: datetime) -> DeviceAuthorization:
    return DeviceAuthorization(
        tenant_id=device.tenant_id,
        environment_id=device.environment_id,
        device=device,
        device_code_hash=hash_device_code(device_code),
        client_id=client.client_id,
        is_client_authenticated=client.is_authenticated,
        interval_seconds=INTERVAL_SECONDS,
        expires_at=now + timedelta(seconds=REQUEST_SECONDS),
    )


def hash_device_code(device_code: str) -> str:
    """Return the keyed hash under which a device code is stored."""
    return hmac.new(pepper(), f"device code|{device_code}".encode(), hashlib.sha256).hexdigest()


def _invitation(enrolment: Enrolment, device_code: str) -> dict[str, object]:
    base_url = settings.AUTHSVC_BASE_URL
    return {
        "device_code": device_code,
        "user_code": enrolment.user_code,
        "verification_uri": approval_address(base_url),
        "verification_uri_complete": approval_address(base_url, enrolment.user_code),
        "expires_in": REQUEST_SECONDS,
        "interval": INTERVAL_SECONDS,
    }


def _polled(client: PollingClient, device_code: str, now: datetime) -> DeviceAuthorization:
    """Return the conversation after noting the poll; raises ``InvalidGrant`` or ``SlowDown``."""
    if not device_code:
        raise InvalidRequest("device_code is missing.")
    with transaction.atomic():
        rows = DeviceAuthorization.objects.for_environment(client.caller).select_for_update(of=("self",))
        found = rows.select_related("device__environment__tenant", "device__principal")
        row = found.filter(device_code_hash=hash_device_code(device_code), client_id=client.client_id).first()
        if row is None or row.redeemed_at is not None or row.is_client_authenticated != client.is_authenticated:
            raise InvalidGrant
        earliest = timedelta(seconds=row.interval_seconds) - JITTER
        is_early = row.last_polled_at is not None and now - row.last_polled_at < earliest
        row.last_polled_at = now
        row.interval_seconds += SLOW_DOWN_SECONDS if is_early else 0
        row.save(update_fields=["last_polled_at", "interval_seconds"])
    if is_early:
        raise SlowDown
    return row


def _require_decided(row: DeviceAuthorization, now: datetime) -> None:
    status = State(row.device.status)
    if now >= row.expires_at:
        raise ExpiredToken
    if status is State.PENDING:
        raise AuthorizationPending
    if status is not State.ACTIVE:
        raise AccessDenied


def _proven(device: Device, attempt: Attempt) -> ProvenDevice:
    try:
        return accept_proof(attempt, device, "device_code")
    except DeviceNotActive as error:
        raise AccessDenied from error


def _token_client(client: PollingClient) -> str:
    """Name a service account in the token only when it proved itself; otherwise the device is its own client."""
    is_claimed = not client.is_authenticated and client.client_id.startswith(SERVICE_ACCOUNT_IDS)
    return "" if is_claimed else client.client_id
