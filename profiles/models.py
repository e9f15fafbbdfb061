"""Profiles (named slots ``provider:name``), sealed credential versions, order, pins, usage, leases and refreshes."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from authsvc.tenants.scoping import EnvironmentOwned, TenantScopedManager
from authsvc.vault.envelope import Place
from authsvc.web.identifiers import new_id
from profiles.backoff import OPENCLAW_2026_9, PRESETS
from profiles.candidates import PinSource
from profiles.providers import Billing, Kind
from profiles.references import Strategy

DEFAULT_AGENT = "main"
KIND_CHOICES = [(kind.value, kind.value) for kind in Kind]
PRESET_CHOICES = [(name, name) for name in PRESETS]
STRATEGY_CHOICES = [(strategy.value, strategy.value) for strategy in Strategy]
BILLING_CHOICES = [(billing.value, billing.value) for billing in Billing]
PIN_CHOICES = [(source.value, source.value) for source in PinSource]
ROTATE_AFTER_DAYS = 30


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
    last_used_by = models.CharField(max_length=150, blank=True)
    lease_count = models.PositiveBigIntegerField(default=0)
    success_count = models.PositiveBigIntegerField(default=0)
    failure_count = models.PositiveBigIntegerField(default=0)
    window_started_at = models.DateTimeField(
        null=True, blank=True, help_text="Begin of the hour leases are counted in."
    )
    window_leases = models.PositiveIntegerField(default=0)
    warn_after_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="When this profile counts as expiring; empty: as its tenant says."
    )
    rotate_after_days = models.PositiveIntegerField(
        default=ROTATE_AFTER_DAYS, help_text="After how many days a new version is due; 0: never."
    )
    position = models.PositiveIntegerField(default=0, help_text="Insertion order, where a strategy asks for it.")

    objects = TenantScopedManager["Profile"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "agent", "key"], name="profile_key_once_per_agent"),
            models.CheckConstraint(name="profile_minimum_trust_0_to_3", condition=models.Q(minimum_trust__lte=3)),
        ]
        indexes = [
            models.Index(fields=["environment", "provider", "agent"], name="profile_by_provider"),
            models.Index(fields=["-created_at", "-id"], name="profile_newest"),
        ]

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
    retired_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True, help_text="End of the last lease of this version.")
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_by = models.CharField(max_length=150, blank=True)
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


class ProfileSettings(EnvironmentOwned):
    """How one environment wants its credentials chosen, rested and watched; absent means these defaults."""

    backoff_preset = models.CharField(max_length=40, choices=PRESET_CHOICES, default=OPENCLAW_2026_9.name)
    strategy = models.CharField(max_length=10, choices=STRATEGY_CHOICES, default=Strategy.CURRENT.value)
    preferred_kind = models.CharField(
        max_length=10,
        choices=KIND_CHOICES,
        default="",
        blank=True,
        help_text="Goes first where no order is set; empty: the upstream order, and advice to prefer API keys.",
    )
    failure_threshold = models.PositiveIntegerField(
        default=5, help_text="Failures in a row that raise an event; 0: none."
    )
    lease_threshold = models.PositiveIntegerField(
        default=0, help_text="Leases of one profile within an hour that raise an event; 0: none."
    )
    warn_after_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="When a credential counts as expiring; empty: as its tenant says."
    )
    lease_ttl_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long a hand-out may be used; empty: as its tenant says."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["ProfileSettings"]()

    class Meta:
        default_manager_name = "unscoped"
        verbose_name_plural = "profile settings"
        constraints = [models.UniqueConstraint(fields=["environment"], name="profile_settings_once_per_environment")]

    def __str__(self) -> str:
        return str(self.environment)


class SessionPin(EnvironmentOwned):
    """A session's tie to one profile; a person's pin is never switched, the service's own is a preference."""

    session = models.CharField(max_length=128)
    profile_key = models.CharField(max_length=200)
    provider = models.CharField(max_length=64)
    source = models.CharField(max_length=4, choices=PIN_CHOICES)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["SessionPin"]()

    class Meta:
        default_manager_name = "unscoped"
        constraints = [models.UniqueConstraint(fields=["environment", "session"], name="session_pin_once")]

    def __str__(self) -> str:
        return f"{self.session} · {self.profile_key}"


def new_remainder_id() -> str:
    """Return an id such as ``rem_…``."""
    return new_id("rem")


class StoreRemainder(EnvironmentOwned):
    """What an imported file held beside profiles and orders, sealed, so that a full export gives it back."""

    id = models.CharField(primary_key=True, max_length=40, default=new_remainder_id, editable=False)
    agent = models.CharField(max_length=128, default=DEFAULT_AGENT)
    sealed = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["StoreRemainder"]()

    class Meta:
        default_manager_name = "unscoped"
        constraints = [
            models.UniqueConstraint(fields=["environment", "agent"], name="store_remainder_once_per_agent"),
        ]

    def __str__(self) -> str:
        return self.agent

    def place(self) -> Place:
        """Return where the remainder is sealed."""
        return Place(self.tenant_id, self.environment_id, "store_remainder", self.id, "document")


class OAuthRefresh(EnvironmentOwned):
    """Who refreshes a login right now, and how the last attempt ended; one row per profile, across all processes."""

    profile = models.OneToOneField(Profile, on_delete=models.CASCADE, related_name="+")
    holder = models.CharField(max_length=40, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    failed_version = models.PositiveIntegerField(null=True, blank=True)
    failure_reason = models.CharField(max_length=40, blank=True)
    is_terminal = models.BooleanField(default=False)
    failed_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["OAuthRefresh"]()

    class Meta:
        default_manager_name = "unscoped"

    def __str__(self) -> str:
        return self.profile_id


class TokenBody(models.TextChoices):
    """How a token endpoint wants its request."""

    FORM = "form"
    JSON = "json"


class ProbeStyle(models.TextChoices):
    """How a provider wants the credential that is tried: ``anthropic`` knows which header each kind needs."""

    BEARER = "bearer"
    X_API_KEY = "x-api-key"
    ANTHROPIC = "anthropic"


class ProviderEntry(EnvironmentOwned):
    """An environment's addition to the provider catalogue, and the only addresses its secrets may be sent to.

    Not shared between environments: whoever may write in dev must not choose where prod sends refresh tokens.
    """

    slug = models.CharField(max_length=128)
    label = models.CharField(max_length=200, blank=True)
    env_names = models.JSONField(default=list)
    prefixes = models.JSONField(default=list, help_text="What an API key begins with; empty: anything.")
    minimum_length = models.PositiveIntegerField(default=1)
    billing = models.CharField(max_length=12, choices=BILLING_CHOICES, blank=True)
    dashboard_url = models.CharField(max_length=500, blank=True)
    endpoint_url = models.CharField(max_length=500, blank=True, help_text="Where programs call it; never called here.")
    token_url = models.CharField(max_length=500, blank=True)
    token_client_id = models.CharField(max_length=200, blank=True)
    token_body = models.CharField(max_length=4, choices=TokenBody.choices, default=TokenBody.FORM)
    probe_url = models.CharField(max_length=500, blank=True, help_text="Where a credential may be tried; empty: never.")
    probe_style = models.CharField(max_length=10, choices=ProbeStyle.choices, default=ProbeStyle.BEARER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["ProviderEntry"]()

    class Meta:
        default_manager_name = "unscoped"
        verbose_name_plural = "provider entries"
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "slug"], name="provider_entry_once_per_environment")
        ]

    def __str__(self) -> str:
        return self.slug
