"""Which living tokens of a tenant were revoked: few, so a process keeps their ids until the tenant's rights change.

A token not seen before then costs no query. Where more are revoked than are kept, each token is asked for by its id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from authsvc.audit.changes import Remembered, current_changes
from authsvc.tokens.models import IssuedToken
from authsvc.web.prepared import Prepared

MAXIMUM_KEPT: Final = 256  # ids a tenant
MAXIMUM_TENANTS: Final = 1024


@dataclass(frozen=True, slots=True)
class RevokedTokens:
    """The ids of a tenant's revoked tokens that had not ended at ``since``; ``None`` when they are too many."""

    ids: frozenset[str] | None
    since: datetime


_REVOKED: Remembered[str, RevokedTokens] = Remembered(MAXIMUM_TENANTS)
_LIVING = Prepared(
    lambda tenant_id, now: (
        IssuedToken.objects.for_tenant(tenant_id)
        .filter(revoked_at__isnull=False, expires_at__gt=now)
        .order_by()
        .values_list("id", flat=True)[: MAXIMUM_KEPT + 1]
    ),
    moments=("now",),
)
_ONE = Prepared(
    lambda tenant_id, jti: (
        IssuedToken.objects.for_tenant(tenant_id)
        .filter(id=jti, revoked_at__isnull=False)
        .order_by()
        .values_list("id", flat=True)
    )
)


def is_known_revoked(tenant_id: str, jti: str, *, now: datetime) -> bool:
    """True when a token that has not ended was revoked, as of the tenant's count of changes."""
    known = _REVOKED.find(tenant_id)
    if known is None or known.value.since > now:
        changes = current_changes(tenant_id)
        _REVOKED.put(tenant_id, tenant_id, changes, found := _looked_up(tenant_id, now))
    else:
        found = known.value
    return is_revoked(tenant_id, jti) if found.ids is None else jti in found.ids


def is_revoked(tenant_id: str, jti: str) -> bool:
    """True when the token of this id was revoked, as the database says now."""
    return _ONE.first(tenant_id=tenant_id, jti=jti) is not None


def _looked_up(tenant_id: str, now: datetime) -> RevokedTokens:
    ids = _LIVING.rows(tenant_id=tenant_id, now=now)
    return RevokedTokens(frozenset(ids) if len(ids) <= MAXIMUM_KEPT else None, now)
