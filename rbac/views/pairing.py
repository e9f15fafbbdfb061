"""Pairing of chat channels over the API: the gateway asks for a code, somebody with ``channels:write`` approves it."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from authsvc.web.problems import ValidationFailed
from rbac.channel_serializers import PairingApproval, PairingInput, PairingOutput, RequestedPairingOutput
from rbac.services.channels import get_channel, raw_id
from rbac.services.pairing import approve_pairing, pending_pairings, reject_pairing, request_pairing


class PairingList(ApiView):
    """The pairings of one channel that wait."""

    required_scopes = {"GET": "channels:read", "POST": "decisions:make"}
    lists = True

    @extend_schema(responses=PairingOutput(many=True))
    def get(self, request: Request, channel_id: str) -> Response:
        """List who waits, newest first; never the codes."""
        policy = get_channel(self.caller, channel_id)
        return self.page(pending_pairings(self.caller, policy=policy, now=self.now), PairingOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=PairingInput, responses={201: RequestedPairingOutput})
    @idempotent
    def post(self, request: Request, channel_id: str) -> Response:
        """Make a code for a sender the policy does not know; it is shown this once and lives an hour."""
        fields = self.fields(PairingInput)
        sender = raw_id(fields["sender"], "sender")
        if sender is None:
            raise ValidationFailed(errors={"sender": ["Give a number or a text."]})
        policy = get_channel(self.caller, channel_id)
        made = request_pairing(self.caller, policy=policy, sender=sender, name=fields["name"], now=self.now)
        document = {**PairingOutput(made.pairing).data, "code": made.code.reveal()}
        return Response(document, status=201, headers={"Cache-Control": "no-store"})


class PairingApprovalView(ApiView):
    """Approves a code."""

    required_scopes = {"POST": "channels:write"}
    sensitive = True

    @extend_schema(request=PairingApproval, responses=PairingOutput)
    def post(self, request: Request, channel_id: str) -> Response:
        """Let the sender behind a code write directly; a wrong, expired or used code is the same 404."""
        policy = get_channel(self.caller, channel_id)
        code = self.fields(PairingApproval)["code"]
        return Response(PairingOutput(approve_pairing(self.caller, policy=policy, code=code, now=self.now)).data)


class PairingDetail(ApiView):
    """One pairing that waits."""

    required_scopes = {"DELETE": "channels:write"}

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, channel_id: str, pairing_id: str) -> Response:
        """Reject it; the sender may ask again."""
        policy = get_channel(self.caller, channel_id)
        reject_pairing(self.caller, policy=policy, pairing_id=pairing_id, now=self.now)
        return Response(status=204)
