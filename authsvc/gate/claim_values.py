"""What a gateway's further claims say: the sources of ``rbac/claim_mapping.py``, looked up only where mapped."""

from __future__ import annotations

from datetime import datetime

from authsvc.tenants.models import Principal
from authsvc.tokens.services import TokenRequest
from devices.services.policy import privacy_of
from rbac.claim_mapping import ClaimValue, mapped_claims
from rbac.models import Gateway, ServiceAccount
from rbac.services.effective import effective_roles

PRIVACY = {"store_transcripts", "store_audio"}


def claims_for(
    gateway: Gateway, request: TokenRequest, principal: Principal, *, environment: str, now: datetime
) -> dict[str, ClaimValue]:
    """Return the claims that the gateway's mapping adds to the token of this request."""
    values: dict[str, ClaimValue] = {
        "subject": request.principal_id,
        "client_id": request.client_id,
        "audience": request.audience,
        "tenant": principal.tenant.slug,
        "environment": environment,
        "scopes": sorted(request.scopes),
        "trust_level": request.trust_level,
        "device_id": request.device_id,
        "session_id": request.session_id,
        "name": principal.name,
    }
    wanted = set(gateway.claims.values())
    if "email" in wanted:
        accounts = ServiceAccount.objects.for_tenant(principal.tenant_id).filter(id=principal.id)
        values["email"] = accounts.values_list("email", flat=True).first() or ""
    if "roles" in wanted:
        values["roles"] = effective_roles(
            tenant_id=principal.tenant_id, principal_id=principal.id, gateway=gateway, now=now
        )
    if wanted & PRIVACY:
        values |= privacy_of(principal.tenant_id, principal.environment_id)
    return mapped_claims(gateway.claims, values)
