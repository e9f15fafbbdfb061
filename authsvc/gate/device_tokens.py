"""The tokens of a proven device: the same for a secret, a signature and a device code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from authsvc.audit.ledger import Ledger
from authsvc.audit.together import write_together
from authsvc.gate.issue import Asked, Holder, issue_token
from authsvc.gate.refresh_grant import issue_refresh
from authsvc.tokens.services import MintedToken
from authsvc.web.secret_text import SecretText
from devices.services.authenticate import ProvenDevice
from rbac.services.effective import effective_scopes


@dataclass(frozen=True, slots=True)
class DeviceTokens:
    """What a proven device is given."""

    proven: ProvenDevice
    minted: MintedToken
    refresh: SecretText


def issue_device_tokens(
    proven: ProvenDevice, *, grant_type: str, scopes: Sequence[str] = (), client_id: str = "", now: datetime
) -> DeviceTokens:
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

    def issue(_ledger: Ledger) -> DeviceTokens:
        minted = issue_token(proven.caller, holder, asked, now=now)
        refresh = issue_refresh(proven.caller, minted=minted, grant_type=grant_type, now=now)
        return DeviceTokens(proven, minted, refresh)

    return write_together(proven.caller, issue)
