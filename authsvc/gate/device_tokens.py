"""The token of a proven device: the same for a secret, a signature and a device code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from authsvc.gate.issue import Asked, Holder, issue_token
from authsvc.tokens.services import MintedToken
from devices.services.authenticate import ProvenDevice
from rbac.services.effective import effective_scopes


def issue_device_token(
    proven: ProvenDevice, *, grant_type: str, scopes: Sequence[str] = (), client_id: str = "", now: datetime
) -> MintedToken:
    """Mint a device's access token for its gateway, or for our own API when it has none.

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
    return issue_token(proven.caller, holder, asked, now=now)


def follow_up(proven: ProvenDevice, minted: MintedToken, *, now: datetime) -> dict[str, str]:
    """Return what joins the access token in the answer to a device code; runs in the transaction that minted.

    A refresh family of the device belongs here.
    """
    return {"device_id": proven.device.id}
