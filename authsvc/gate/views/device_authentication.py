"""``POST /devices/{id}/authenticate``, ``/challenge``, ``/prove``: a secret or signature becomes tokens.

It lives here because tokens are issued here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.device_tokens import DeviceTokens, issue_device_tokens
from authsvc.gate.serializers import DeviceTokenOutput
from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.request_id import request_id_of
from authsvc.web.scope_rules import PROOF_IN_BODY
from devices.proof import PayloadVersion
from devices.serializers import ChallengeOutput, DeviceOutput, SecretInput, SignatureInput
from devices.services.authenticate import Attempt, ProvenDevice, use_secret
from devices.services.challenge import NONCE_SECONDS, SignedChallenge, new_challenge, use_signature


class DeviceAuthentication(ApiView):
    """A device proves itself."""

    required_scopes = {"POST": PROOF_IN_BODY}
    sensitive = True

    @extend_schema(request=SecretInput, responses=DeviceTokenOutput)
    def post(self, request: Request, device_id: str) -> Response:
        """Exchange the device's secret for a short access token and a refresh token; any bad proof is the same 401."""
        bearer = request.user if isinstance(request.user, Caller) else None
        address, request_id = client_address(request._request), request_id_of(request._request)
        attempt = Attempt(device_id, bearer, address, request_id, self.now)
        tokens = use_secret(attempt, self.fields(SecretInput)["secret"], tokens_for("device_secret", self.now))
        return Response(authenticated_document(tokens, self.now), headers={"Cache-Control": "no-store"})


class DeviceChallenge(ApiView):
    """A nonce for a device with a key."""

    required_scopes = {"POST": PROOF_IN_BODY}
    sensitive = True

    @extend_schema(request=None, responses=ChallengeOutput)
    def post(self, request: Request, device_id: str) -> Response:
        """Give a nonce to sign; the answer is the same for an id that does not exist."""
        nonce = new_challenge(device_id, now=self.now)
        return Response({"nonce": nonce, "expires_in": NONCE_SECONDS}, headers={"Cache-Control": "no-store"})


class DeviceProof(ApiView):
    """A signed nonce."""

    required_scopes = {"POST": PROOF_IN_BODY}
    sensitive = True

    @extend_schema(request=SignatureInput, responses=DeviceTokenOutput)
    def post(self, request: Request, device_id: str) -> Response:
        """Exchange a signature by the device's key for a short access token; any bad proof is the same 401."""
        fields = self.fields(SignatureInput)
        signed = SignedChallenge(
            **{**fields, "version": PayloadVersion(fields["version"]), "scopes": tuple(fields["scopes"])}
        )
        bearer = request.user if isinstance(request.user, Caller) else None
        address, request_id = client_address(request._request), request_id_of(request._request)
        attempt = Attempt(device_id, bearer, address, request_id, self.now)
        tokens = use_signature(attempt, signed, tokens_for("device_signature", self.now))
        return Response(authenticated_document(tokens, self.now), headers={"Cache-Control": "no-store"})


def tokens_for(grant_type: str, now: datetime) -> Callable[[ProvenDevice], DeviceTokens]:
    """Return what a good proof is used for: the device's tokens, in the same transaction."""
    return partial(issue_device_tokens, grant_type=grant_type, now=now)


def authenticated_document(tokens: DeviceTokens, now: datetime) -> dict[str, object]:
    """Return the body for a good proof: the device, its short access token and its refresh token."""
    minted = tokens.minted
    return {
        "authenticated": True,
        "device": _device_output().to_representation(tokens.proven.device),
        "access_token": minted.text.reveal(),
        "token_type": "Bearer",
        "expires_in": int((minted.claims.expires_at - now).total_seconds()),
        "scope": " ".join(minted.claims.scopes),
        "refresh_token": tokens.refresh.reveal(),
    }


@lru_cache(maxsize=1)
def _device_output() -> DeviceOutput:
    """The serializer finds out about its fields once."""
    return DeviceOutput()
