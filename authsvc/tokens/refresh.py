"""Refresh families: start, find, spend, end (RFC 6749 §6, RFC 9700 §4.14.2).

Every refresh token works once. Spending it is one conditional UPDATE in the transaction that makes its only child and
the new access token, so of any number of simultaneous attempts exactly one wins. A spent token that comes back ends
its family, whoever sends it and however soon: the loser of a race is not told apart from a thief.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from authsvc.audit.record import record
from authsvc.tenants.models import PrincipalState, TenantState
from authsvc.tokens.api_keys import pepper
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import TokenType, generate, is_same_hash, keyed_hash, parse
from authsvc.tokens.models import IssuedToken, RefreshFamily, RefreshToken
from authsvc.tokens.services import MintedToken
from authsvc.web.caller import Caller
from authsvc.web.secret_text import SecretText

SLIDING_DAYS = 30
ABSOLUTE_DAYS = 90


class RefreshReused(TokenRefused):
    """The token was spent before; its family has to end."""


@dataclass(frozen=True, slots=True)
class SpentRefresh:
    """A refresh token that was spent just now, and its only child."""

    family: RefreshFamily
    child: SecretText


def start_family(caller: Caller, *, minted: MintedToken, grant_type: str, now: datetime) -> SecretText:
    """Start a family behind a fresh access token, which ends with it; returns the first refresh token."""
    claims = minted.claims
    family = RefreshFamily(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        principal_id=claims.subject,
        client_id=claims.client_id,
        audience=claims.audience,
        scopes=list(claims.scopes),
        trust_level=claims.trust_level,
        grant_type=grant_type,
        created_at=now,
        expires_at=now + timedelta(days=ABSOLUTE_DAYS),
    )
    with transaction.atomic():
        family.save(force_insert=True)
        IssuedToken.objects.for_environment(caller).filter(id=claims.jti).update(family_id=family.id)
        first = _add_token(family, caller.environment, now)
        detail = {
            "family_id": family.id,
            "principal_id": claims.subject,
            "client_id": claims.client_id,
            "audience": claims.audience,
            "expires_at": family.expires_at.isoformat(),
        }
        record(caller, "token.family_started", subject_id=family.id, detail=detail, now=now)
    return first


def find_refresh_token(text: str, *, environment_id: str) -> RefreshToken:
    """Return the token of one environment, spent or not; raises ``TokenRefused``. A bad checksum costs no query."""
    parsed = parse(text)
    if parsed is None or parsed.type != TokenType.REFRESH_TOKEN:
        raise TokenRefused("shape")
    token = (
        RefreshToken.unscoped.select_related("family__principal", "environment__tenant")
        .filter(id=_row_id(parsed.id), environment_id=environment_id)
        .first()
    )
    hashed = keyed_hash(pepper(), parsed.text)
    if not isinstance(token, RefreshToken) or not is_same_hash(token.secret_hash, hashed):
        raise TokenRefused("unknown")
    return token


def require_usable(token: RefreshToken, *, now: datetime) -> None:
    """Raise ``RefreshReused`` for a spent token, ``TokenRefused`` for an expired, ended or disabled one."""
    if token.spent_at is not None:
        raise RefreshReused("reused")
    family = token.family
    if now >= min(token.expires_at, family.expires_at):
        raise TokenRefused("expired")
    if family.ended_at is not None:
        raise TokenRefused("family ended")
    if family.principal.state != PrincipalState.ACTIVE:
        raise TokenRefused("principal disabled")
    if token.environment.tenant.state != TenantState.ACTIVE:
        raise TokenRefused("tenant suspended")


def spend_refresh_token(caller: Caller, *, token: RefreshToken, now: datetime) -> SpentRefresh:
    """Spend a token and make its child; call it inside the transaction that mints. Raises ``RefreshReused`` on a loss.

    The family's row is taken first, so that ending it and spending one of its tokens never overlap.
    """
    families = RefreshFamily.objects.for_environment(caller).filter(id=token.family_id, ended_at__isnull=True)
    if not families.update(last_used_at=now):
        raise TokenRefused("family ended")
    unspent = RefreshToken.objects.for_environment(caller).filter(id=token.id, spent_at__isnull=True)
    if not unspent.update(spent_at=now, spent_from=_mark_of(token.id, caller.address)):
        raise RefreshReused("reused")
    return SpentRefresh(token.family, _add_token(token.family, caller.environment, now))


def was_spent_elsewhere(caller: Caller, *, token: RefreshToken) -> bool:
    """Say whether a spent token was spent from another address than the caller's; an unknown address is no other."""
    spent = (
        RefreshToken.objects.for_environment(caller).filter(id=token.id).values_list("spent_from", flat=True).first()
    )
    here = _mark_of(token.id, caller.address)
    return bool(spent and here) and not is_same_hash(str(spent), here)


def end_family(caller: Caller, *, family: RefreshFamily, reason: str, now: datetime) -> bool:
    """End a family and revoke its living access tokens; True when it was alive."""
    with transaction.atomic():
        alive = RefreshFamily.objects.for_environment(caller).filter(id=family.id, ended_at__isnull=True)
        if not alive.update(ended_at=now, end_reason=reason[:200]):
            return False
        tokens = IssuedToken.objects.for_environment(caller).filter(family_id=family.id, revoked_at__isnull=True)
        count = tokens.update(revoked_at=now)
        detail = {"family_id": family.id, "principal_id": family.principal_id, "count": count, "reason": reason}
        record(caller, "token.family_ended", subject_id=family.id, detail=detail, now=now)
    return True


def end_reused_family(caller: Caller, *, family: RefreshFamily, now: datetime) -> None:
    """End the family of a token that came back; the reuse is audited every time, also when it ended before."""
    with transaction.atomic():
        end_family(caller, family=family, reason="a spent refresh token was presented", now=now)
        detail = {"family_id": family.id, "principal_id": family.principal_id}
        record(caller, "token.reuse_detected", subject_id=family.id, detail=detail, now=now)


def _add_token(family: RefreshFamily, environment: str, now: datetime) -> SecretText:
    token = generate(TokenType.REFRESH_TOKEN, environment)
    RefreshToken(
        id=_row_id(token.id),
        tenant_id=family.tenant_id,
        environment_id=family.environment_id,
        family=family,
        secret_hash=keyed_hash(pepper(), token.text),
        created_at=now,
        expires_at=min(now + timedelta(days=SLIDING_DAYS), family.expires_at),
    ).save(force_insert=True)
    return token.text


def _mark_of(row_id: str, address: str) -> str:
    return keyed_hash(pepper(), SecretText(f"spent from|{row_id}|{address}")) if address else ""


def _row_id(token_id: str) -> str:
    return f"rft_{token_id}"
