"""The table of buckets for several processes on PostgreSQL without Redis; written by ``limit_store_sql`` alone."""

from __future__ import annotations

from django.db import models


class LimitBucket(models.Model):
    """One bucket; ``full_at`` is the microsecond at which it is full again, and the row worth nothing."""

    key = models.CharField(primary_key=True, max_length=100)
    full_at = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return self.key
