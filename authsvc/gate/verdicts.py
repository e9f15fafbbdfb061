"""Decisions that were just made, for the same questions asked again: the warmest answer of all.

A gateway asks the same about the same token many times a minute. An answer is remembered by the SHA-256 of the whole
proof and body, until the tenant's count of changes moves or one of the proofs ends (ADR 3); a decision about nobody
known, as of a made-up token, for a second. Told again, each decision has an id of its own, is counted, takes from the
same limits, and a denial is audited as ever. Denials and batches have memories of their own: they push nothing out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from authsvc.audit.changes import Remembered
from authsvc.audit.figures import count_decision
from authsvc.gate.authentication import bearer_of, find_admission
from authsvc.gate.decide import Decision, Question, note_decision
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.web.caller import Caller
from authsvc.web.identifiers import new_id
from rbac.services.known import find_known_gateway

ABOUT_NOBODY = timedelta(seconds=1)
Decided = tuple[Question, Decision]


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer: its body around the ids of its decisions, the decisions in their order, who asked, when it holds."""

    caller: Caller
    texts: tuple[str, ...]
    decided: tuple[Decided, ...]
    since: datetime
    until: datetime

    def tell(self, caller_now: Callable[[], Caller], now: datetime) -> str:
        """Return the body with new ids, after noting each decision; ``caller_now`` is who asked, as of this request."""
        pieces = [self.texts[0]]
        for (question, decision), text in zip(self.decided, self.texts[1:], strict=True):
            decision_id = new_id("dec")
            if decision.allowed:
                count_decision(self.caller, allowed=True, now=now)
            else:
                note_decision(caller_now(), question, replace(decision, decision_id=decision_id), now=now)
            pieces += decision_id, text
        return "".join(pieces)


_ALLOWED: Remembered[bytes, Verdict] = Remembered(10_000)
_DENIED: Remembered[bytes, Verdict] = Remembered(1024)
_BATCHES: Remembered[bytes, Verdict] = Remembered(64)


def key_of(authorization: str, body: bytes) -> bytes:
    """Return what an answer is remembered by."""
    return hashlib.sha256(authorization.encode("utf-8", "surrogatepass") + b"\0" + body).digest()


def find_verdict(key: bytes, *, is_batch: bool = False, now: datetime) -> Verdict | None:
    """Return the verdict that still holds; raises ``DatabaseError`` when that cannot be told."""
    for memory in (_BATCHES,) if is_batch else (_ALLOWED, _DENIED):
        known = memory.find(key)
        if known is not None and known.value.since <= now < known.value.until:
            return known.value
    return None


def remember_verdict(
    key: bytes,
    caller: Caller,
    authorization: str,
    decided: Sequence[Decided],
    text: str,
    *,
    is_batch: bool = False,
    now: datetime,
) -> None:
    """Remember the body of an answer, as long as every proof behind it is remembered.

    A token seen for the first time is not worth it yet. The body is kept under the count of changes from before the
    caller was looked up: a change since then drops it.
    """
    proof = find_admission(bearer_of(authorization) or "", audience=API_AUDIENCE)
    if proof is None or caller.changes is None or proof.changes != caller.changes:
        return
    until = min(proof.value.until, *(_holds_until(caller, *one, now) for one in decided))
    if until <= now:
        return
    texts = tuple(_split(text, (decision.decision_id for _, decision in decided)))
    kept = tuple((replace(question, token=""), decision) for question, decision in decided)
    memory = _BATCHES if is_batch else _ALLOWED if decided[0][1].allowed else _DENIED
    memory.put(key, caller.tenant_id, caller.changes, Verdict(caller, texts, kept, now, until))


def _holds_until(caller: Caller, question: Question, decision: Decision, now: datetime) -> datetime:
    """Return until when a decision stays the same while nobody's rights change; ``now`` when that is not known."""
    if not decision.principal_id:
        return now + ABOUT_NOBODY
    gateway = None
    if question.gateway_id:
        gateway = find_known_gateway(caller.tenant_id, caller.environment_id, question.gateway_id)
    proof = find_admission(question.token, audience=gateway.audience if gateway else None)
    if proof is None or proof.value.since >= now or proof.tenant_id != caller.tenant_id:
        return now
    return proof.value.until if proof.changes == caller.changes else now


def _split(text: str, ids: Iterable[str]) -> Iterable[str]:
    """Yield what stands before, between and after the ids, which are in the text in this order."""
    for decision_id in ids:
        before, _, text = text.partition(decision_id)
        yield before
    yield text
