"""Issuing a token to somebody else: an administrator may hand out only what they hold themselves."""

from __future__ import annotations

from datetime import datetime

from authsvc.gate.issue import Asked, for_audience, gateway_of_audience, issue_token
from authsvc.gate.token import service_holder
from authsvc.tokens.services import MintedToken
from authsvc.web.caller import Caller
from rbac.models import ServiceAccount
from rbac.services.effective import require_may_hand_out


def issue_on_behalf(caller: Caller, *, account: ServiceAccount, asked: Asked, now: datetime) -> MintedToken:
    """Mint a token for a service account; raises ``InvalidTarget`` for an unknown audience, ``NotHeld`` when it would
    carry more than the caller holds.
    """
    gateway = gateway_of_audience(caller.tenant_id, caller.environment_id, asked.audience)
    wanted = for_audience(asked.scopes or account.default_scopes, gateway)
    require_may_hand_out(caller, wanted, gateway=gateway, now=now)
    return issue_token(caller, service_holder(account), asked, now=now)
