"""Profiles (named slots ``provider:name``), sealed credential versions, their order, usage state and leases."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from authsvc.tenants.scoping import EnvironmentOwned, TenantScopedManager
from authsvc.vault.envelope import Place
from authsvc.web.identifiers import new_id
from profiles.providers import Kind

DEFAULT_AGENT = "main"
KIND_CHOICES = [(kind.value, kind.value) for kind in Kind]


def new_profile_id() -> str:
    """Return an id such as ``prf_…``."""
    return new_id("prf")


def new_credential_id() -> str:
    """Return an id such as ``crd_…``."""
    return new_id("crd")


def new_lease_id() -> str:
    """Return an id such as ``lea_…``."""
    return new_id("lea")


class ProfileState(models.TextChoices):
    """A retired profile is kept for its history and never chosen."""

    ACTIVE = "active"
    RETIRED = "retired"


class Profile(EnvironmentOwned):
    """A named slot ``provider:name`` of one agent in one environment; its id survives every new version."""

    id = models.CharField(primary_key=True, max_length=40, default=new_profile_id, editable=False)
    agent = models.CharField(max_length=128, default=DEFAULT_AGENT)
    provider = models.CharField(max_length=64)
    key = models.CharField(max_length=200, help_text="provider:name, or the id a foreign store gave it.")
    description = models.CharField(max_length=2000, blank=True)
    kind = models.CharField(max_length=10, choices=KIND_CHOICES)
    origin = models.CharField(max_length=60, blank=True)
    extras = models.JSONField(default=dict, help_text="Foreign fields without secrets, kept for a lossless export.")
    minimum_trust = models.PositiveSmallIntegerField(default=0)
    allowed_channels = models.JSONField(null=True, blank=True)
    allowed_gateways = models.JSONField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=ProfileState.choices, default=ProfileState.ACTIVE)
    usage = models.JSONField(default=dict, help_text="Cooldowns and counters, in the openclaw family's shape.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True)
    position = models.PositiveIntegerField(default=0, help_text="Insertion order, where a strategy asks for it.")

    objects = TenantScopedManager["Profile"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "agent", "key"], name="profile_key_once_per_agent"),
            models.CheckConstraint(name="profile_minimum_trust_0_to_3", condition=models.Q(minimum_trust__lte=3)),
        ]
        indexes = [models.Index(fields=["environment", "provider", "agent"], name="profile_by_provider")]

    def __str__(self) -> str:
        return self.key


class CredentialState(models.TextChoices):
    """``current`` is handed out, ``retired`` no more; a deleted version has lost its ciphertext."""

    CURRENT = "current"
    RETIRED = "retired"
    DELETED = "deleted"


class Credential(EnvironmentOwned):
    """One sealed version of a profile's secret; its fields are sealed together as one JSON text."""

    id = models.CharField(primary_key=True, max_length=40, default=new_credential_id, editable=False)
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="credentials")
    version = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=KIND_CHOICES)
    sealed = models.TextField(blank=True)
    fingerprint = models.CharField(max_length=16)
    last_four = models.CharField(max_length=4, blank=True)
    has_refresh = models.BooleanField(default=False)
    has_reference = models.BooleanField(default=False, help_text="The value is a reference, not a secret.")
    expires_at_ms = models.BigIntegerField(null=True, blank=True)
    origin = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=10, choices=CredentialState.choices, default=CredentialState.CURRENT)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["Credential"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["profile", "version"], name="credential_version_once"),
            models.UniqueConstraint(
                fields=["profile"], condition=models.Q(state="current"), name="credential_one_current_per_profile"
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.version}"

    def place(self) -> Place:
        """Return where this version is sealed."""
        return Place(self.tenant_id, self.environment_id, "credential", self.id, f"v{self.version}")


class ProfileOrder(EnvironmentOwned):
    """The explicit order of one provider's profiles; with an agent, for that agent alone."""

    agent = models.CharField(max_length=128, blank=True)
    provider = models.CharField(max_length=64)
    profile_keys = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["ProfileOrder"]()

    class Meta:
        default_manager_name = "unscoped"
        constraints = [
            models.UniqueConstraint(fields=["environment", "agent", "provider"], name="profile_order_once_per_agent")
        ]

    def __str__(self) -> str:
        return f"{self.agent or 'every agent'} · {self.provider}"


class Lease(EnvironmentOwned):
    """One recorded, time-limited hand-out of a credential version."""

    id = models.CharField(primary_key=True, max_length=40, default=new_lease_id, editable=False)
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="+")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="+")
    principal_id = models.CharField(max_length=150)
    agent = models.CharField(max_length=128, blank=True)
    session = models.CharField(max_length=128, blank=True)
    purpose = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    objects = TenantScopedManager["Lease"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["profile", "-created_at"], name="lease_by_profile"),
            models.Index(fields=["expires_at"], name="lease_by_expiry"),
        ]

    def __str__(self) -> str:
        return self.id
