"""Which web pages may read answers about a tenant in a browser: the service's own origins, and the tenant's.

A tenant's origin counts for that tenant alone: by the name in an issuer's address, else by the tenant the proof
belongs to. Before a proof is known (a preflight, a 401) it counts when any tenant lists it; such an answer says
nothing about anybody. ``*``, ``null`` and what a browser would not send are refused; credentials are never allowed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from corsheaders.signals import check_request_enabled
from django.conf import settings
from django.db import DatabaseError, transaction
from django.dispatch import receiver
from django.http import HttpRequest

from authsvc.audit.record import record
from authsvc.tenants.models import AllowedOrigin, Tenant, TenantState
from authsvc.tenants.services import tenant_caller
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed
from authsvc.web.proven import proven_tenant_id

MOST_ORIGINS = 50
LONGEST = 200
ORIGIN = re.compile(
    r"(?:https?|tauri)://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])"
    r"(?::[1-9][0-9]{0,4})?"
)
DEFAULT_PORTS = (("https://", ":443"), ("http://", ":80"))
COVERED = re.compile(settings.CORS_URLS_REGEX)
ISSUER = re.compile(r"/t/([a-z][a-z0-9-]{0,62})/")


def origins_of(tenant: Tenant) -> list[str]:
    """Return the origins a tenant lists, sorted."""
    return [row.origin for row in AllowedOrigin.objects.for_tenant(tenant.id)]


def set_origins(caller: Caller, *, tenant: Tenant, origins: Sequence[str], now: datetime) -> list[str]:
    """Replace the origins a tenant lists; returns them sorted. Raises ``ValidationFailed``."""
    wanted = sorted({checked_origin(text) for text in origins})
    if len(wanted) > MOST_ORIGINS:
        raise ValidationFailed(errors={"origins": [f"List at most {MOST_ORIGINS} origins."]})
    with transaction.atomic():
        present = AllowedOrigin.objects.for_tenant(tenant.id)
        present.exclude(origin__in=wanted).delete()
        for origin in wanted:
            present.get_or_create(origin=origin, defaults={"tenant": tenant, "created_at": now})
        detail = {"changed": ["origins"]}
        record(tenant_caller(caller, tenant), "tenant.updated", subject_id=tenant.id, detail=detail, now=now)
    return wanted


def checked_origin(text: str) -> str:
    """Return an origin as browsers send it; raises ``ValidationFailed``."""
    origin = text.strip().lower()
    for scheme, port in DEFAULT_PORTS:
        origin = origin.removesuffix(port) if origin.startswith(scheme) else origin
    if len(origin) > LONGEST or not ORIGIN.fullmatch(origin):
        raise ValidationFailed(
            errors={"origins": [f"{text[:60]!r} is no origin: give https://host or http://host:port, without a path."]}
        )
    return origin


@receiver(check_request_enabled, dispatch_uid="authsvc.tenants.origins")
def is_listed_by_tenant(request: HttpRequest, **_sent: Any) -> bool:
    """True when the request's origin is listed by the tenant it is about; without the database it is not."""
    origin = request.headers.get("origin", "")
    if not COVERED.match(request.path_info) or len(origin) > LONGEST or not ORIGIN.fullmatch(origin):
        return False
    listed = AllowedOrigin.unscoped.filter(origin=origin, tenant__state=TenantState.ACTIVE)
    named, proven = ISSUER.search(request.path_info), proven_tenant_id(request)
    if named is not None:
        listed = listed.filter(tenant__slug=named[1])
    elif proven:
        listed = listed.filter(tenant_id=proven)
    try:
        return listed.exists()
    except DatabaseError:
        return False
