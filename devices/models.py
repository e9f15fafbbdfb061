"""Devices: machine identities that ask to join, are approved, prove themselves and are trusted so far."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from authsvc.tenants.models import Principal
from authsvc.tenants.scoping import EnvironmentOwned, TenantScopedManager
from authsvc.web.identifiers import new_id
from devices.snapshot import EnrolmentSnapshot
from devices.states import State
from devices.trust import ProofKind, TrustLevel
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
PROOF_CHOICES = [(kind.value, kind.value) for kind in ProofKind]


def new_enrolment_code_id() -> str:
    """Return an id such as ``enr_…``."""
    return new_id("enr")


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
    # What it is known by besides its id: an Ed25519 key, or a secret it made up itself (slow hash).
    public_key = models.CharField(max_length=43, blank=True)
    key_fingerprint = models.CharField(max_length=64, blank=True)
    requested_role = models.CharField(max_length=40, blank=True)
    operator_scopes = models.JSONField(default=list)
    chosen_secret_hash = models.CharField(max_length=256, blank=True)
    chosen_secret_ends_at = models.DateTimeField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    previous = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # What its trust depends on: devices.trust_changes.DeviceState, field by field.
    active_since = models.DateTimeField(null=True, blank=True)
    secret_changed_at = models.DateTimeField(null=True, blank=True)
    vouched_at = models.DateTimeField(null=True, blank=True)
    last_proof_day = models.DateField(null=True, blank=True)
    successful_proofs = models.PositiveIntegerField(default=0)
    distinct_days = models.PositiveIntegerField(default=0)
    failed_proofs_at = models.JSONField(default=list)
    strongest_proof = models.CharField(max_length=20, choices=PROOF_CHOICES, default=ProofKind.NONE)
    is_confirmed = models.BooleanField(default=False)

    objects = TenantScopedManager["Device"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["environment", "status", "-created_at", "-id"], name="device_by_status"),
            models.Index(fields=["-created_at", "-id"], name="device_newest"),
            models.Index(fields=["environment", "key_fingerprint"], name="device_by_key"),
            models.Index(fields=["-created_at", "-id"], condition=models.Q(status="pending"), name="device_waiting"),
            models.Index(fields=["tenant"], condition=models.Q(status="suspended"), name="device_suspended"),
            models.Index(fields=["tenant", "status", "-created_at", "-id"], name="device_by_tenant_and_status"),
            models.Index(fields=["environment", "address"], name="device_by_address"),
        ]
        constraints = [
            models.CheckConstraint(name="device_trust_level_0_to_3", condition=models.Q(trust_level__lte=3)),
            models.UniqueConstraint(
                fields=["environment", "user_code_hash"],
                condition=~models.Q(user_code_hash=""),
                name="device_user_code_once_per_environment",
            ),
            models.UniqueConstraint(
                fields=["environment", "key_fingerprint"],
                condition=models.Q(status=State.ACTIVE.value) & ~models.Q(key_fingerprint=""),
                name="device_key_active_once_per_environment",
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
            key_fingerprint=self.key_fingerprint,
            requested_role=self.requested_role,
            requested_scopes=frozenset([*self.requested_scopes, *self.operator_scopes]),
            capabilities=frozenset(self.capabilities),
            address=self.address,
            is_client_chosen_secret=bool(self.chosen_secret_hash),
        )


class DevicePolicy(EnvironmentOwned):
    """What one environment decides differently from the defaults; without a row, everything is as built in.

    ``thresholds`` and ``ceilings`` hold only what differs; ``devices/policy.py`` says how they are read.
    """

    environment = models.OneToOneField(
        "authsvc.Environment", primary_key=True, on_delete=models.CASCADE, related_name="device_policy"
    )
    thresholds = models.JSONField(default=dict)
    ceilings = models.JSONField(default=dict)
    chosen_secret_level = models.PositiveSmallIntegerField(default=TrustLevel.VERIFIED)
    store_ip = models.BooleanField(default=True)
    store_user_agent = models.BooleanField(default=True)
    store_transcripts = models.BooleanField(default=True, help_text="What gateways are told; nothing passes here.")
    store_audio = models.BooleanField(default=False, help_text="What gateways are told; nothing passes here.")

    objects = TenantScopedManager["DevicePolicy"]()

    class Meta:
        default_manager_name = "unscoped"
        verbose_name = verbose_name_plural = "rules for devices"

    def __str__(self) -> str:
        return f"device policy of {self.environment}"


class FailedProof(models.Model):
    """One bad proof: written for ids that exist and ids that do not, so both cost the same; kept for the window.

    ``source`` is a keyed hash of device id and address: a limit holds one network, never the device elsewhere.
    """

    source = models.CharField(max_length=64)
    failed_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["source", "failed_at"], name="failed_proof_by_source"),
            models.Index(fields=["failed_at"], name="failed_proof_by_time"),
        ]

    def __str__(self) -> str:
        return f"bad proof at {self.failed_at:%Y-%m-%d %H:%M}"


class UsedNonce(models.Model):
    """A challenge that was answered; its primary key makes the second answer fail. Kept until it would expire."""

    nonce_sha256 = models.CharField(primary_key=True, max_length=64)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.nonce_sha256[:12]


class EnrolmentCode(EnvironmentOwned):
    """Permission, given beforehand, for up to ``maximum_uses`` devices to join without anybody watching."""

    id = models.CharField(primary_key=True, max_length=40, default=new_enrolment_code_id, editable=False)
    name = models.CharField(max_length=200)
    code_hash = models.CharField(max_length=64, unique=True)
    last_four = models.CharField(max_length=4)
    maximum_uses = models.PositiveIntegerField(default=1)
    uses = models.PositiveIntegerField(default=0)
    address_ranges = models.JSONField(default=list)
    scopes = models.JSONField(default=list)
    gateway = models.ForeignKey(Gateway, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    trust_level = models.PositiveSmallIntegerField(choices=TRUST_CHOICES, default=TrustLevel.BASIC)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedManager["EnrolmentCode"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["environment", "-created_at", "-id"], name="enrolment_code_by_environment")]
        constraints = [
            models.CheckConstraint(
                name="enrolment_code_uses_within_maximum", condition=models.Q(uses__lte=models.F("maximum_uses"))
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} …{self.last_four}"


class DeviceAuthorization(EnvironmentOwned):
    """The polling side of an RFC 8628 conversation; the request people approve is the pending ``device``."""

    device = models.OneToOneField(Device, primary_key=True, on_delete=models.CASCADE, related_name="authorization")
    device_code_hash = models.CharField(max_length=64, unique=True)
    client_id = models.CharField(max_length=128)
    is_client_authenticated = models.BooleanField()
    audience = models.CharField(max_length=255, blank=True)
    interval_seconds = models.PositiveIntegerField()
    last_polled_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    redeemed_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedManager["DeviceAuthorization"]()

    class Meta:
        default_manager_name = "unscoped"

    def __str__(self) -> str:
        return f"device authorization of {self.client_id}"
