"""Decisions that were just made, for the same question asked again: the warmest answer of all.

A gateway asks the same about the same token many times a minute. An allowing decision is remembered by the SHA-256 of
the whole proof and question, until the tenant's count of changes moves or one of the two proofs ends (ADR 3); each
answer still has a decision id of its own, and takes from the same limits. A denial is never remembered: it is audited.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from authsvc.audit.changes import Remembered
from authsvc.gate.authentication import bearer_of, find_admission
from authsvc.gate.decide import Decision, Question
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.web.caller import Caller
from rbac.services.known import find_known_gateway

MAXIMUM_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer's body before and after its decision id, who asked, and when it holds."""

    caller: Caller
    before: str
    after: str
    since: datetime
    until: datetime


_VERDICTS: Remembered[bytes, Verdict] = Remembered(MAXIMUM_REMEMBERED)


def key_of(authorization: str, body: bytes) -> bytes:
    """Return what a question is remembered by."""
    return hashlib.sha256(authorization.encode("utf-8", "surrogatepass") + b"\0" + body).digest()


def find_verdict(key: bytes, *, now: datetime) -> Verdict | None:
    """Return the verdict that still holds; raises ``DatabaseError`` when that cannot be told."""
    known = _VERDICTS.find(key)
    if known is None or not known.value.since <= now < known.value.until:
        return None
    return known.value


def remember_verdict(
    key: bytes, caller: Caller, authorization: str, question: Question, decision: Decision, text: str, *, now: datetime
) -> None:
    """Remember an allowing decision as long as both proofs behind it are remembered; ``text`` is its whole body."""
    before, found, after = text.partition(decision.decision_id)
    if not decision.allowed or not found:
        return
    gateway = None
    if question.gateway_id:
        gateway = find_known_gateway(caller.tenant_id, caller.environment_id, question.gateway_id)
    proofs = (
        find_admission(bearer_of(authorization) or "", audience=API_AUDIENCE),
        find_admission(question.token, audience=gateway.audience if gateway else None),
    )
    known = [proof for proof in proofs if proof is not None and proof.tenant_id == caller.tenant_id]
    if len(known) < len(proofs) or known[0].changes != known[1].changes:
        return
    until = min(proof.value.until for proof in known)
    _VERDICTS.put(key, caller.tenant_id, known[0].changes, Verdict(caller, before, after, now, until))
