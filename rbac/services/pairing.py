"""Use cases of channel pairing: a stranger writes, gets a code through the gateway, and somebody here approves it.

A code is stored hashed, lives an hour, and is approved once; a channel holds three that wait. What approval leaves
behind is a rule that lets this person write directly, and nothing in groups.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from authsvc.audit.record import record
from authsvc.tokens.formats import keyed_hash
from authsvc.tokens.opaque import pepper
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, NotFound
from authsvc.web.secret_text import SecretText
from rbac.channel_rules import (
    ChannelRule,
    ChannelSender,
    Reach,
    Reason,
    SubjectKind,
    decide_channel,
    normalise_sender_id,
)
from rbac.models import ChannelPairing, ChannelPolicy, PairingState
from rbac.pairing_codes import new_pairing_code, normalise_pairing_code
from rbac.services.channels import MAXIMUM_RULES, policy_value, stored_rule

CODE_LIFE = timedelta(hours=1)
MAXIMUM_PENDING = 3


class PairingNotOffered(Conflict):
    """The channel's policy gives this sender no code: it does not pair, or has decided about them."""

    slug, title = "pairing_not_offered", "No pairing here"
    default_detail = "This channel offers no pairing to this sender."


class PairingQueueFull(Conflict):
    """Three codes of the channel wait already."""

    slug, title = "pairing_queue_full", "Too many wait"
    default_detail = "Three pairing codes of this channel wait already; approve or reject one, or wait an hour."


class PairingUnknown(NotFound):
    """No code like this waits: wrong, expired, used, or of another channel."""

    slug, title = "pairing_unknown", "No such pairing"
    default_detail = "No pairing with this code waits here."


class TooManyRules(Conflict):
    """The policy holds as many rules as it can."""

    slug, title = "too_many_rules", "Too many rules"
    default_detail = f"A policy holds at most {MAXIMUM_RULES} rules."


@dataclass(frozen=True, slots=True)
class PairingRequest:
    """A fresh pairing and its code, shown once to the sender."""

    pairing: ChannelPairing
    code: SecretText


def request_pairing(
    caller: Caller, *, policy: ChannelPolicy, sender: str | int, name: str = "", now: datetime
) -> PairingRequest:
    """Make a code for a sender; asking again replaces theirs. Raises ``PairingNotOffered`` or ``PairingQueueFull``."""
    sender_id = normalise_sender_id(sender)
    code = SecretText(new_pairing_code(secrets.randbelow))
    with transaction.atomic():
        locked = _locked(caller, policy)
        verdict = decide_channel(policy_value(locked), ChannelSender(user=sender_id, chat=sender_id, is_direct=True))
        if verdict.reason is not Reason.PAIRING_REQUIRED:
            raise PairingNotOffered
        waiting = pending_pairings(caller, policy=locked, now=now)
        waiting.filter(sender_id=sender_id).delete()
        if waiting.count() >= MAXIMUM_PENDING:
            raise PairingQueueFull
        pairing = ChannelPairing(
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            policy=locked,
            sender_id=sender_id,
            name=name,
            code_hash=_hashed(code),
            created_at=now,
            expires_at=now + CODE_LIFE,
        )
        pairing.save(force_insert=True)
        record(caller, "pairing.requested", subject_id=pairing.id, detail=_detail(pairing), now=now)
    return PairingRequest(pairing, code)


def approve_pairing(
    caller: Caller, *, policy: ChannelPolicy, code: str, pairing_id: str = "", now: datetime
) -> ChannelPairing:
    """Let the sender behind a waiting code write directly; with ``pairing_id`` only that one.

    Raises ``PairingUnknown`` or ``PairingCodeMalformed``.
    """
    hashed = _hashed(SecretText(normalise_pairing_code(code)))
    with transaction.atomic():
        locked = _locked(caller, policy)
        pairing = pending_pairings(caller, policy=locked, now=now).filter(code_hash=hashed).first()
        if pairing is None or pairing_id not in {"", pairing.id}:
            raise PairingUnknown
        if len(locked.rules) >= MAXIMUM_RULES:
            raise TooManyRules
        _decide(caller, pairing, PairingState.APPROVED, now)
        rule = ChannelRule(SubjectKind.USER, pairing.sender_id, reach=Reach.DIRECT)
        locked.rules = [*locked.rules, stored_rule(rule)]
        locked.save(update_fields=["rules"])
        record(caller, "pairing.approved", subject_id=pairing.id, detail=_detail(pairing), now=now)
    return pairing


def reject_pairing(caller: Caller, *, policy: ChannelPolicy, pairing_id: str, now: datetime) -> None:
    """End a waiting pairing; the sender may ask again. Raises ``PairingUnknown``."""
    with transaction.atomic():
        locked = _locked(caller, policy)
        pairing = pending_pairings(caller, policy=locked, now=now).filter(id=pairing_id).first()
        if pairing is None:
            raise PairingUnknown
        _decide(caller, pairing, PairingState.REJECTED, now)
        record(caller, "pairing.rejected", subject_id=pairing.id, detail=_detail(pairing), now=now)


def pending_pairings(caller: Caller, *, policy: ChannelPolicy, now: datetime) -> QuerySet[ChannelPairing]:
    """Return the pairings of a channel that wait."""
    rows = ChannelPairing.objects.for_environment(caller).filter(policy=policy)
    return rows.filter(state=PairingState.PENDING, expires_at__gt=now)


def _locked(caller: Caller, policy: ChannelPolicy) -> ChannelPolicy:
    """Return the policy with its row locked: requests and approvals of one channel come one after the other."""
    found = ChannelPolicy.objects.for_environment(caller).select_for_update().filter(id=policy.id).first()
    if found is None:
        raise NotFound
    return found


def _decide(caller: Caller, pairing: ChannelPairing, state: PairingState, now: datetime) -> None:
    pairing.state, pairing.decided_by, pairing.decided_at = state, caller.principal_id, now
    pairing.save(update_fields=["state", "decided_by", "decided_at"])


def _hashed(code: SecretText) -> str:
    return keyed_hash(pepper(), code)


def _detail(pairing: ChannelPairing) -> dict[str, str]:
    return {"channel_id": pairing.policy_id, "sender_id": pairing.sender_id}
