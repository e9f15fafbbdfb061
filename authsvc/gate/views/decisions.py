"""``/me`` and ``/decide`` over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.decide import Decision, Question, decide
from authsvc.gate.serializers import DecideInput, DecisionOutput, MeOutput
from authsvc.tenants.models import Principal
from authsvc.web.api import ApiView
from authsvc.web.scope_rules import ANY_CALLER
from rbac.services.channels import sender_of


class Me(ApiView):
    """Who the caller is."""

    required_scopes = {"GET": ANY_CALLER}

    @extend_schema(responses=MeOutput)
    def get(self, request: Request) -> Response:
        """Show the caller, its effective scopes and trust level."""
        caller = self.caller
        principal = Principal.objects.for_environment(caller).get(id=caller.principal_id)
        document = {
            "tenant": caller.tenant,
            "environment": caller.environment,
            "principal_id": caller.principal_id,
            "name": principal.name,
            "kind": str(caller.kind),
            "scopes": sorted(caller.scopes),
            "trust_level": caller.trust_level,
            "device_id": caller.device_id or None,
            "proof": caller.proof,
            "token_id": caller.token_id,
            "audience": caller.audience,
        }
        return Response(MeOutput(document).data)


class Decide(ApiView):
    """One decision about a token."""

    required_scopes = {"POST": "decisions:make"}

    @extend_schema(request=DecideInput, responses=DecisionOutput)
    def post(self, request: Request) -> Response:
        """Decide: may this token do that, here, now? A refusal is an answer (200), not an error."""
        decision = decide(self.caller, question_of(self.fields(DecideInput)), now=self.now)
        return Response(decision_document(decision))


def question_of(fields: dict[str, Any]) -> Question:
    """Return the question of a validated body."""
    channel = fields.get("channel")
    return Question(
        token=fields["token"],
        gateway_id=fields.get("gateway", ""),
        scope=fields.get("scope", ""),
        method=fields.get("method", ""),
        path=fields.get("path", ""),
        device_id=fields.get("device", ""),
        channel=channel["kind"] if channel else "",
        sender=sender_of(channel) if channel else None,
    )


def decision_document(decision: Decision) -> dict[str, object]:
    """Return the answer's body."""
    principal = {"id": decision.principal_id, "kind": decision.principal_kind} if decision.principal_id else None
    reason = {"code": decision.reason.code, "gate": decision.reason.gate, "detail": decision.reason.detail}
    return {
        "decision_id": decision.decision_id,
        "allowed": decision.allowed,
        "reason": reason,
        "principal": principal,
        "scopes": list(decision.scopes),
        "trust_level": decision.trust_level,
    }
