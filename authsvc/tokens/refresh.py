"""Refresh families: start, find, spend, end (RFC 6749 §6, RFC 9700 §4.14.2).

Every refresh token works once. Spending it is one conditional UPDATE in the transaction that makes its only child and
the new access token, so of any number of simultaneous attempts exactly one wins. A request that was already here when
the winner was answered has lost a race and is refused; one that arrives later is a reuse and ends the family (ADR 4).
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from authsvc.audit.ledger import Ledger
from authsvc.audit.record import record
from authsvc.audit.together import write_together
from authsvc.tenants.models import PrincipalState, TenantState
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.formats import TokenType, generate, is_same_hash, keyed_hash, parse
from authsvc.tokens.models import IssuedToken, RefreshFamily, RefreshToken
from authsvc.tokens.opaque import pepper
from authsvc.tokens.policy import known_token_policy
from authsvc.tokens.services import MintedToken
from authsvc.web.caller import Caller
from authsvc.web.prepared import execute, insert_row
from authsvc.web.secret_text import SecretText

LOSER_WAITS = timedelta(milliseconds=400)  # longer than a crowd that set off together is apart
UNREAD = timedelta(milliseconds=500)  # how long a request may wait for a thread without anybody knowing of it
POLL_SECONDS = 0.05
RACE_SECONDS = 10  # a race lasts no longer than this from the moment the token was spent


class RefreshReused(TokenRefused):
    """The token was spent before; unless that was in the same race, its family has to end."""


@dataclass(frozen=True, slots=True)
class SpentRefresh:
    """A refresh token that was spent just now, and its only child."""

    family: RefreshFamily
    child: SecretText


_JOIN_FAMILY = (
    f"UPDATE {IssuedToken._meta.db_table} SET family_id = %s "  # noqa: S608 - the name is a constant
    "WHERE id = %s AND tenant_id = %s AND environment_id = %s"
)


def start_family(caller: Caller, *, minted: MintedToken, grant_type: str, now: datetime) -> SecretText:
    """Start a family behind a fresh access token, which ends with it; returns the first refresh token."""
    claims = minted.claims
    policy = known_token_policy(caller)
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
        expires_at=now + timedelta(days=policy.refresh_total_days),
    )
    first, row = _new_token(family, caller.environment, policy.refresh_idle_days, now)
    detail = {
        "family_id": family.id,
        "principal_id": claims.subject,
        "client_id": claims.client_id,
        "audience": claims.audience,
        "expires_at": family.expires_at.isoformat(),
    }

    def start(ledger: Ledger) -> None:
        ledger.insert(family)
        ledger.insert(row)
        minted.row.family_id = family.id
        if not ledger.is_new(minted.row):
            execute(_JOIN_FAMILY, [family.id, claims.jti, caller.tenant_id, caller.environment_id])
        ledger.record(caller, "token.family_started", subject_id=family.id, detail=detail, now=now)

    write_together(caller, start)
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
    policy = known_token_policy(caller)
    text, child = _new_token(token.family, caller.environment, policy.refresh_idle_days, now)
    insert_row(child)
    return SpentRefresh(token.family, text)


def note_answer(token: RefreshToken, *, at: datetime) -> None:
    """Note when a request that raced for a spent token is answered, after its transaction; the latest one counts.

    What arrives from then on is no part of the race.
    """
    tokens = RefreshToken.objects.for_tenant(token.tenant_id).filter(id=token.id, spent_at__isnull=False)
    tokens.filter(Q(answered_at__isnull=True) | Q(answered_at__lt=at)).update(answered_at=at)


def has_lost_race(token: RefreshToken, *, arrived_at: datetime, now: datetime) -> bool:
    """True when a request with a spent token was here before the race for it was over.

    The race is over once everybody in it is answered, and ``RACE_SECONDS`` after the token was spent at the latest. A
    winner that is not answered yet leaves ``answered_at`` empty. Who seems to come just too late waits a moment:
    somebody who came earlier may not have been read yet, and until that one is answered the race goes on.
    """
    began = time.monotonic()
    tokens = RefreshToken.objects.for_tenant(token.tenant_id).filter(id=token.id)
    while True:
        spent_at, answered_at = tokens.values_list("spent_at", "answered_at").first() or (None, None)
        if spent_at is None or now - spent_at > timedelta(seconds=RACE_SECONDS):
            return False
        if answered_at is None or arrived_at < answered_at:
            return True
        is_long_over = arrived_at - answered_at > UNREAD
        if is_long_over or time.monotonic() - began > UNREAD.total_seconds():
            return False
        time.sleep(POLL_SECONDS)


def was_spent_elsewhere(caller: Caller, *, token: RefreshToken) -> bool:
    """Say whether a spent token was spent from another address than the caller's; an unknown address is no other."""
    spent = (
        RefreshToken.objects.for_environment(caller).filter(id=token.id).values_list("spent_from", flat=True).first()
    )
    here = _mark_of(token.id, caller.address)
    return bool(spent and here) and not is_same_hash(str(spent), here)


def lock_families(caller: Caller, principal_ids: Collection[str]) -> None:
    """Take the rows of the principals' living families; call it before anything is recorded in the transaction.

    A refresh holds its family and then wants the head of the audit chain. Whoever wants both must take them in that
    order too, or PostgreSQL ends the deadlock by refusing one of them.
    """
    families = RefreshFamily.objects.for_environment(caller).filter(principal_id__in=principal_ids, ended_at=None)
    list(families.select_for_update().order_by("id").values_list("id"))


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


def _new_token(
    family: RefreshFamily, environment: str, idle_days: int, now: datetime
) -> tuple[SecretText, RefreshToken]:
    token = generate(TokenType.REFRESH_TOKEN, environment)
    row = RefreshToken(
        id=_row_id(token.id),
        tenant_id=family.tenant_id,
        environment_id=family.environment_id,
        family=family,
        secret_hash=keyed_hash(pepper(), token.text),
        created_at=now,
        expires_at=min(now + timedelta(days=idle_days), family.expires_at),
    )
    return token.text, row


def _mark_of(row_id: str, address: str) -> str:
    return keyed_hash(pepper(), SecretText(f"spent from|{row_id}|{address}")) if address else ""


def _row_id(token_id: str) -> str:
    return f"rft_{token_id}"
