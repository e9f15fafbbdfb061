"""Signing keys, issued access tokens, refresh families, and long opaque proofs.

Opaque proofs are API keys, gateway tokens, client and device secrets. No proof is stored, only keyed hashes.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone

from authsvc.tenants.models import Principal
from authsvc.tenants.scoping import EnvironmentOwned, TenantScopedManager
from authsvc.tokens.formats import TokenType
from authsvc.web.identifiers import new_id


def new_signing_key_id() -> str:
    """Return an id such as ``sgk_…``."""
    return new_id("sgk")


def new_family_id() -> str:
    """Return an id such as ``rff_…``."""
    return new_id("rff")


class SigningKeyState(models.TextChoices):
    """``next`` is published, ``active`` signs, ``retiring`` still verifies, ``retired`` is gone from the key set."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


PUBLISHED_STATES = (SigningKeyState.NEXT, SigningKeyState.ACTIVE, SigningKeyState.RETIRING)
VERIFYING_STATES = (SigningKeyState.ACTIVE, SigningKeyState.RETIRING)


class SigningKey(EnvironmentOwned):
    """One asymmetric key of an environment; the private half is sealed.

    A shared secret (HS256) belongs to one ``audience`` of a development environment, has no public half and is never
    part of a key set.
    """

    id = models.CharField(primary_key=True, max_length=40, default=new_signing_key_id, editable=False)
    kid = models.CharField(max_length=64, unique=True)
    algorithm = models.CharField(max_length=10)
    audience = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=10, choices=SigningKeyState.choices)
    public_jwk = models.JSONField()
    private_sealed = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True)
    retire_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedManager["SigningKey"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "algorithm", "audience"],
                condition=models.Q(state="active"),
                name="signing_key_one_active_per_algorithm",
            ),
            models.UniqueConstraint(
                fields=["environment", "algorithm", "audience"],
                condition=models.Q(state="next"),
                name="signing_key_one_next_per_algorithm",
            ),
        ]

    def __str__(self) -> str:
        return self.kid


class TokenPolicy(EnvironmentOwned):
    """How long proofs of one environment live and when its keys rotate; without a row, the defaults hold.

    ``access_token_seconds`` empty means the tenant's own lifetime; ``rotate_keys_after_days`` empty means by hand.
    """

    environment = models.OneToOneField(
        "authsvc.Environment", primary_key=True, on_delete=models.CASCADE, related_name="token_policy"
    )
    access_token_seconds = models.PositiveIntegerField(null=True, blank=True)
    refresh_idle_days = models.PositiveSmallIntegerField(default=30)
    refresh_total_days = models.PositiveSmallIntegerField(default=90)
    api_key_days = models.PositiveSmallIntegerField(default=365)
    gateway_token_days = models.PositiveSmallIntegerField(default=365)
    device_secret_days = models.PositiveSmallIntegerField(default=180)
    rotation_due_days = models.PositiveSmallIntegerField(default=30)
    rotate_keys_after_days = models.PositiveSmallIntegerField(null=True, blank=True)
    key_lead_days = models.PositiveSmallIntegerField(default=7)
    rsa_bits = models.PositiveSmallIntegerField(default=2048)

    objects = TenantScopedManager["TokenPolicy"]()

    class Meta:
        default_manager_name = "unscoped"
        verbose_name_plural = "token policies"
        ordering = ["environment__tenant__slug", "environment__name"]

    def __str__(self) -> str:
        return f"token policy of {self.environment}"


class IssuedToken(EnvironmentOwned):
    """An access token that was issued; the id is its ``jti``. The token itself is never stored."""

    id = models.CharField(primary_key=True, max_length=128)
    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="+")
    client_id = models.CharField(max_length=128)
    audience = models.CharField(max_length=255)
    scopes = models.JSONField()
    grant_type = models.CharField(max_length=60)
    trust_level = models.PositiveSmallIntegerField(default=0)
    family_id = models.CharField(max_length=40, blank=True)
    actors = models.JSONField(default=list, help_text="Who acts for the principal, the present one first (RFC 8693).")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedManager["IssuedToken"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["environment", "-created_at", "-id"], name="issued_token_by_environment"),
            models.Index(fields=["-created_at", "-id"], name="issued_token_newest"),
            models.Index(fields=["principal", "expires_at"], name="issued_token_by_principal"),
            models.Index(fields=["expires_at"], name="issued_token_by_expiry"),
            models.Index(fields=["family_id"], condition=~models.Q(family_id=""), name="issued_token_by_family"),
            models.Index(
                fields=["tenant", "expires_at"],
                condition=models.Q(revoked_at__isnull=False),
                name="issued_token_revoked",
            ),
        ]

    def __str__(self) -> str:
        return self.id


