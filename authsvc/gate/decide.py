"""One decision: who is this, may they do that, here, from that device, through that channel?

Gates in order: proof → device → channel → route → trust → scope. The first one that fails names itself; the decision
of a proof from another environment is that of a made-up one. A public route needs no proof, and still its channel. A
list request of somebody with single ids passes, cut down to those ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import DatabaseError, transaction

from authsvc.audit.figures import count_decision
from authsvc.audit.record import record
from authsvc.audit.repeats import Repeats
from authsvc.gate.authentication import admit
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.issuer import API_AUDIENCE
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.identifiers import new_id
from authsvc.web.problems import ValidationFailed
from devices.services.trust import find_device_trust
from rbac.channel_rules import ChannelSender
from rbac.models import Gateway
from rbac.routes import RouteMatch
from rbac.scopes import AUTHSVC_ADMIN, EVERYTHING, HeldScopes
from rbac.services.channels import check_channel
from rbac.services.known import compiled, known_gateway, known_gateway_of
from rbac.services.routes import match_route


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: either ``scope``, or ``method`` and ``path`` at a gateway; device and channel where they apply."""

    token: str
    gateway_id: str = ""
    scope: str = ""
    method: str = ""
    path: str = ""
    device_id: str = ""
    channel: str = ""
    sender: ChannelSender | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a stable code, the gate that decided, and a sentence."""

    code: str
    gate: str
    detail: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. ``principal`` is empty when the proof failed; ``filter_ids`` is set when a list is cut to them."""

    decision_id: str
    allowed: bool
    reason: Reason
    principal_id: str = ""
    principal_kind: str = ""
    scopes: tuple[str, ...] = field(default=())
    trust_level: int = 0
    filter_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """A question with everything looked up that its gates need."""

    caller: Caller
    question: Question
    gateway: Gateway | None
    subject: Caller | None
    audience: Gateway | None
    found: RouteMatch | None
    now: datetime

    @property
    def held(self) -> HeldScopes:
        """Return what the subject holds at the audience."""
        admin_scope = self.audience.admin_scope if self.audience else AUTHSVC_ADMIN
        return compiled(self.subject.scopes if self.subject else frozenset(), admin_scope)

    @property
    def required(self) -> tuple[str, ...]:
        """Return every scope that is needed."""
        if self.found is None:
            return (self.question.scope,)
        return self.found.required_scopes

    @property
    def is_public(self) -> bool:
        """True when nobody has to prove anything."""
        return self.found is not None and self.found.is_public


_DENIALS = Repeats()
Gate = Callable[[Situation], Reason | None]
INVALID_TOKEN = Reason("invalid_token", "proof", "The token is not valid here.")
ALLOWED = Reason("allowed", "scope", "Every gate is open.")
PUBLIC = Reason("public_route", "route", "The route is public.")
FILTERED = Reason("allowed_filtered", "scope", "The list is cut down to the ids that are granted.")


def decide(caller: Caller, question: Question, *, now: datetime) -> Decision:
    """Answer a question about a token of the caller's environment; a denial is audited. Raises ``ValidationFailed``."""
    decision = decision_of(look_up(caller, question, now=now))
    note_decision(caller, question, decision, now=now)
    return decision


def decide_batch(caller: Caller, questions: Sequence[Question], *, now: datetime) -> list[Decision]:
    """Answer several questions as ``decide`` answers each; raises for the first that is no question.

    The same question has the same answer, with an id of its own, and a denial counts each time.
    """
    made: dict[Question, Decision] = {}
    with transaction.atomic():
        return [_decide_again(caller, question, made, now) for question in questions]


def _decide_again(caller: Caller, question: Question, made: dict[Question, Decision], now: datetime) -> Decision:
    known = made.get(question)
    if known is None:
        known = made[question] = decide(caller, question, now=now)
        return known
    decision = replace(known, decision_id=new_id("dec"))
    note_decision(caller, question, decision, now=now)
    return decision


def note_decision(caller: Caller, question: Question, decision: Decision, *, now: datetime) -> None:
    """Count a decision that is being told, and audit a denial."""
    count_decision(caller, allowed=decision.allowed, now=now)
    if not decision.allowed:
        _record_denial(caller, decision, question, now)


def look_up(caller: Caller, question: Question, *, now: datetime) -> Situation:
    """Return what the gates need to know; raises ``NotFound`` for a gateway that is not here, ``ValidationFailed``."""
    gateway = known_gateway(caller, question.gateway_id) if question.gateway_id else None
    require_one_action(question, gateway)
    subject = find_subject(caller, question.token, gateway, now)
    audience = gateway or (_gateway_of(caller, subject) if subject else None)
    found = match_route(gateway, question.method, question.path) if gateway and question.path else None
    return Situation(caller, question, gateway, subject, audience, found, now)


def decision_of(situation: Situation) -> Decision:
    """Return the decision of the first gate that refuses, or that every gate is open."""
    for gate in GATES.values():
        reason = gate(situation)
        if reason is not None:
            return _decision(situation, reason)
    if situation.is_public:
        return _decision(situation, PUBLIC)
    return _decision(situation, ALLOWED if not missing_scopes(situation) else FILTERED)


