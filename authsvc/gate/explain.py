"""Why a decision falls as it does: every gate's verdict, the grant that allows, the smallest grant that would.

For administrators. Nothing is audited as a denial and nothing is changed. For AgentOS gateways the answer that AgentOS
itself would give stands beside ours; where the two differ, ours is the stricter one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from authsvc.gate.decide import (
    ALLOWED,
    GATES,
    Decision,
    Question,
    Reason,
    Situation,
    decision_of,
    look_up,
    missing_scopes,
)
from authsvc.web.caller import Caller
from rbac.agno import RouteAnswer
from rbac.models import GatewayKind, Grant
from rbac.scopes import AUTHSVC_ADMIN, HeldScopes, find_scope, smallest_grant
from rbac.services.effective import effective_scopes
from rbac.services.routes import simulate_agentos


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """One gate: open or not, and why."""

    gate: str
    is_open: bool
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class MatchedGrant:
    """The grant behind one required scope."""

    required: str
    held: str
    grant_id: str
    role: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision taken apart; ``missing`` is the smallest grant, empty when no grant is lacking or none would help."""

    decision: Decision
    gates: tuple[GateVerdict, ...]
    required: tuple[str, ...]
    matched: tuple[MatchedGrant, ...]
    missing: tuple[str, ...]
    is_held_but_not_carried: bool
    agentos: RouteAnswer | None


def explain(caller: Caller, question: Question, *, now: datetime) -> Explanation:
    """Return why; raises what ``decide`` raises."""
    situation = look_up(caller, question, now=now)
    subject = situation.subject
    needed = () if situation.is_public or subject is None else missing_scopes(situation)
    missing = tuple(sorted({smallest_grant(scope) for scope in needed if find_scope(scope)}))
    return Explanation(
        decision=decision_of(situation),
        gates=tuple(_verdict(name, situation) for name in GATES),
        required=situation.required,
        matched=_matched(situation) if subject else (),
        missing=missing,
        is_held_but_not_carried=bool(missing) and not _principal_lacks(situation, missing),
        agentos=_agentos(situation),
    )


def _verdict(name: str, situation: Situation) -> GateVerdict:
    reason: Reason | None = GATES[name](situation)
    if reason is None:
        return GateVerdict(name, True, ALLOWED.code, "Open.")
    return GateVerdict(name, False, reason.code, reason.detail)


def _matched(situation: Situation) -> tuple[MatchedGrant, ...]:
    """Return, for every required scope that is held, the first living grant that covers it."""
    held, admin_scope = situation.held, situation.audience.admin_scope if situation.audience else AUTHSVC_ADMIN
    grants = _living_grants(situation)
    matched = []
    for required in situation.required:
        if not held.covers(required):
            continue
        for grant in grants:
            scopes = [*(grant.role.scopes if grant.role else ()), *grant.scopes]
            covering = HeldScopes(scopes, admin_scope=admin_scope).covering(required)
            if covering:
                matched.append(MatchedGrant(required, covering, grant.id, grant.role.name if grant.role else ""))
                break
    return tuple(matched)


def _living_grants(situation: Situation) -> list[Grant]:
    subject = situation.subject
    if subject is None:
        return []
    at = Q(gateway__isnull=True) | Q(gateway=situation.audience) if situation.audience else Q(gateway__isnull=True)
    living = Q(expires_at__isnull=True) | Q(expires_at__gt=situation.now)
    grants = Grant.objects.for_environment(situation.caller).select_related("role").filter(at, living)
    return list(grants.filter(principal_id=subject.principal_id, revoked_at__isnull=True).order_by("created_at", "id"))


def _principal_lacks(situation: Situation, missing: tuple[str, ...]) -> bool:
    subject = situation.subject
    if subject is None:
        return True
    scopes = effective_scopes(
        tenant_id=subject.tenant_id, principal_id=subject.principal_id, gateway=situation.audience, now=situation.now
    )
    admin_scope = situation.audience.admin_scope if situation.audience else AUTHSVC_ADMIN
    return bool(HeldScopes(scopes, admin_scope=admin_scope).missing(missing))


def _agentos(situation: Situation) -> RouteAnswer | None:
    gateway, question = situation.gateway, situation.question
    if gateway is None or gateway.kind != GatewayKind.AGNO or not question.path or situation.subject is None:
        return None
    return simulate_agentos(gateway, sorted(situation.subject.scopes), question.method, question.path)