class UsedAssertion(EnvironmentOwned):
    """A client assertion that was used, until it would have expired; the id is a hash of client and ``jti``."""

    id = models.CharField(primary_key=True, max_length=64)
    expires_at = models.DateTimeField()

    objects = TenantScopedManager["UsedAssertion"]()

    class Meta:
        default_manager_name = "unscoped"
        indexes = [models.Index(fields=["expires_at"], name="used_assertion_by_expiry")]

    def __str__(self) -> str:
        return self.id


class RefreshFamily(EnvironmentOwned):
    """All refresh tokens that descend from one authentication; ended as a whole, never beyond ``expires_at``.

    ``scopes``, ``audience`` and ``trust_level`` are those of the first access token: no descendant exceeds them.
    """

    id = models.CharField(primary_key=True, max_length=40, default=new_family_id, editable=False)
    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="+")
    client_id = models.CharField(max_length=128)
    audience = models.CharField(max_length=255)
    scopes = models.JSONField()
    trust_level = models.PositiveSmallIntegerField(default=0)
    grant_type = models.CharField(max_length=60)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=200, blank=True)

    objects = TenantScopedManager["RefreshFamily"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["principal", "ended_at"], name="refresh_family_by_principal"),
            models.Index(fields=["environment", "-created_at", "-id"], name="refresh_family_by_environment"),
            models.Index(fields=["expires_at"], name="refresh_family_by_expiry"),
        ]

    def __str__(self) -> str:
        return self.id


class RefreshToken(EnvironmentOwned):
    """One single-use proof of a family: spending it and making its child is one transaction.

    ``answered_at`` is when the last of the requests that raced for it was about to be answered (ADR 4).
    """

    id = models.CharField(primary_key=True, max_length=40)
    family = models.ForeignKey(RefreshFamily, on_delete=models.CASCADE, related_name="tokens")
    secret_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    spent_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    # Keyed hash of this token and the address that spent it: tells the same place from another, and no address.
    spent_from = models.CharField(max_length=64, blank=True)

    objects = TenantScopedManager["RefreshToken"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["family"],
                condition=models.Q(spent_at__isnull=True),
                name="refresh_token_one_unspent",
            )
        ]

    def __str__(self) -> str:
        return self.id


class ApiKeyKind(models.TextChoices):
    """What an opaque proof is for."""

    API_KEY = "api_key"
    GATEWAY_TOKEN = "gateway_token"
    CLIENT_SECRET = "client_secret"
    DEVICE_SECRET = "device_secret"


TYPE_OF_KIND: dict[str, TokenType] = {
    ApiKeyKind.API_KEY: TokenType.API_KEY,
    ApiKeyKind.GATEWAY_TOKEN: TokenType.GATEWAY_TOKEN,
    ApiKeyKind.CLIENT_SECRET: TokenType.CLIENT_SECRET,
    ApiKeyKind.DEVICE_SECRET: TokenType.DEVICE_SECRET,
}


class ApiKey(EnvironmentOwned):
    """A long opaque proof of one principal; only keyed hashes of it are stored. The id outlives rotation."""

    id = models.CharField(primary_key=True, max_length=40)
    kind = models.CharField(max_length=20, choices=ApiKeyKind.choices)
    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200, blank=True)
    secret_hash = models.CharField(max_length=64)
    imported_hash = models.CharField(
        max_length=64, null=True, blank=True, unique=True, help_text="Finds a token that was made elsewhere."
    )
    previous_secret_hash = models.CharField(max_length=64, blank=True)
    previous_valid_until = models.DateTimeField(null=True, blank=True)
    last_four = models.CharField(max_length=4)
    scopes = models.JSONField(default=list)
    address_ranges = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    rotated_at = models.DateTimeField(null=True, blank=True)
    rotate_after = models.DateTimeField(null=True, blank=True, help_text="From then on a new secret is due.")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedManager["ApiKey"]()

    class Meta:
        default_manager_name = "unscoped"
        verbose_name = "API key or secret"
        verbose_name_plural = "API keys and secrets"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["environment", "kind", "-created_at"], name="api_key_by_environment"),
            models.Index(fields=["-created_at", "-id"], name="api_key_newest"),
            models.Index(
                fields=["tenant", "rotate_after"],
                condition=models.Q(revoked_at__isnull=True),
                name="api_key_by_rotation",
            ),
            models.Index(
                Coalesce("last_used_at", "created_at"),
                "tenant",
                condition=models.Q(revoked_at__isnull=True),
                name="api_key_by_last_use",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} …{self.last_four}"
