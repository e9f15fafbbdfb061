"""Tenants, their environments, the operators of the admin with their memberships, and principals."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from authsvc.tenants.scoping import EnvironmentOwned, TenantOwned, TenantScopedManager
from authsvc.web.identifiers import new_id

SLUG_VALIDATOR = RegexValidator(
    r"\A[a-z][a-z0-9-]{0,62}\Z", "Lower-case letters, digits and -, beginning with a letter."
)


def new_tenant_id() -> str:
    """Return an id such as ``ten_…``."""
    return new_id("ten")


def new_environment_id() -> str:
    """Return an id such as ``env_…``."""
    return new_id("env")


def new_operator_id() -> str:
    """Return an id such as ``opr_…``."""
    return new_id("opr")


class TenantState(models.TextChoices):
    """Suspended tenants get no answer; destroyed ones have lost their keys for ever."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DESTROYED = "destroyed"


class Tenant(models.Model):
    """The customer boundary; owns everything below it."""

    id = models.CharField(primary_key=True, max_length=40, default=new_tenant_id, editable=False)
    slug = models.CharField(max_length=63, unique=True, validators=[SLUG_VALIDATOR])
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=TenantState.choices, default=TenantState.ACTIVE)
    access_token_ttl_seconds = models.PositiveIntegerField(default=3600, help_text="At most 86,400 (24 hours).")
    credential_warn_seconds = models.PositiveIntegerField(
        default=86_400, help_text="A credential that ends within this time counts as expiring."
    )
    lease_ttl_seconds = models.PositiveIntegerField(
        default=3600, help_text="How long a handed-out credential may be used."
    )
    usage_retention_days = models.PositiveSmallIntegerField(
        default=30, help_text="How long tokens, leases and pairings are kept after their end, 1 to 365."
    )
    audit_retention_days = models.PositiveSmallIntegerField(
        default=365, help_text="How long audit events are kept, 30 to 3650; they end at a signed checkpoint."
    )
    retention_hold = models.BooleanField(default=False, help_text="Nothing is purged while this is set.")
    general_limit = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Requests a minute, 1 to 1000; empty means the service's own."
    )
    sensitive_limit = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Sensitive requests a minute, 1 to 100; empty means the service's own."
    )
    require_mfa = models.BooleanField(default=False, help_text="Nobody works here without a second factor.")
    four_eyes = models.JSONField(default=list, blank=True, help_text="Acts that need a second operator.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                name="tenant_retention_in_bounds",
                condition=models.Q(usage_retention_days__gte=1, usage_retention_days__lte=365)
                & models.Q(audit_retention_days__gte=30, audit_retention_days__lte=3650),
            ),
            models.CheckConstraint(
                name="tenant_limits_in_bounds",
                condition=(models.Q(general_limit=None) | models.Q(general_limit__gte=1, general_limit__lte=1000))
                & (models.Q(sensitive_limit=None) | models.Q(sensitive_limit__gte=1, sensitive_limit__lte=100)),
            ),
            models.CheckConstraint(
                name="tenant_access_token_ttl_in_bounds",
                condition=models.Q(access_token_ttl_seconds__gte=60, access_token_ttl_seconds__lte=86_400),
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class Environment(TenantOwned):
    """``dev`` or ``prod`` (or a named third) of one tenant; secrets, keys and tokens never cross it."""

    id = models.CharField(primary_key=True, max_length=40, default=new_environment_id, editable=False)
    name = models.CharField(max_length=63, validators=[SLUG_VALIDATOR])
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["Environment"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["tenant__slug", "name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="environment_name_once_per_tenant")]

    def __str__(self) -> str:
        return f"{self.tenant.slug}/{self.name}"


class AllowedOrigin(TenantOwned):
    """A web page's origin whose scripts may read answers about one tenant in a browser, beside the service's own."""

    origin = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["AllowedOrigin"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["origin"]
        indexes = [models.Index(fields=["origin"], name="allowed_origin_by_text")]
        constraints = [models.UniqueConstraint(fields=["tenant", "origin"], name="allowed_origin_once_per_tenant")]

    def __str__(self) -> str:
        return self.origin


class OperatorManager(BaseUserManager["Operator"]):
    """Makes operators; ``create_superuser`` makes a platform operator."""

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> Operator:
        """Create an operator who may sign in and sees only the tenants of its memberships."""
        operator = self.model(username=self.model.normalize_username(username), **fields)
        operator.set_password(password)
        operator.save(using=self._db)
        return operator

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> Operator:
        """Create a platform operator, who sees every tenant."""
        return self.create_user(username, password, is_superuser=True, **fields)


class Operator(AbstractBaseUser, PermissionsMixin):
    """A person in the admin. ``is_superuser`` marks a platform operator; everyone else needs memberships."""

    id = models.CharField(primary_key=True, max_length=40, default=new_operator_id, editable=False)
    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OperatorManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["username"]

    def __str__(self) -> str:
        return self.username

    @property
    def is_staff(self) -> bool:
        """True for every active operator: the admin is the only thing an operator signs in to."""
        return self.is_active


class MembershipRole(models.TextChoices):
    """What an operator may do in one tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    APPROVER = "approver"
    AUDITOR = "auditor"


class Membership(TenantOwned):
    """An operator's role in one tenant."""

    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=MembershipRole.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["Membership"]()

    class Meta:
        default_manager_name = "unscoped"
        constraints = [models.UniqueConstraint(fields=["operator", "tenant"], name="membership_once_per_tenant")]

    def __str__(self) -> str:
        return f"{self.operator} · {self.tenant} · {self.role}"


class PrincipalKind(models.TextChoices):
    """What can be granted a role, or hold a token."""

    SERVICE_ACCOUNT = "service_account"
    DEVICE = "device"
    GATEWAY = "gateway"


class PrincipalState(models.TextChoices):
    """A disabled principal is refused everywhere; a deleted one stays as a name in the audit only."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Principal(EnvironmentOwned):
    """Anything that can be granted a role: a service account or a device; and a gateway, which holds gateway tokens.

    The id is the ``sub`` of its tokens: ``svc_…``, ``dev_…`` or ``gwy_…``.
    """

    id = models.CharField(primary_key=True, max_length=40, editable=False)
    kind = models.CharField(max_length=20, choices=PrincipalKind.choices)
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=PrincipalState.choices, default=PrincipalState.ACTIVE)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantScopedManager["Principal"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["environment", "kind", "-created_at"], name="principal_by_environment"),
            models.Index(fields=["environment", "name"], name="principal_by_name"),
        ]

    def __str__(self) -> str:
        return self.name