def find_subject(caller: Caller, raw: str, gateway: Gateway | None, now: datetime) -> Caller | None:
    """Return who a token of the caller's environment belongs to, or ``None``."""
    try:
        subject = admit(raw, audience=gateway.audience if gateway else None, now=now)
    except TokenRefused:
        return None
    return subject if subject.environment_id == caller.environment_id else None


def require_one_action(question: Question, gateway: Gateway | None) -> None:
    """Raise ``ValidationFailed`` unless exactly one of scope, or method with path, is asked for."""
    by_route = bool(question.method or question.path)
    if bool(question.scope) == by_route:
        raise ValidationFailed(errors={"scope": ["Give either scope, or method and path."]})
    if by_route and not (question.method and question.path and gateway):
        raise ValidationFailed(errors={"path": ["A route needs gateway, method and path."]})


def missing_scopes(situation: Situation) -> tuple[str, ...]:
    """Return the required scopes that the subject does not hold."""
    return situation.held.missing(situation.required)


def listed_ids(situation: Situation) -> tuple[str, ...]:
    """Return the ids a list request is cut down to; empty when it is none, or nothing is granted."""
    listing = situation.found.listing if situation.found else None
    visible = situation.held.visible_ids(*listing) if listing else frozenset()
    return () if visible is EVERYTHING else tuple(sorted(visible))


def _proof(situation: Situation) -> Reason | None:
    return INVALID_TOKEN if situation.subject is None and not situation.is_public else None


def _device(situation: Situation) -> Reason | None:
    device_id, subject = situation.question.device_id, situation.subject
    if not device_id:
        return None
    if subject is not None and subject.kind == CallerKind.DEVICE and subject.principal_id != device_id:
        return Reason("device_mismatch", "device", "The token belongs to another device.")
    if find_device_trust(situation.caller, device_id, now=situation.now) is None:
        return Reason("device_not_active", "device", "The device is not active here.")
    return None


def _channel(situation: Situation) -> Reason | None:
    question = situation.question
    if not question.channel:
        return None
    sender = question.sender or ChannelSender(is_direct=True)
    verdict = check_channel(situation.caller, channel=question.channel, gateway=situation.gateway, sender=sender)
    if verdict.allowed:
        return None
    return Reason(str(verdict.reason), "channel", "The channel policy does not let this sender speak.")


def _route(situation: Situation) -> Reason | None:
    found = situation.found
    if found is None or not found.is_refused:
        return None
    return Reason(str(found.reason), "route", "No rule of this gateway covers the route.")


def _trust(situation: Situation) -> Reason | None:
    rule = situation.found.rule if situation.found else None
    level = situation.subject.trust_level if situation.subject else 0
    if rule is None or level >= rule.minimum_trust:
        return None
    return Reason("trust_too_low", "trust", f"The route asks for trust level {rule.minimum_trust}.")


def _scope(situation: Situation) -> Reason | None:
    if situation.is_public:
        return None
    missing = missing_scopes(situation)
    if not missing or listed_ids(situation):
        return None
    return Reason("insufficient_scope", "scope", f"The token does not grant {missing[0]}.")


GATES: dict[str, Gate] = {
    "proof": _proof,
    "device": _device,
    "channel": _channel,
    "route": _route,
    "trust": _trust,
    "scope": _scope,
}


def _gateway_of(caller: Caller, subject: Caller) -> Gateway | None:
    if subject.audience == API_AUDIENCE:
        return None
    return known_gateway_of(tenant_id=caller.tenant_id, environment_id=caller.environment_id, audience=subject.audience)


def _decision(situation: Situation, reason: Reason) -> Decision:
    subject = situation.subject
    allowed = reason in (ALLOWED, PUBLIC, FILTERED)
    if subject is None:
        return Decision(new_id("dec"), allowed, reason)
    return Decision(
        new_id("dec"),
        allowed,
        reason,
        subject.principal_id,
        str(subject.kind),
        tuple(sorted(subject.scopes)),
        subject.trust_level,
        listed_ids(situation) if reason is FILTERED else None,
    )


def _record_denial(caller: Caller, decision: Decision, question: Question, now: datetime) -> None:
    """Record a denial about the device or principal it concerns, so that it stands in their history.

    One equal to another of the last seconds is counted, and recorded with the next.
    """
    action = question.scope or f"{question.method} {question.path}"
    who = (caller.principal_id, decision.principal_id, question.device_id)
    key = (*who, action, decision.reason.code, question.gateway_id)
    repeats = _DENIALS.note(key, now=now)
    if repeats is None:
        return
    detail = {
        "decision_id": decision.decision_id,
        "subject_id": decision.principal_id,
        "action": action,
        "code": decision.reason.code,
        "gateway_id": question.gateway_id,
    }
    try:
        record(
            caller,
            "decision.denied",
            subject_id=question.device_id or decision.principal_id or decision.decision_id,
            detail={**detail, "repeats": repeats} if repeats else detail,
            now=now,
        )
    except DatabaseError:
        _DENIALS.forget(key)
        raise
