"""``POST /devices/{id}/authenticate``, ``/challenge``, ``/prove``: a secret or signature becomes tokens.

It lives here because tokens are issued here.
"""

from __future__ import annotations

from datetime import datetime

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.device_tokens import issue_device_tokens
from authsvc.gate.serializers import DeviceTokenOutput
from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.request_id import request_id_of
from authsvc.web.scope_rules import PROOF_IN_BODY
from devices.proof import PayloadVersion
from devices.serializers import ChallengeOutput, DeviceOutput, SecretInput, SignatureInput
from devices.services.authenticate import Attempt, ProvenDevice, authenticate_device
from devices.services.challenge import NONCE_SECONDS, SignedChallenge, new_challenge, prove_device


class DeviceAuthentication(ApiView):
    """A device proves itself."""

    required_scopes = {"POST": PROOF_IN_BODY}
    sensitive = True

    @extend_schema(request=SecretInput, responses=DeviceTokenOutput)
    def post(self, request: Request, device_id: str) -> Response:
        """Exchange the device's secret for a short access token and a refresh token; any bad proof is the same 401."""
        bearer = request.user if isinstance(request.user, Caller) else None
        proven = authenticate_device(
            device_id,
            self.fields(SecretInput)["secret"],
            within=bearer,
            address=client_address(request._request),
            request_id=request_id_of(request._request),
            now=self.now,
        )
        return authenticated_response(proven, "device_secret", self.now)


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
        proven = prove_device(Attempt(device_id, bearer, address, request_id, self.now), signed)
        return authenticated_response(proven, "device_signature", self.now)


def authenticated_response(proven: ProvenDevice, grant_type: str, now: datetime) -> Response:
    """Return the answer to a good proof, never cached."""
    return Response(authenticated_document(proven, grant_type, now), headers={"Cache-Control": "no-store"})


def authenticated_document(proven: ProvenDevice, grant_type: str, now: datetime) -> dict[str, object]:
    """Return the body for a good proof: the device, its short access token and its refresh token."""
    minted, refresh = issue_device_tokens(proven, grant_type=grant_type, now=now)
    return {
        "authenticated": True,
        "device": DeviceOutput(proven.device).data,
        "access_token": minted.text.reveal(),
        "token_type": "Bearer",
        "expires_in": int((minted.claims.expires_at - now).total_seconds()),
        "scope": " ".join(minted.claims.scopes),
        "refresh_token": refresh.reveal(),
    }
