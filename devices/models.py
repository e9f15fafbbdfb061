"""Devices: machine identities that ask to join, are approved, prove themselves and are trusted so far."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from authsvc.tenants.models import Principal
from authsvc.tenants.scoping import EnvironmentOwned, TenantScopedManager
from devices.snapshot import EnrolmentSnapshot
from devices.states import State
from devices.trust import TrustLevel
from rbac.models import Gateway


class DeviceType(models.TextChoices):
    """What kind of machine it says it is."""

    ESP32 = "esp32"
    BROWSER = "browser"
    CLI = "cli"
    MCP_CLIENT = "mcp-client"
    CUSTOM = "custom"


CAPABILITIES = ("audio", "microphone", "speaker", "display", "buttons", "sensors")
STATUS_CHOICES = [(state.value, state.value) for state in State]
TRUST_CHOICES = [(level.value, level.name.lower()) for level in TrustLevel]


class Device(EnvironmentOwned):
    """One device; its id is its principal's id and the ``sub`` of its tokens. The principal carries its name."""

    id = models.CharField(primary_key=True, max_length=40, editable=False)
    principal = models.OneToOneField(Principal, on_delete=models.CASCADE, related_name="device")
    gateway = models.ForeignKey(Gateway, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    device_type = models.CharField(max_length=20, choices=DeviceType.choices)
    platform = models.CharField(max_length=100, blank=True)
    firmware_version = models.CharField(max_length=50, blank=True)
    capabilities = models.JSONField(default=list)
    metadata = models.JSONField(default=dict)
    requested_scopes = models.JSONField(default=list)
    status = models.CharField(max_length=10, choices=STATUS_CHOICES, default=State.PENDING)
    trust_level = models.PositiveSmallIntegerField(choices=TRUST_CHOICES, default=TrustLevel.BASIC)
    user_code_hash = models.CharField(max_length=64, blank=True)
    code_attempts = models.PositiveSmallIntegerField(default=0)
    request_expires_at = models.DateTimeField(null=True, blank=True)
    address = models.CharField(max_length=45, blank=True)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedManager["Device"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["environment", "status", "-created_at", "-id"], name="device_by_status")]
        constraints = [
            models.CheckConstraint(name="device_trust_level_0_to_3", condition=models.Q(trust_level__lte=3)),
            models.UniqueConstraint(
                fields=["environment", "user_code_hash"],
                condition=~models.Q(user_code_hash=""),
                name="device_user_code_once_per_environment",
            ),
        ]

    def __str__(self) -> str:
        return self.principal.name

    def snapshot(self) -> EnrolmentSnapshot:
        """Return what an approver sees; an approval is bound to its digest."""
        return EnrolmentSnapshot(
            name=self.principal.name,
            kind=self.device_type,
            gateway=self.gateway_id or "",
            platform=self.platform,
            firmware=self.firmware_version,
            requested_scopes=frozenset(self.requested_scopes),
            capabilities=frozenset(self.capabilities),
            address=self.address,
        )
