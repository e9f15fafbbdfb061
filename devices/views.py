"""Devices over the API: enrol, list, decide, history. Authentication is answered above, where tokens are issued."""

from __future__ import annotations

from collections.abc import Callable

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.audit.models import AuditEvent
from authsvc.tokens.api_keys import rotate_api_key
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.api import ApiView
from authsvc.web.pagination import CursorPages
from authsvc.web.problems import NotFound
from authsvc.web.scope_rules import ANY_CALLER
from devices.models import Device
from devices.serializers import (
    ApprovalInput,
    DeviceChange,
    DeviceInput,
    DeviceOutput,
    EnrolledOutput,
    HistoryOutput,
    ReasonInput,
    RotatedSecretOutput,
    RotationInput,
    TrustInput,
)
from devices.services.enrol import enrol_device
from devices.services.lifecycle import (
    approve_device,
    delete_device,
    get_device,
    reject_device,
    resume_device,
    revoke_device,
    set_trust,
    suspend_device,
)
from devices.services.update import update_device
from rbac.services.gateways import get_gateway


class DeviceList(ApiView):
    """The devices of the caller's environment."""

    required_scopes = {"GET": "devices:read", "POST": "devices:write"}
    lists = True
    sensitive = True

    @extend_schema(responses=DeviceOutput(many=True))
    def get(self, request: Request) -> Response:
        """List devices, newest first; ``?status=pending`` is the inbox."""
        rows = Device.objects.for_environment(self.caller).select_related("principal")
        status = request.query_params.get("status")
        return self.page(rows.filter(status=status) if status else rows, DeviceOutput)

    @extend_schema(request=DeviceInput, responses={201: EnrolledOutput})
    def post(self, request: Request) -> Response:
        """Enrol a device; it stays pending until an administrator approves it."""
        fields = self.fields(DeviceInput)
        gateway_id = fields.pop("gateway_id", None)
        gateway = get_gateway(self.caller, gateway_id) if gateway_id else None
        enrolment = enrol_device(self.caller, gateway=gateway, **fields, now=self.now)
        document = {
            **DeviceOutput(enrolment.device).data,
            "secret": enrolment.secret.reveal(),
            "user_code": enrolment.user_code,
        }
        return Response(document, status=201, headers={"Cache-Control": "no-store"})


class DeviceDetail(ApiView):
    """One device."""

    required_scopes = {"GET": "devices:read", "PATCH": "devices:write", "DELETE": "devices:write"}

    @extend_schema(responses=DeviceOutput)
    def get(self, request: Request, device_id: str) -> Response:
        """Show a device."""
        return Response(DeviceOutput(get_device(self.caller, device_id)).data)

    @extend_schema(request=DeviceChange, responses=DeviceOutput)
    def patch(self, request: Request, device_id: str) -> Response:
        """Change a device's name, firmware or metadata."""
        device = get_device(self.caller, device_id)
        changed = update_device(self.caller, device=device, **self.fields(DeviceChange), now=self.now)
        return Response(DeviceOutput(changed).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, device_id: str) -> Response:
        """Delete a device with its secret, grants and tokens."""
        delete_device(self.caller, device=get_device(self.caller, device_id), now=self.now)
        return Response(status=204)


class DeviceApproval(ApiView):
    """Approve a pending device."""

    required_scopes = {"POST": "devices:approve"}
    sensitive = True

    @extend_schema(request=ApprovalInput, responses=DeviceOutput)
    def post(self, request: Request, device_id: str) -> Response:
        """Approve exactly the request that was seen; the code must be the one the device shows."""
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


class DeviceSecretRotation(ApiView):
    """A new secret for a device; no scope is asked, for no device may ever hold one that changes devices."""

    required_scopes = {"POST": ANY_CALLER}
    sensitive = True

    @extend_schema(request=RotationInput, responses=RotatedSecretOutput)
    def post(self, request: Request, device_id: str) -> Response:
        """Rotate the secret; only the device itself is shown the new one."""
        if self.caller.principal_id != device_id:
            raise NotFound
        keys = ApiKey.objects.for_environment(self.caller).filter(
            principal_id=device_id, kind=ApiKeyKind.DEVICE_SECRET, revoked_at__isnull=True
        )
        key = keys.first()
        if key is None:
            raise NotFound
        overlap = self.fields(RotationInput)["overlap_seconds"]
        issued = rotate_api_key(self.caller, key=key, overlap_seconds=overlap, now=self.now)
        document = {"secret": issued.text.reveal(), "previous_valid_until": issued.key.previous_valid_until}
        return Response(document, headers={"Cache-Control": "no-store"})


class HistoryPages(CursorPages):
    """Newest event first, by sequence."""

    ordering: tuple[str, ...] = ("-sequence",)


class DeviceHistory(ApiView):
    """What happened to a device."""

    required_scopes = {"GET": "devices:read"}
    lists = True
    pages_class = HistoryPages

    @extend_schema(responses=HistoryOutput(many=True))
    def get(self, request: Request, device_id: str) -> Response:
        """List the audit events about this device, newest first."""
        device = get_device(self.caller, device_id)
        events = AuditEvent.objects.filter(tenant_id=self.caller.tenant_id, subject_id=device.id)
        return self.page(events, HistoryOutput)
