"""Data keys, one active per tenant and environment, stored wrapped; and answers kept sealed for a repeated request.

Destroying a data key makes what it sealed unreadable.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from authsvc.tenants.scoping import EnvironmentOwned, TenantScopedManager
from authsvc.vault.envelope import Place
from authsvc.web.identifiers import new_id


def new_data_key_id() -> str:
    """Return an id such as ``dky_…``."""
    return new_id("dky")


class DataKeyState(models.TextChoices):
    """``active`` seals and opens, ``retired`` only opens, ``destroyed`` does neither."""

    ACTIVE = "active"
    RETIRED = "retired"
    DESTROYED = "destroyed"


class DataKey(EnvironmentOwned):
    """An inner key, wrapped by a key-encryption key."""

    id = models.CharField(primary_key=True, max_length=40, default=new_data_key_id, editable=False)
    state = models.CharField(max_length=10, choices=DataKeyState.choices, default=DataKeyState.ACTIVE)
    kek_id = models.CharField(max_length=64)
    wrapped = models.TextField(blank=True)
    seal_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    destroyed_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedManager["DataKey"]()

    class Meta:
        default_manager_name = "unscoped"
        constraints = [
            models.UniqueConstraint(
                fields=["environment"], condition=models.Q(state="active"), name="data_key_one_active_per_environment"
            ),
            models.CheckConstraint(
                name="data_key_destroyed_is_empty", condition=~models.Q(state="destroyed") | models.Q(wrapped="")
            ),
        ]

    def __str__(self) -> str:
        return self.id


def new_reply_id() -> str:
    """Return an id such as ``idr_…``."""
    return new_id("idr")


class IdempotentReply(EnvironmentOwned):
    """The answer a caller got for an ``Idempotency-Key``, sealed; the key itself is kept only as a hash."""

    id = models.CharField(primary_key=True, max_length=40, default=new_reply_id, editable=False)
    principal_id = models.CharField(max_length=150)
    key_sha256 = models.CharField(max_length=64)
    request_hmac = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    sealed = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    objects = TenantScopedManager["IdempotentReply"]()

    class Meta:
        default_manager_name = "unscoped"
        verbose_name_plural = "idempotent replies"
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "principal_id", "key_sha256"], name="idempotent_reply_once_per_key"
            )
        ]
        indexes = [models.Index(fields=["tenant", "expires_at"], name="idempotent_reply_by_expiry")]

    def __str__(self) -> str:
        return self.id

    def place(self) -> Place:
        """Return where the answer is sealed."""
        return Place(self.tenant_id, self.environment_id, "idempotent_reply", self.id, "body")
