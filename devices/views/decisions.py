"""What administrators decide about a device over the API; an impossible move is 409 and says what is possible."""

from __future__ import annotations

from collections.abc import Callable

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.web.api import ApiView
from devices.models import Device
from devices.serializers import ApprovalInput, DeviceOutput, ReasonInput, TrustInput
from devices.services.lifecycle import (
    approve_device,
    audited_refusals,
    confirm_device,
    get_device,
    reject_device,
    resume_device,
    revoke_device,
    set_trust,
    suspend_device,
)


class DeviceApproval(ApiView):
    """Approve a pending device."""

    required_scopes = {"POST": "devices:approve"}
    sensitive = True

    @extend_schema(request=ApprovalInput, responses=DeviceOutput)
    def post(self, request: Request, device_id: str) -> Response:
        """Approve exactly the request that was seen; the code must be the one the device shows."""
        with audited_refusals(self.caller, device_id, self.now):
            device = get_device(self.caller, device_id)
        approved = approve_device(self.caller, device=device, **self.fields(ApprovalInput), now=self.now)
        return Response(DeviceOutput(approved).data)


class DeviceTrustLevel(ApiView):
    """The stored trust level of a device."""

    required_scopes = {"POST": "devices:approve"}

    @extend_schema(request=TrustInput, responses=DeviceOutput)
    def post(self, request: Request, device_id: str) -> Response:
        """Set the trust level, with a reason."""
        device = get_device(self.caller, device_id)
        return Response(
            DeviceOutput(set_trust(self.caller, device=device, **self.fields(TrustInput), now=self.now)).data
        )


class DeviceDecision(ApiView):
    """The shape that reject, suspend, resume and revoke share."""

    required_scopes = {"POST": "devices:approve"}
    decide: Callable[..., Device]

    @extend_schema(request=ReasonInput, responses=DeviceOutput)
    def post(self, request: Request, device_id: str) -> Response:
        """Move the device; an impossible move is 409 and says what is possible."""
        device = get_device(self.caller, device_id)
        reason = self.fields(ReasonInput)["reason"]
        moved = type(self).decide(self.caller, device=device, reason=reason, now=self.now)
        return Response(DeviceOutput(moved).data)


class DeviceRejection(DeviceDecision):
    """Reject a pending device."""

    decide = staticmethod(reject_device)


class DeviceSuspension(DeviceDecision):
    """Suspend an active device."""

    decide = staticmethod(suspend_device)


class DeviceResumption(DeviceDecision):
    """Resume a suspended device."""

    decide = staticmethod(resume_device)


class DeviceRevocation(DeviceDecision):
    """Revoke a device for good."""

    decide = staticmethod(revoke_device)


class DeviceConfirmation(DeviceDecision):
    """Agree that a device may be promoted by its history."""

    decide = staticmethod(confirm_device)
