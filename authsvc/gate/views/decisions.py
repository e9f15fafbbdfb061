"""``/me``, ``/decide``, ``/filter``, ``/access`` and ``/explain`` over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from authsvc.gate.access import accessible_ids, filter_ids
from authsvc.gate.decide import Decision, Question, decide, decide_batch
from authsvc.gate.explain import Explanation, explain
from authsvc.gate.serializers import (
    AccessOutput,
    AccessQuery,
    BatchInput,
    BatchOutput,
    DecideInput,
    DecisionOutput,
    ExplanationOutput,
    FilterInput,
    FilterOutput,
    MeOutput,
)
from authsvc.tenants.models import Principal
from authsvc.web.api import ApiView
from authsvc.web.scope_rules import ANY_CALLER
from rbac.scopes import EVERYTHING
from rbac.services.channels import sender_of
from rbac.services.gateways import get_gateway


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


class DecideBatch(ApiView):
    """Several decisions at once."""

    required_scopes = {"POST": "decisions:make"}

    @extend_schema(request=BatchInput, responses=BatchOutput)
    def post(self, request: Request) -> Response:
        """Answer up to 100 questions, each as a single call would."""
        questions = [question_of(dict(fields)) for fields in self.fields(BatchInput)["questions"]]
        decisions = decide_batch(self.caller, questions, now=self.now)
        return Response({"decisions": [decision_document(decision) for decision in decisions]})


class Filter(ApiView):
    """A list cut down to what a token may act on."""

    required_scopes = {"POST": "decisions:make"}

    @extend_schema(request=FilterInput, responses=FilterOutput)
    def post(self, request: Request) -> Response:
        """Return those of the ids that a decision about each would allow."""
        fields = self.fields(FilterInput)
        gateway = get_gateway(self.caller, fields.pop("gateway")) if "gateway" in fields else None
        return Response({"ids": filter_ids(self.caller, **fields, gateway=gateway, now=self.now)})


class Access(ApiView):
    """What the caller itself may act on."""

    required_scopes = {"GET": ANY_CALLER}

    @extend_schema(parameters=[AccessQuery], responses=AccessOutput)
    def get(self, request: Request) -> Response:
        """Return the ids of a resource on which the caller may do the action, or ``"*"``."""
        query = AccessQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        resource, action = query.validated_data["resource"], query.validated_data["action"]
        gateway_id = query.validated_data.get("gateway")
        gateway = get_gateway(self.caller, gateway_id) if gateway_id else None
        ids = accessible_ids(self.caller, resource=resource, action=action, gateway=gateway, now=self.now)
        shown = "*" if ids is EVERYTHING else sorted(ids)
        return Response({"resource": resource, "action": action, "ids": shown})


class Explain(ApiView):
    """Why a decision falls as it does."""

    required_scopes = {"POST": "decisions:read"}

    @extend_schema(request=DecideInput, responses=ExplanationOutput)
    def post(self, request: Request) -> Response:
        """Show every gate's verdict, the grant that allows, and the smallest grant that would."""
        return Response(explanation_document(explain(self.caller, question_of(self.fields(DecideInput)), now=self.now)))


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
    document: dict[str, object] = {
        "decision_id": decision.decision_id,
        "allowed": decision.allowed,
        "reason": reason,
        "principal": principal,
        "scopes": list(decision.scopes),
        "trust_level": decision.trust_level,
    }
    if decision.filter_ids is not None:
        document["filter_ids"] = list(decision.filter_ids)
    return document


def explanation_document(explanation: Explanation) -> dict[str, object]:
    """Return the body of an explanation."""
    agentos = explanation.agentos
    return {
        "decision": decision_document(explanation.decision),
        "gates": [
            {"gate": gate.gate, "open": gate.is_open, "code": gate.code, "detail": gate.detail}
            for gate in explanation.gates
        ],
        "required": list(explanation.required),
        "matched_grants": [
            {"required": one.required, "held": one.held, "grant_id": one.grant_id, "role": one.role}
            for one in explanation.matched
        ],
        "smallest_grant": {"scopes": list(explanation.missing)} if explanation.missing else None,
        "held_but_not_carried": explanation.is_held_but_not_carried,
        "agentos": None
        if agentos is None
        else {
            "allowed": agentos.allowed,
            "required": list(agentos.required),
            "filter_ids": None if agentos.filter_ids is None else sorted(agentos.filter_ids),
        },
    }
