"""Service accounts, roles, grants, gateways (audiences) and channel policies."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from authsvc.tenants.models import Principal
from authsvc.tenants.scoping import EnvironmentOwned, TenantScopedManager
from authsvc.web.identifiers import new_id


def new_role_id() -> str:
    """Return an id such as ``rol_…``."""
    return new_id("rol")


def new_scope_id() -> str:
    """Return an id such as ``scp_…``."""
    return new_id("scp")


def new_grant_id() -> str:
    """Return an id such as ``grt_…``."""
    return new_id("grt")


def new_channel_id() -> str:
    """Return an id such as ``chn_…``."""
    return new_id("chn")


def new_pairing_id() -> str:
    """Return an id such as ``pai_…``."""
    return new_id("pai")


class ServiceAccount(EnvironmentOwned):
    """A program that calls us: its id is its OAuth client id. The principal carries its name and state."""

    id = models.CharField(primary_key=True, max_length=40, editable=False)
    principal = models.OneToOneField(Principal, on_delete=models.CASCADE, related_name="service_account")
    description = models.CharField(max_length=2000, blank=True)
    email = models.EmailField(blank=True, help_text="Only in tokens of gateways that map it.")
    maximum_scopes = models.JSONField(default=list, help_text="Never issued beyond these; empty means no such limit.")
    default_scopes = models.JSONField(default=list, help_text="Issued when a request names no scope.")
    public_jwks = models.JSONField(default=list, blank=True, help_text="Public keys for private_key_jwt.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["ServiceAccount"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["environment", "-created_at", "-id"], name="service_account_by_env")]

    def __str__(self) -> str:
        return self.principal.name


class TenantScope(EnvironmentOwned):
    """A scope that the tenant added to the catalogue of one environment, for gateways of its own."""

    id = models.CharField(primary_key=True, max_length=40, default=new_scope_id, editable=False)
    scope = models.CharField(max_length=255)
    sentence = models.CharField(max_length=500)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["TenantScope"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["environment", "scope"], name="tenant_scope_once")]

    def __str__(self) -> str:
        return self.scope


class Role(EnvironmentOwned):
    """A named set of scopes in one environment."""

    id = models.CharField(primary_key=True, max_length=40, default=new_role_id, editable=False)
    name = models.CharField(max_length=200)
    description = models.CharField(max_length=2000, blank=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["Role"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="role_name_once_per_environment")]

    def __str__(self) -> str:
        return self.name


class GatewayKind(models.TextChoices):
    """Which product trusts our tokens there."""

    AGNO = "agno"
    OPENCLAW = "openclaw"
    AGTOS = "agtos"
    ARGENTOS = "argentos"
    GENERIC = "generic"


class Gateway(EnvironmentOwned):
    """A registered audience: an agent server that trusts our tokens. Its principal holds its gateway tokens."""

    id = models.CharField(primary_key=True, max_length=40, editable=False)
    principal = models.OneToOneField(Principal, on_delete=models.CASCADE, related_name="gateway")
    kind = models.CharField(max_length=20, choices=GatewayKind.choices, default=GatewayKind.AGNO)
    name = models.CharField(max_length=200)
    audience = models.CharField(max_length=128)
    algorithm = models.CharField(max_length=10, default="RS256")
    admin_scope = models.CharField(max_length=100, default="agent_os:admin")
    url = models.URLField(max_length=500, blank=True)
    unmapped = models.CharField(max_length=5, choices=[("deny", "deny"), ("allow", "allow")], default="deny")
    routes = models.JSONField(default=list, blank=True, help_text="[{method, pattern, scopes, minimum_trust}]")
    allowed_principals = models.JSONField(
        default=list,
        blank=True,
        help_text="Service accounts and devices that may come; empty: whoever has a right.",
    )
    acknowledged_kids = models.JSONField(default=list, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    fetched_kids = models.JSONField(default=list, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)
    claims = models.JSONField(default=dict, blank=True, help_text="{claim: source}: what its tokens carry besides.")
    shares_tokens = models.BooleanField(
        default=False, help_text="A token may be for this gateway and for others that share, too."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["Gateway"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "audience"], name="gateway_audience_once_per_environment")
        ]

    def __str__(self) -> str:
        return self.name


class Grant(EnvironmentOwned):
    """A role given to a principal until a time; with a gateway, for that audience alone.

    A device's approval grants the scopes that were approved, without a role.
    """

    id = models.CharField(primary_key=True, max_length=40, default=new_grant_id, editable=False)
    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="+")
    role = models.ForeignKey(Role, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    scopes = models.JSONField(default=list)
    gateway = models.ForeignKey(Gateway, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=2000, blank=True)
    granted_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedManager["Grant"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["principal", "revoked_at"], name="grant_by_principal"),
            models.Index(fields=["environment", "-created_at", "-id"], name="grant_by_environment"),
            models.Index(fields=["-created_at", "-id"], name="grant_newest"),
        ]
        constraints = [
            models.CheckConstraint(
                name="grant_has_role_or_scopes", condition=models.Q(role__isnull=False) | ~models.Q(scopes=[])
            )
        ]

    def __str__(self) -> str:
        return f"{self.principal} · {self.role or ' '.join(self.scopes)}"


class ChannelPolicy(EnvironmentOwned):
    """Who outside may speak through one channel of an environment (or of one gateway in it)."""

    id = models.CharField(primary_key=True, max_length=40, default=new_channel_id, editable=False)
    gateway = models.ForeignKey(Gateway, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=20)
    name = models.CharField(max_length=200, blank=True)
    dm_policy = models.CharField(max_length=12, default="allowlist")
    group_policy = models.CharField(max_length=12, default="allowlist")
    group_gate = models.CharField(max_length=12, default="either")
    rules = models.JSONField(default=list, help_text="[{subject_kind, subject_id, effect, reach}]")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["ChannelPolicy"]()

    class Meta:
        default_manager_name = "unscoped"
        verbose_name_plural = "channel policies"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "gateway", "channel"], name="channel_policy_once_per_gateway"
            ),
            models.UniqueConstraint(
                fields=["environment", "channel"],
                condition=models.Q(gateway__isnull=True),
                name="channel_policy_once_per_environment",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.name}".strip()


class PairingState(models.TextChoices):
    """A pairing waits, or somebody decided; one that waited too long simply counts no more."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class ChannelPairing(EnvironmentOwned):
    """A stranger's wish to write through a channel, and the hash of the code they were shown."""

    id = models.CharField(primary_key=True, max_length=40, default=new_pairing_id, editable=False)
    policy = models.ForeignKey(ChannelPolicy, on_delete=models.CASCADE, related_name="+")
    sender_id = models.CharField(max_length=128)
    name = models.CharField(max_length=200, blank=True)
    code_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=PairingState.choices, default=PairingState.PENDING)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    objects = TenantScopedManager["ChannelPairing"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["policy", "state", "expires_at"], name="channel_pairing_by_policy")]

    def __str__(self) -> str:
        return f"{self.sender_id} {self.state}"
