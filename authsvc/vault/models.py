"""Data keys.

One active per tenant and environment, stored wrapped; destroying them makes what they sealed unreadable.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from authsvc.tenants.scoping import EnvironmentOwned, TenantScopedManager
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
