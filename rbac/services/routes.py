"""The routes of one gateway: its own rules after the defaults of its product, and what happens to unmapped requests.

AgentOS gateways start with the table AgentOS has; every other kind starts empty. A rule with the method and pattern of
an earlier one replaces it in its place. Without a matching rule a request is refused, unless the gateway says
otherwise for parity with AgentOS. A rule without scopes is public.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from django.db import transaction

from authsvc.audit.record import record
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed
from rbac.agno import RouteAnswer, decide_route, route_map
from rbac.models import Gateway, GatewayKind
from rbac.routes import RouteMatch, RouteRule, RouteTable, Unmapped, agno_default_rules

RuleFields = Mapping[str, object]


def set_routes(
    caller: Caller, *, gateway: Gateway, rules: Sequence[RuleFields], unmapped: Unmapped, now: datetime
) -> Gateway:
    """Replace a gateway's own rules; raises ``ValidationFailed`` naming the rule that is wrong."""
    gateway.routes = [_checked(number, rule) for number, rule in enumerate(rules)]
    gateway.unmapped = unmapped
    with transaction.atomic():
        gateway.save(update_fields=["routes", "unmapped"])
        detail = {"gateway_id": gateway.id, "count": len(gateway.routes)}
        record(caller, "route.set", subject_id=gateway.id, detail=detail, now=now)
    return gateway


def match_route(gateway: Gateway, method: str, path: str) -> RouteMatch:
    """Return what a request to the gateway needs."""
    unmapped: Unmapped = "allow" if gateway.unmapped == "allow" else "deny"
    return _table(gateway.kind, json.dumps(gateway.routes)).match(method, path, unmapped=unmapped)


def default_rules(gateway: Gateway) -> tuple[RouteRule, ...]:
    """Return the rules a gateway of this kind starts with."""
    return _defaults(gateway.kind)


def simulate_agentos(gateway: Gateway, scopes: Sequence[str], method: str, path: str) -> RouteAnswer:
    """Return what AgentOS itself would answer to a token with these scopes; not our decision."""
    own = {f"{rule['method']} {rule['pattern']}": rule["scopes"] for rule in gateway.routes}
    return decide_route(list(scopes), route_map(extra=own), method, path, admin_scope=gateway.admin_scope)


def _checked(number: int, fields: RuleFields) -> dict[str, object]:
    try:
        rule = _rule(fields)
    except ValidationFailed as refusal:
        raise ValidationFailed(errors={f"rules.{number}": [refusal.detail]}) from refusal
    return {
        "method": rule.method,
        "pattern": rule.pattern,
        "scopes": list(rule.required_scopes),
        "minimum_trust": rule.minimum_trust,
    }


def _rule(fields: RuleFields) -> RouteRule:
    scopes = fields.get("scopes", ())
    required = tuple(str(scope) for scope in scopes) if isinstance(scopes, list | tuple) else ()
    trust = fields.get("minimum_trust", 0)
    return RouteRule(
        str(fields["method"]), str(fields["pattern"]), required, minimum_trust=trust if isinstance(trust, int) else 0
    )


@lru_cache(maxsize=4)
def _defaults(kind: str) -> tuple[RouteRule, ...]:
    return agno_default_rules() if kind == GatewayKind.AGNO else ()


@lru_cache(maxsize=256)
def _table(kind: str, rules: str) -> RouteTable:
    """Compiled once per kind and text of the rules, so a change needs no forgetting."""
    return RouteTable((*_defaults(kind), *(_rule(fields) for fields in json.loads(rules))))
