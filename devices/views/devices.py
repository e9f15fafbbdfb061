"""Devices over the API: enrol, list, change, history. Authentication is answered above, where tokens are issued."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.audit.models import AuditEvent
from authsvc.vault.idempotency import IDEMPOTENCY_KEY, idempotent
from authsvc.web.api import ApiView
from authsvc.web.pagination import CursorPages
from authsvc.web.scope_rules import ANY_CALLER
from authsvc.web.secret_text import SecretText
from devices.codes import approval_address
from devices.models import STATUS_CHOICES, TRUST_CHOICES, Device, DeviceType
from devices.serializers import (
    DeviceChange,
    DeviceInput,
    DeviceOutput,
    EnrolledOutput,
    HistoryOutput,
    RotatedSecretOutput,
    RotationInput,
)
from devices.services.clones import look_copied
from devices.services.enrol import Enrolment, Identity, enrol_device
from devices.services.lifecycle import delete_device, get_device
from devices.services.rotate import rotate_device_secret
from devices.services.update import update_device
from rbac.services.gateways import get_gateway


class DeviceFilter(filters.FilterSet):
    """Which devices to list."""

    status = filters.ChoiceFilter(choices=STATUS_CHOICES)
    device_type = filters.ChoiceFilter(choices=DeviceType.choices)
    trust_level = filters.ChoiceFilter(choices=TRUST_CHOICES)
    gateway_id = filters.CharFilter(max_length=128)
    key_fingerprint = filters.CharFilter(max_length=64)
    seen_before = filters.IsoDateTimeFilter(field_name="last_seen_at", lookup_expr="lt")
    looks_copied = filters.ChoiceFilter(choices=[("true", "true"), ("false", "false")], method="copied")

    class Meta:
        model = Device
        fields: ClassVar[list[str]] = []

    def copied(self, rows: QuerySet[Device], _name: str, wanted: str) -> QuerySet[Device]:
        """Return the devices that stand suspended because two machines seem to use one proof, or all others."""
        copied = look_copied(rows)
        return copied if wanted == "true" else rows.exclude(id__in=copied.values("id"))


class HistoryFilter(filters.FilterSet):
    """Which events of a device to list."""

    event_type = filters.CharFilter(max_length=60)
    actor_id = filters.CharFilter(max_length=150)
    since = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt")

    class Meta:
        model = AuditEvent
        fields: ClassVar[list[str]] = []


class DeviceList(ApiView):
    """The devices of the caller's environment."""

    required_scopes = {"GET": "devices:read", "POST": "devices:write"}
    lists = True
    sensitive = True
    filterset_class = DeviceFilter

    @extend_schema(responses=DeviceOutput(many=True))
    def get(self, request: Request) -> Response:
        """List devices, newest first; ``?status=pending`` is the inbox."""
        rows = Device.objects.for_environment(self.caller).select_related("principal", "previous__principal")
        return self.page(rows, DeviceOutput)

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=DeviceInput, responses={201: EnrolledOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Enrol a device; it stays pending until an administrator approves it."""
        fields = self.fields(DeviceInput)
        replaces = fields.pop("replaces", "")
        old = get_device(self.caller, replaces) if replaces else None
        identity = identity_of(fields, request, replaces=old)
        gateway_id = fields.pop("gateway_id", None)
        gateway = get_gateway(self.caller, gateway_id) if gateway_id else None
        enrolment = enrol_device(self.caller, gateway=gateway, identity=identity, **fields, now=self.now)
        return enrolled_response(enrolment)


def identity_of(
    fields: dict[str, Any], request: Request, *, replaces: Device | None = None, enrolment_code_id: str = ""
) -> Identity:
    """Take what speaks of the device's identity out of the fields."""
    return Identity(
        public_key=fields.pop("public_key", ""),
        role=fields.pop("role", ""),
        operator_scopes=tuple(fields.pop("operator_scopes", ())),
        chosen_secret=SecretText(fields.pop("secret", "")),
        replaces=replaces,
        user_agent=request.headers.get("User-Agent", ""),
        enrolment_code_id=enrolment_code_id,
    )


def enrolled_response(enrolment: Enrolment) -> Response:
    """Return the answer that shows the device its secret this once."""
    document = {
        **DeviceOutput(enrolment.device).data,
        "secret": enrolment.secret.reveal() or None,
        "user_code": enrolment.user_code,
        "verification_uri": approval_address(settings.AUTHSVC_BASE_URL),
        "verification_uri_complete": approval_address(settings.AUTHSVC_BASE_URL, enrolment.user_code),
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


class DeviceSecretRotation(ApiView):
    """A new secret for a device."""

    # Only the device itself is answered, and no device may ever hold devices:write.
    required_scopes = {"POST": ANY_CALLER}
    sensitive = True

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=RotationInput, responses=RotatedSecretOutput)
    @idempotent
    def post(self, request: Request, device_id: str) -> Response:
        """Rotate the secret; only the device itself is shown the new one."""
        overlap = self.fields(RotationInput)["overlap_seconds"]
        rotated = rotate_device_secret(self.caller, device_id=device_id, overlap_seconds=overlap, now=self.now)
        document = {"secret": rotated.secret.reveal(), "previous_valid_until": rotated.previous_valid_until}
        return Response(document, headers={"Cache-Control": "no-store"})


class HistoryPages(CursorPages):
    """Newest event first, by sequence."""

    ordering: tuple[str, ...] = ("-sequence",)


class DeviceHistory(ApiView):
    """What happened to a device."""

    required_scopes = {"GET": "devices:read"}
    lists = True
    pages_class = HistoryPages
    filterset_class = HistoryFilter

    @extend_schema(responses=HistoryOutput(many=True))
    def get(self, request: Request, device_id: str) -> Response:
        """List the audit events about this device, newest first."""
        device = get_device(self.caller, device_id)
        events = AuditEvent.objects.filter(tenant_id=self.caller.tenant_id, subject_id=device.id)
        return self.page(events, HistoryOutput)
