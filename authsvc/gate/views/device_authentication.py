"""``POST /devices/{id}/authenticate``: a device's secret becomes a short access token and a refresh token.

It lives here because tokens are issued here.
"""

from __future__ import annotations

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.issue import Asked, Holder, issue_token
from authsvc.gate.refresh_grant import issue_refresh
from authsvc.gate.serializers import DeviceTokenOutput
from authsvc.web.api import ApiView
from authsvc.web.caller import Caller
from authsvc.web.client_address import client_address
from authsvc.web.request_id import request_id_of
from authsvc.web.scope_rules import PROOF_IN_BODY
from devices.serializers import DeviceOutput, SecretInput
from devices.services.authenticate import ProvenDevice, authenticate_device
from rbac.services.effective import effective_scopes


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
        asked = Asked((), proven.device.gateway.audience if proven.device.gateway else "", "device_secret")
        with transaction.atomic():
            minted = issue_token(proven.caller, self._holder(proven), asked, now=self.now)
            refresh = issue_refresh(proven.caller, minted=minted, grant_type=asked.grant_type, now=self.now)
        document = {
            "authenticated": True,
            "device": DeviceOutput(proven.device).data,
            "access_token": minted.text.reveal(),
            "token_type": "Bearer",
            "expires_in": int((minted.claims.expires_at - self.now).total_seconds()),
            "scope": " ".join(minted.claims.scopes),
            "refresh_token": refresh.reveal(),
        }
        return Response(document, headers={"Cache-Control": "no-store"})

    def _holder(self, proven: ProvenDevice) -> Holder:
        gateway = proven.device.gateway
        held = effective_scopes(
            tenant_id=proven.caller.tenant_id, principal_id=proven.device.id, gateway=gateway, now=self.now
        )
        return Holder(
            principal=proven.device.principal,
            client_id=proven.device.id,
            maximum_scopes=(),
            default_scopes=tuple(sorted(held)),
            trust=proven.trust,
            device_id=proven.device.id,
            may_be_empty=True,
        )
