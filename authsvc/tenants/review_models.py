"""Reviews: acts that one operator asked for and another decides about."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone

from authsvc.tenants.scoping import EnvironmentOwned, TenantScopedManager
from authsvc.web.identifiers import new_id


def new_review_id() -> str:
    """Return an id such as ``rev_…``."""
    return new_id("rev")


class ReviewState(models.TextChoices):
    """A review waits until somebody decides; one that waited too long simply counts no more."""

    WAITING = "waiting"
    APPLIED = "applied"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Review(EnvironmentOwned):
    """One act that waits for a second operator: what it needs, what it would change, and who decided."""

    id = models.CharField(primary_key=True, max_length=40, default=new_review_id, editable=False)
    act = models.CharField(max_length=20)
    fields = models.JSONField(default=dict)
    lines = models.JSONField(default=list, help_text="[{what, before, after}], as the requester saw them.")
    digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=2000, blank=True)
    state = models.CharField(max_length=10, choices=ReviewState.choices, default=ReviewState.WAITING)
    requested_by = models.CharField(max_length=150)
    requested_kind = models.CharField(max_length=20)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.CharField(max_length=2000, blank=True)

    objects = TenantScopedManager["Review"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["environment", "state", "-created_at"], name="review_by_state"),
            models.Index(fields=["environment", "-created_at", "-id"], name="review_by_environment"),
        ]

    def __str__(self) -> str:
        return f"{self.act.replace('_', ' ')} {self.id}"

    def standing(self, now: datetime) -> str:
        """Return the state, with ``expired`` for one that waited too long."""
        return "expired" if self.state == ReviewState.WAITING and now >= self.expires_at else self.state
