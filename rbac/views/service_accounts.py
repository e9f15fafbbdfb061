"""Service accounts and their keys over the API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.tokens.api_keys import IssuedKey, get_api_key, revoke_api_key
from authsvc.tokens.models import ApiKey
from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from rbac.models import ServiceAccount
from rbac.serializers import (
    IssuedKeyOutput,
    KeyInput,
    KeyOutput,
    ReasonInput,
    RotationInput,
    ServiceAccountChange,
    ServiceAccountInput,
    ServiceAccountOutput,
)
from rbac.services.service_accounts import (
    create_service_account,
    delete_service_account,
    get_service_account,
    issue_account_key,
    make_key_endless,
    rotate_account_key,
    update_service_account,
)


def shown_once(issued: IssuedKey, *, status: int) -> Response:
    """Return the answer that carries a fresh secret, the only time it is readable."""
    document = {**KeyOutput(issued.key).data, "secret": issued.text.reveal()}
    return Response(document, status=status, headers={"Cache-Control": "no-store"})


class ServiceAccountList(ApiView):
    """The service accounts of the caller's environment."""

    required_scopes = {"GET": "service_accounts:read", "POST": "service_accounts:write"}
    lists = True

    @extend_schema(responses=ServiceAccountOutput(many=True))
    def get(self, request: Request) -> Response:
        """List service accounts, newest first."""
        rows = ServiceAccount.objects.for_environment(self.caller).select_related("principal")
        return self.page(rows, ServiceAccountOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=ServiceAccountInput, responses={201: ServiceAccountOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Create a service account; it holds no right until a role is granted to it."""
        account = create_service_account(self.caller, **self.fields(ServiceAccountInput), now=self.now)
        return Response(ServiceAccountOutput(account).data, status=201)


class ServiceAccountDetail(ApiView):
    """One service account."""

    required_scopes = {
        "GET": "service_accounts:read",
        "PATCH": "service_accounts:write",
        "DELETE": "service_accounts:write",
    }

    @extend_schema(responses=ServiceAccountOutput)
    def get(self, request: Request, account_id: str) -> Response:
        """Show a service account."""
        return Response(ServiceAccountOutput(get_service_account(self.caller, account_id)).data)

    @extend_schema(request=ServiceAccountChange, responses=ServiceAccountOutput)
    def patch(self, request: Request, account_id: str) -> Response:
        """Change, disable or enable a service account."""
        account = get_service_account(self.caller, account_id)
        fields = self.fields(ServiceAccountChange)
        changed = update_service_account(self.caller, account=account, **fields, now=self.now)
        return Response(ServiceAccountOutput(changed).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, account_id: str) -> Response:
        """Delete a service account with its keys, grants and tokens."""
        delete_service_account(self.caller, account=get_service_account(self.caller, account_id), now=self.now)
        return Response(status=204)


class AccountKeyList(ApiView):
    """The API keys and client secrets of one service account."""

    required_scopes = {"GET": "service_accounts:read", "POST": "service_accounts:write"}
    lists = True
    sensitive = True

    @extend_schema(responses=KeyOutput(many=True))
    def get(self, request: Request, account_id: str) -> Response:
        """List keys, newest first; never their secrets."""
        account = get_service_account(self.caller, account_id)
        return self.page(ApiKey.objects.for_environment(self.caller).filter(principal_id=account.id), KeyOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=KeyInput, responses={201: IssuedKeyOutput})
    @idempotent
    def post(self, request: Request, account_id: str) -> Response:
        """Issue a key or client secret; ``secret`` is shown this once."""
        account = get_service_account(self.caller, account_id)
        issued = issue_account_key(self.caller, account=account, **self.fields(KeyInput), now=self.now)
        return shown_once(issued, status=201)


class AccountKeyDetail(ApiView):
    """One key of a service account."""

    required_scopes = {"GET": "service_accounts:read", "DELETE": "service_accounts:write"}

    @extend_schema(responses=KeyOutput)
    def get(self, request: Request, account_id: str, key_id: str) -> Response:
        """Show a key without its secret."""
        return Response(KeyOutput(_key(self.caller, account_id, key_id)).data)

    @extend_schema(request=ReasonInput, responses={204: None})
    def delete(self, request: Request, account_id: str, key_id: str) -> Response:
        """Revoke a key at once."""
        key = _key(self.caller, account_id, key_id)
        revoke_api_key(self.caller, key=key, reason=self.fields(ReasonInput)["reason"], now=self.now)
        return Response(status=204)


class AccountKeyRotation(ApiView):
    """A new secret for a key; the id stays."""

    required_scopes = {"POST": "service_accounts:write"}
    sensitive = True

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=RotationInput, responses={200: IssuedKeyOutput})
    @idempotent
    def post(self, request: Request, account_id: str, key_id: str) -> Response:
        """Rotate a key; the old secret works until the overlap ends."""
        key = _key(self.caller, account_id, key_id)
        overlap = self.fields(RotationInput)["overlap_seconds"]
        return shown_once(rotate_account_key(self.caller, key=key, overlap_seconds=overlap, now=self.now), status=200)


class AccountKeyEnd(ApiView):
    """The end of a key's life."""

    required_scopes = {"POST": "service_accounts:write"}
    sensitive = True

    @extend_schema(request=ReasonInput, responses=KeyOutput)
    def post(self, request: Request, account_id: str, key_id: str) -> Response:
        """Let a key live until it is revoked; say why. Where the tenant wants it, a second operator approves."""
        key = _key(self.caller, account_id, key_id)
        reason = self.fields(ReasonInput)["reason"]
        return Response(KeyOutput(make_key_endless(self.caller, key=key, reason=reason, now=self.now)).data)


def _key(caller: Caller, account_id: str, key_id: str) -> ApiKey:
    """Return a key of a service account; the secrets of devices and gateways are not found here."""
    return get_api_key(caller, key_id, principal_id=get_service_account(caller, account_id).id)
