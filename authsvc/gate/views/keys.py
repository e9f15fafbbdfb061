"""Signing keys over the API: what is published, rotate, activate, retire. Private halves are never shown."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.serializers import ActivationInput, KeyReasonInput, RotationRequest, SigningKeyOutput
from authsvc.tokens.keys import retire_key
from authsvc.tokens.models import SigningKey
from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from authsvc.web.problems import ValidationFailed
from rbac.services.key_rotation import activate_key, get_key, rotate_key


class SigningKeyList(ApiView):
    """The signing keys of the caller's environment."""

    required_scopes = {"GET": "keys:read"}
    lists = True

    @extend_schema(responses=SigningKeyOutput(many=True))
    def get(self, request: Request) -> Response:
        """List keys with their states, newest first."""
        return self.page(SigningKey.objects.for_environment(self.caller), SigningKeyOutput)


class KeyRotation(ApiView):
    """The first half of a rotation."""

    required_scopes = {"POST": "keys:write"}

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=RotationRequest, responses={201: SigningKeyOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Publish a next key; it signs nothing until it is activated."""
        key = rotate_key(self.caller, **self.fields(RotationRequest), now=self.now)
        return Response(SigningKeyOutput(key).data, status=201)


class KeyActivation(ApiView):
    """The second half of a rotation."""

    required_scopes = {"POST": "keys:write"}

    @extend_schema(request=ActivationInput, responses=SigningKeyOutput)
    def post(self, request: Request) -> Response:
        """Sign with the next key; refused while a gateway lacks it, unless forced with a reason."""
        fields = self.fields(ActivationInput)
        if fields["force"] and not fields["reason"].strip():
            raise ValidationFailed(errors={"reason": ["Say why it cannot wait."]})
        reason = fields["reason"].strip() if fields["force"] else ""
        key = activate_key(self.caller, algorithm=fields["algorithm"], force_reason=reason, now=self.now)
        return Response(SigningKeyOutput(key).data)


class KeyRetirement(ApiView):
    """The end of one key."""

    required_scopes = {"POST": "keys:write"}

    @extend_schema(request=KeyReasonInput, responses=SigningKeyOutput)
    def post(self, request: Request, key_id: str) -> Response:
        """Retire a key at once: what it signed is refused."""
        reason = self.fields(KeyReasonInput)["reason"]
        key = retire_key(self.caller, key=get_key(self.caller, key_id), reason=reason, now=self.now)
        return Response(SigningKeyOutput(key).data)
