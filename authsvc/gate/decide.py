"""One decision: who is this, may they do that, here, from that device, through that channel?

Gates in order: proof → device → channel → trust → scope. The first one that fails names itself; the decision of a
proof from another environment is that of a made-up one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from authsvc.audit.record import record
from authsvc.gate.authentication import admit
from authsvc.tokens.claims import TokenRefused
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.identifiers import new_id
from authsvc.web.problems import ValidationFailed
from devices.services.trust import find_device_trust
from rbac.channel_rules import ChannelSender
from rbac.models import Gateway, GatewayKind
from rbac.routes import RouteTable, agno_default_rules
from rbac.scopes import AUTHSVC_ADMIN, HeldScopes
from rbac.services.channels import check_channel
from rbac.services.gateways import find_gateway_by_audience, get_gateway


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
    """The answer. ``principal`` is empty when the proof failed."""

    decision_id: str
    allowed: bool
    reason: Reason
    principal_id: str = ""
    principal_kind: str = ""
    scopes: tuple[str, ...] = field(default=())
    trust_level: int = 0


INVALID_TOKEN = Reason("invalid_token", "proof", "The token is not valid here.")
ALLOWED = Reason("allowed", "scope", "Every gate is open.")
_NO_ROUTES = RouteTable(())
_ROUTES = {GatewayKind.AGNO.value: RouteTable(agno_default_rules())}


def decide(caller: Caller, question: Question, *, now: datetime) -> Decision:
    """Answer a question about a token of the caller's environment; a denial is audited. Raises ``ValidationFailed``."""
    gateway = get_gateway(caller, question.gateway_id) if question.gateway_id else None
    require_one_action(question, gateway)
    subject = find_subject(caller, question.token, gateway, now)
    decision = _decision(subject, _reason(caller, subject, question, gateway, now))
    if not decision.allowed:
        _record_denial(caller, decision, question, now)
    return decision


def _reason(
    caller: Caller, subject: Caller | None, question: Question, gateway: Gateway | None, now: datetime
) -> Reason:
    """Return the first gate that refuses, or ``ALLOWED``."""
    if subject is None:
        return INVALID_TOKEN
    return (
        _device(caller, subject, question, now)
        or _channel(caller, question, gateway)
        or _action(caller, subject, question, gateway)
        or ALLOWED
    )


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


def _device(caller: Caller, subject: Caller, question: Question, now: datetime) -> Reason | None:
    if not question.device_id:
        return None
    if subject.kind == CallerKind.DEVICE and subject.principal_id != question.device_id:
        return Reason("device_mismatch", "device", "The token belongs to another device.")
    trust = find_device_trust(caller, question.device_id, now=now)
    if trust is None:
        return Reason("device_not_active", "device", "The device is not active here.")
    return None


def _channel(caller: Caller, question: Question, gateway: Gateway | None) -> Reason | None:
    if not question.channel:
        return None
    verdict = check_channel(
        caller, channel=question.channel, gateway=gateway, sender=question.sender or ChannelSender(is_direct=True)
    )
    if verdict.allowed:
        return None
    return Reason(str(verdict.reason), "channel", "The channel policy does not let this sender speak.")


def _action(caller: Caller, subject: Caller, question: Question, gateway: Gateway | None) -> Reason | None:
    at = gateway or _gateway_of(caller, subject)
    admin_scope = at.admin_scope if at else AUTHSVC_ADMIN
    held = HeldScopes(subject.scopes, admin_scope=admin_scope)
    if question.scope:
        return None if held.covers(question.scope) else _missing_scope(question.scope)
    found = _ROUTES.get(gateway.kind if gateway else "", _NO_ROUTES).match(question.method, question.path)
    if found.is_refused:
        return Reason(str(found.reason), "route", "No rule of this gateway covers the route.")
    missing = () if found.is_public else held.missing(found.required_scopes)
    return _missing_scope(missing[0]) if missing else None


def _gateway_of(caller: Caller, subject: Caller) -> Gateway | None:
    return find_gateway_by_audience(
        tenant_id=caller.tenant_id, environment_id=caller.environment_id, audience=subject.audience
    )


def _missing_scope(scope: str) -> Reason:
    return Reason("insufficient_scope", "scope", f"The token does not grant {scope}.")


def _decision(subject: Caller | None, reason: Reason) -> Decision:
    if subject is None:
        return Decision(new_id("dec"), False, reason)
    return Decision(
        new_id("dec"),
        reason is ALLOWED,
        reason,
        subject.principal_id,
        str(subject.kind),
        tuple(sorted(subject.scopes)),
        subject.trust_level,
    )


def _record_denial(caller: Caller, decision: Decision, question: Question, now: datetime) -> None:
    detail = {
        "subject_id": decision.principal_id,
        "action": question.scope or f"{question.method} {question.path}",
        "code": decision.reason.code,
        "gateway_id": question.gateway_id,
    }
    record(caller, "decision.denied", subject_id=decision.decision_id, detail=detail, now=now)
