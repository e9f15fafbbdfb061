"""``grant_type=refresh_token`` (RFC 6749 §6): one spent token, one new access token, one child.

A service account authenticates as the client it is; a device is a public client and its refresh token names it. The
scope may only narrow, the audience stays, and everything a first token is checked for is checked again: principal,
tenant, device, grants, trust. Refused alike: unknown, foreign, expired, ended, spent. A spent token ends its family and
costs a device its standing (``devices/services/clones.py`` says how much), unless the request lost a race: then it was
here before the winner was answered, and is only refused.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction
from django.http import HttpRequest

from authsvc.audit.record import record
from authsvc.gate.clients import authenticate_client, client_caller, has_client_proof
from authsvc.gate.issue import Asked, Holder, issue_token
from authsvc.gate.oauth_errors import InvalidClient, InvalidGrant, InvalidRequest, InvalidScopeRequested, InvalidTarget
from authsvc.gate.token import TokenAnswer, TokenCall, asked_of, register_grant, service_holder
from authsvc.tenants.models import Environment, PrincipalKind
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.models import RefreshFamily, RefreshToken
from authsvc.tokens.refresh import (
    LOSER_WAITS,
    RefreshReused,
    end_reused_family,
    find_refresh_token,
    has_lost_race,
    note_answer,
    require_usable,
    spend_refresh_token,
    start_family,
    was_spent_elsewhere,
)
from authsvc.tokens.services import MintedToken
from authsvc.web.caller import Caller
from authsvc.web.secret_text import SecretText
from devices.services.clones import suspect_clone
from devices.services.trust import DeviceTrust, trust_of
from devices.trust import TrustLevel
from devices.trust_changes import Happening
from rbac.models import Gateway, ServiceAccount
from rbac.scopes import AUTHSVC_ADMIN, HeldScopes
from rbac.services.known import known_gateway_of

REFRESH_TOKEN = "refresh_token"


def issue_refresh(caller: Caller, *, minted: MintedToken, grant_type: str, now: datetime) -> SecretText:
    """Return a refresh token for a freshly minted access token: same principal, client, audience and scopes, at most.

    Call it in the transaction that minted, so that neither exists without the other.
    """
    return start_family(caller, minted=minted, grant_type=grant_type, now=now)


def presented_token(
    request: HttpRequest, place: Environment, text: str, *, now: datetime
) -> tuple[RefreshToken, Caller]:
    """Return the refresh token, spent or not, and its authenticated client; raises ``TokenRefused`` or
    ``InvalidClient``.

    A device may leave out ``client_id``; whoever names or proves a client must be the family's.
    """
    form_client = request.POST.get("client_id", "")
    proven = authenticate_client(request, place, now=now) if has_client_proof(request) else None
    token = find_refresh_token(text, environment_id=place.id)
    family = token.family
    if proven is not None:
        if proven.principal.id != family.client_id:
            raise TokenRefused("another client's")
        return token, proven.caller
    if family.principal.kind != PrincipalKind.DEVICE:
        raise InvalidClient
    if form_client not in {"", family.client_id}:
        raise TokenRefused("another client's")
    return token, client_caller(request, place, family.principal, family.id, REFRESH_TOKEN)


def _refresh(call: TokenCall) -> TokenAnswer:
    text = call.form.get("refresh_token", "")
    if not text:
        raise InvalidRequest("refresh_token is missing.")
    try:
        token, caller = presented_token(call.request, call.place, text, now=call.now)
    except TokenRefused as refusal:
        raise InvalidGrant from refusal
    try:
        require_usable(token, now=call.now)
        answer = _exchange(caller, token, asked_of(call.form, REFRESH_TOKEN), call.now)
    except RefreshReused as reuse:
        _answer_reuse(call, caller, token)
        raise InvalidGrant from reuse
    except TokenRefused as refusal:
        raise InvalidGrant from refusal
    note_answer(token, at=datetime.now(UTC))
    return answer


def _answer_reuse(call: TokenCall, caller: Caller, token: RefreshToken) -> None:
    """End the family of a token that came back; the loser of a race leaves it alone. Both are audited.

    The loser waits before it is answered: whoever set off with it, and is slower by less, still belongs to the race.
    """
    if not has_lost_race(token, arrived_at=call.arrived_at, now=call.now):
        _end_reused(caller, token, call.now)
        return
    detail = {"client_id": token.family.client_id, "grant_type": REFRESH_TOKEN, "error": "lost a race"}
    record(caller, "token.refused", subject_id=token.family_id, detail=detail, now=call.now)
    answered_at = datetime.now(UTC) + LOSER_WAITS
    note_answer(token, at=answered_at)
    time.sleep(max(0.0, (answered_at - datetime.now(UTC)).total_seconds()))


def _end_reused(caller: Caller, token: RefreshToken, now: datetime) -> None:
    """End the family of a token that came back; a device of which there seem to be two loses its standing with it."""
    family = token.family
    with transaction.atomic():
        if family.principal.kind == PrincipalKind.DEVICE:
            sign = Happening.CLONE_SEEN if was_spent_elsewhere(caller, token=token) else Happening.TOKEN_REUSED
            suspect_clone(caller, device_id=family.principal_id, sign=sign, family_id=family.id, now=now)
        end_reused_family(caller, family=family, now=now)


def _exchange(caller: Caller, token: RefreshToken, asked: Asked, now: datetime) -> TokenAnswer:
    family = token.family
    _require_within(caller, family, asked)
    holder = _holder(caller, family, now)
    with transaction.atomic():
        spent = spend_refresh_token(caller, token=token, now=now)
        wanted = replace(asked, audience=family.audience, family_id=family.id)
        minted = issue_token(caller, holder, wanted, now=now)
        detail = {"jti": minted.claims.jti, "family_id": family.id, "principal_id": family.principal_id}
        record(caller, "token.refreshed", subject_id=family.id, detail=detail, now=now)
    return TokenAnswer(minted, spent.child)


def _require_within(caller: Caller, family: RefreshFamily, asked: Asked) -> None:
    if asked.audience not in {"", family.audience}:
        raise InvalidTarget("A refresh keeps its audience.")
    held = HeldScopes(family.scopes, admin_scope=_admin_scope(caller, family.audience))
    if held.missing(asked.scopes):
        raise InvalidScopeRequested("A refresh may only narrow the scope.")


def _admin_scope(caller: Caller, audience: str) -> str:
    gateway: Gateway | None = known_gateway_of(
        tenant_id=caller.tenant_id, environment_id=caller.environment_id, audience=audience
    )
    return gateway.admin_scope if gateway else AUTHSVC_ADMIN


def _holder(caller: Caller, family: RefreshFamily, now: datetime) -> Holder:
    """Return who holds the family now; what the family was given is the default set and the most."""
    given = tuple(family.scopes)
    if family.principal.kind == PrincipalKind.DEVICE:
        return Holder(
            principal=family.principal,
            client_id=family.client_id,
            maximum_scopes=given,
            default_scopes=given,
            trust=_device_trust(family, now),
            device_id=family.principal_id,
            may_be_empty=True,
        )
    accounts = ServiceAccount.objects.for_environment(caller).select_related("principal")
    account = accounts.filter(id=family.principal_id).first()
    if account is None:
        raise TokenRefused("principal")
    return replace(service_holder(account), default_scopes=given)


def _device_trust(family: RefreshFamily, now: datetime) -> DeviceTrust:
    trust = trust_of(family.principal, proof="access_token", at_most=TrustLevel(family.trust_level), now=now)
    if trust is None:
        raise TokenRefused("device")
    return trust


register_grant(REFRESH_TOKEN, _refresh)
