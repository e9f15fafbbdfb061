"""Revoking many tokens or keys at once, with what that stops."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from authsvc.tenants.admin_base import HouseAdmin
from authsvc.tenants.admin_bulk import BulkAct, confirm_and_run
from authsvc.tokens.api_keys import revoke_api_key
from authsvc.tokens.services import revoke_token

AT_ONCE = "Every worker refuses them within a second, for good."


def impact_of(rows: list[Any]) -> Mapping[str, object]:
    """Return whom it hits, and how many were used lately or act in production."""
    day = timezone.now() - timedelta(days=1)
    used = [row for row in rows if getattr(row, "last_used_at", None) and row.last_used_at >= day]
    facts: dict[str, object] = {
        "Owners that lose one": len({row.principal_id for row in rows}),
        "In PROD": sum(row.environment.name == "prod" for row in rows),
    }
    return {**facts, "Used within a day": len(used)} if hasattr(rows[0], "last_used_at") else facts


REVOKE_TOKENS = BulkAct(
    "revoke_tokens",
    "tokens:write",
    "Revoke",
    "revoked",
    "token",
    AT_ONCE,
    lambda caller, row, reason, now: revoke_token(caller, jti=row.id, reason=reason, now=now),
    lambda row: f"{row.id} of {row.principal} for {row.audience}",
    impact_of,
)
REVOKE_KEYS = BulkAct(
    "revoke_keys",
    "service_accounts:write",
    "Revoke",
    "revoked",
    "key",
    AT_ONCE,
    lambda caller, row, reason, now: revoke_api_key(caller, key=row, reason=reason, now=now),
    lambda row: f"{row.get_kind_display()} …{row.last_four} of {row.principal}",
    impact_of,
)


def revoke_many(page: HouseAdmin, request: HttpRequest, chosen: QuerySet[Any], act: BulkAct) -> TemplateResponse | None:
    """Show which living proofs would be revoked; revoke them once their number is typed."""
    living = chosen.filter(revoked_at__isnull=True).select_related("principal", "environment__tenant")
    return confirm_and_run(page, request, living, act)
