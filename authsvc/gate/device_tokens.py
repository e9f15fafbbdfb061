"""The tokens of a proven device: the same for a secret, a signature and a device code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from authsvc.gate.issue import Asked, Holder, issue_token
from authsvc.gate.refresh_grant import issue_refresh
from authsvc.tokens.services import MintedToken
from authsvc.web.secret_text import SecretText
from devices.services.authenticate import ProvenDevice
from rbac.services.effective import effective_scopes


def issue_device_tokens(
    proven: ProvenDevice, *, grant_type: str, scopes: Sequence[str] = (), client_id: str = "", now: datetime
) -> tuple[MintedToken, SecretText]:
    """Mint a device's access token for its gateway (or for our own API), and start its refresh family, together.

    A device whose trust opens nothing still gets a token: it says who, and carries no scope.
    """
    gateway = proven.device.gateway
    held = effective_scopes(tenant_id=proven.caller.tenant_id, principal_id=proven.device.id, gateway=gateway, now=now)
    holder = Holder(
        principal=proven.device.principal,
        client_id=client_id or proven.device.id,
        maximum_scopes=(),
        default_scopes=tuple(sorted(held)),
        trust=proven.trust,
        device_id=proven.device.id,
        may_be_empty=True,
    )
    asked = Asked(tuple(scopes), gateway.audience if gateway else "", grant_type)
    with transaction.atomic():
        minted = issue_token(proven.caller, holder, asked, now=now)
        return minted, issue_refresh(proven.caller, minted=minted, grant_type=grant_type, now=now)
