"""Decisions: every gate, stored routes, batches, filters, own access, and explanations that keep their word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authsvc.audit.models import AuditEvent
from authsvc.gate.access import filter_ids
from authsvc.gate.decide import Question, decide, decide_batch
from authsvc.gate.explain import explain
from authsvc.tokens.models import ApiKeyKind
from rbac.models import Gateway
from rbac.services.gateways import get_gateway
from rbac.services.grants import create_grant, get_principal, revoke_grant
from rbac.services.routes import set_routes
from rbac.services.service_accounts import create_service_account, issue_account_key
from tests.scale import scaled
from tests.world import Api, Place, World

PROPERTY = settings(
    max_examples=scaled(20, 40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Somebody:
    """A service account with an API key and no rights at first."""

    def __init__(self, place: Place, now: Any) -> None:
        self.caller, self.now = place.caller(), now
        self.gateway: Gateway = get_gateway(self.caller, place.gateway["id"])
        account = create_service_account(self.caller, name="Somebody", now=now)
        self.id = account.id
        key = issue_account_key(self.caller, account=account, kind=ApiKeyKind.API_KEY, name="", now=now)
        self.key = key.text.reveal()

    def give(self, *scopes: str) -> Any:
        principal = get_principal(self.caller, self.id)
        return create_grant(self.caller, principal=principal, scopes=scopes, gateway=self.gateway, now=self.now)

    def ask(self, **question: Any) -> Any:
        return decide(self.caller, Question(self.key, gateway_id=self.gateway.id, **question), now=self.now)

    def route(self, method: str, path: str) -> tuple[bool, str]:
        decision = self.ask(method=method, path=path)
        return decision.allowed, decision.reason.code


@pytest.fixture
def somebody(world: World, now: Any) -> Somebody:
    return Somebody(world.prod, now)


def test_agno_gateway_starts_with_the_defaults_of_agentos(somebody: Somebody) -> None:
    somebody.give("agents:agent-1:run", "sessions:read")
    assert somebody.route("POST", "/agents/agent-1/runs") == (True, "allowed")
    assert somebody.route("POST", "/agents/agent-2/runs") == (False, "insufficient_scope")
    assert somebody.route("GET", "/sessions") == (True, "allowed")
    assert somebody.route("GET", "/nowhere") == (False, "unmapped_denied")
    assert somebody.route("GET", "/agents/../config") == (False, "path_refused")


def test_list_request_with_single_ids_passes_cut_down(somebody: Somebody) -> None:
    assert somebody.route("GET", "/agents") == (False, "insufficient_scope")
    somebody.give("agents:agent-1:read", "agents:agent-2:read", "agents:agent-3:run")
    decision = somebody.ask(method="GET", path="/agents")
    assert (decision.allowed, decision.reason.code) == (True, "allowed_filtered")
    assert decision.filter_ids == ("agent-1", "agent-2")


def test_own_rules_public_trust_and_unmapped(somebody: Somebody) -> None:
    rules: list[dict[str, Any]] = [
        {"method": "GET", "pattern": "/status", "scopes": []},
        {"method": "POST", "pattern": "/reports/{id}/sign", "scopes": ["reports:sign"], "minimum_trust": 3},
        {"method": "GET", "pattern": "/config", "scopes": ["metrics:read"]},
    ]
    set_routes(somebody.caller, gateway=somebody.gateway, rules=rules, unmapped="allow", now=somebody.now)
    assert somebody.route("GET", "/status") == (True, "public_route")
    assert somebody.route("POST", "/reports/r1/sign") == (False, "trust_too_low")
    assert somebody.route("GET", "/config") == (False, "insufficient_scope")
    assert somebody.route("GET", "/nowhere") == (True, "allowed")
    somebody.give("metrics:read")
    assert somebody.route("GET", "/config") == (True, "allowed")


def test_public_route_needs_no_valid_token_and_unmapped_does(somebody: Somebody) -> None:
    rules = [{"method": "GET", "pattern": "/status", "scopes": []}]
    set_routes(somebody.caller, gateway=somebody.gateway, rules=rules, unmapped="allow", now=somebody.now)
    answers = [
        decide(somebody.caller, Question("garbage", somebody.gateway.id, method="GET", path=path), now=somebody.now)
        for path in ("/status", "/nowhere")
    ]
    assert [(answer.allowed, answer.reason.code) for answer in answers] == [
        (True, "public_route"),
        (False, "invalid_token"),
    ]


def test_denial_is_audited_and_explanation_is_not(somebody: Somebody) -> None:
    somebody.ask(scope="agents:agent-1:read")
    assert AuditEvent.objects.filter(event_type="decision.denied").count() == 1
    explain(somebody.caller, Question(somebody.key, somebody.gateway.id, scope="agents:read"), now=somebody.now)
    assert AuditEvent.objects.filter(event_type="decision.denied").count() == 1


SCOPES = ["agents:read", "agents:agent-1:read", "agents:agent-2:read", "agents:*:run", "agent_os:admin", "teams:read"]
IDS = ["agent-1", "agent-2", "agent-9", "*", "", "a:b", "a b", "ä", "x" * 300]
QUESTIONS: list[dict[str, Any]] = [
    {"scope": "agents:read"},
    {"scope": "agents:agent-1:read"},
    {"scope": "nonsense"},
    {"method": "GET", "path": "/agents"},
    {"method": "GET", "path": "/agents/agent-2"},
    {"method": "POST", "path": "/agents/agent-1/runs"},
    {"method": "GET", "path": "/nowhere"},
]


@PROPERTY
@given(scopes=st.sets(st.sampled_from(SCOPES), min_size=1), ids=st.lists(st.sampled_from(IDS)))
def test_filter_equals_asking_one_by_one(somebody: Somebody, scopes: set[str], ids: list[str]) -> None:
    grant = somebody.give(*sorted(scopes))
    together = filter_ids(
        somebody.caller,
        token=somebody.key,
        gateway=somebody.gateway,
        resource="agents",
        action="read",
        ids=ids,
        now=somebody.now,
    )
    one_by_one = [one for one in ids if somebody.ask(scope=f"agents:{one}:read").allowed]
    revoke_grant(somebody.caller, grant=grant, reason="next example", now=somebody.now)
    assert together == one_by_one


@PROPERTY
@given(picked=st.lists(st.tuples(st.booleans(), st.sampled_from(QUESTIONS)), min_size=1, max_size=12))
def test_batch_equals_singles_with_duplicates(somebody: Somebody, picked: list[tuple[bool, dict[str, Any]]]) -> None:
    if not somebody.ask(scope="agents:agent-1:read").allowed:
        somebody.give("agents:agent-1:read", "agents:run")
    questions = [
        Question(somebody.key if is_good else "bad", somebody.gateway.id, **asked) for is_good, asked in picked
    ]
    batch = decide_batch(somebody.caller, questions, now=somebody.now)
    singles = [decide(somebody.caller, question, now=somebody.now) for question in questions]
    assert [(one.allowed, one.reason, one.filter_ids, one.scopes) for one in batch] == [
        (one.allowed, one.reason, one.filter_ids, one.scopes) for one in singles
    ]
    assert len({one.decision_id for one in batch}) == len(batch)


BOTH = {"method": "POST", "path": "/handover/agent-1"}
HANDOVER = {"method": "POST", "pattern": "/handover/*", "scopes": ["agents:run", "sessions:write", "teams:read"]}


@PROPERTY
@given(asked=st.sampled_from([BOTH, *(question for question in QUESTIONS if question.get("scope") != "nonsense")]))
def test_smallest_grant_once_given_allows_and_any_part_removed_denies(
    somebody: Somebody, asked: dict[str, Any]
) -> None:
    if not somebody.gateway.routes:
        set_routes(somebody.caller, gateway=somebody.gateway, rules=[HANDOVER], unmapped="deny", now=somebody.now)
    question = Question(somebody.key, somebody.gateway.id, **asked)
    before = explain(somebody.caller, question, now=somebody.now)
    assert not before.decision.allowed
    if not before.missing:
        assert before.decision.reason.gate == "route"
        return
    assert len(before.missing) == (3 if asked is BOTH else 1)
    for left_out in before.missing:
        part = [scope for scope in before.missing if scope != left_out]
        grant = somebody.give(*part) if part else None
        assert not decide(somebody.caller, question, now=somebody.now).allowed
        if grant:
            revoke_grant(somebody.caller, grant=grant, reason="next part", now=somebody.now)
    grant = somebody.give(*before.missing)
    after = explain(somebody.caller, question, now=somebody.now)
    revoke_grant(somebody.caller, grant=grant, reason="next example", now=somebody.now)
    assert after.decision.allowed
    assert {one.grant_id for one in after.matched} == {grant.id}
    assert tuple(sorted(one.required for one in after.matched)) == tuple(sorted(after.required))


def test_explain_names_every_gate_and_agentos_beside_ours(somebody: Somebody) -> None:
    somebody.give("agents:agent-1:read")
    found = explain(
        somebody.caller, Question(somebody.key, somebody.gateway.id, method="GET", path="/nowhere"), now=somebody.now
    )
    assert [gate.gate for gate in found.gates] == ["proof", "device", "channel", "route", "trust", "scope"]
    assert [gate.gate for gate in found.gates if not gate.is_open] == ["route"]
    assert found.agentos is not None
    assert (found.decision.allowed, found.agentos.allowed) == (False, True)


def test_explain_tells_a_narrow_token_from_a_missing_grant(somebody: Somebody) -> None:
    somebody.give("agents:read", "agents:run")
    account_key = issue_account_key(
        somebody.caller,
        account=get_principal(somebody.caller, somebody.id).service_account,
        kind=ApiKeyKind.API_KEY,
        name="",
        scopes=["agents:read"],
        now=somebody.now,
    ).text.reveal()
    question = Question(account_key, somebody.gateway.id, scope="agents:run")
    assert explain(somebody.caller, question, now=somebody.now).is_held_but_not_carried


def test_decision_endpoints_over_http(world: World, somebody: Somebody) -> None:
    api, gateway = world.prod.api(), world.prod.gateway["id"]
    somebody.give("agents:agent-1:read")
    batch = api.post(
        "/decide/batch", {"questions": [{"token": somebody.key, "gateway": gateway, "scope": "agents:read"}] * 3}
    )
    assert [one["allowed"] for one in batch.json()["decisions"]] == [False] * 3
    assert api.post("/decide/batch", {"questions": []}).status_code == 400
    assert api.post("/decide/batch", {"questions": [{"token": "x", "scope": "a:b"}] * 101}).status_code == 400
    body = {"token": somebody.key, "gateway": gateway, "resource": "agents", "action": "read"}
    assert api.post("/filter", {**body, "ids": ["agent-1", "agent-2", "agent-1"]}).json() == {
        "ids": ["agent-1", "agent-1"]
    }
    assert api.post("/filter", {**body, "ids": [1]}).status_code == 400
    own = Api(somebody.key)
    assert own.get("/access?resource=agents&action=read").json()["ids"] == ["agent-1"]
    assert own.get(f"/access?resource=agents&action=read&gateway={gateway}").json()["ids"] == ["agent-1"]
    assert own.get("/access?resource=agents&action=run").json()["ids"] == []
    assert world.prod.api().get("/access?resource=agents&action=read").json()["ids"] == "*"
    assert own.get("/access?resource=agents").status_code == 400
    explained = api.post(
        "/explain", {"token": somebody.key, "gateway": gateway, "method": "GET", "path": "/agents/agent-2"}
    )
    assert explained.json()["smallest_grant"] == {"scopes": ["agents:agent-2:read"]}
    assert explained.json()["agentos"] == {"allowed": False, "required": ["agents:read"], "filter_ids": None}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/decide/batch", {"questions": [{"token": "x", "scope": "a:b"}]}),
        ("/filter", {"token": "x", "resource": "agents", "action": "read", "ids": []}),
        ("/explain", {"token": "x", "scope": "a:b"}),
    ],
)
def test_decision_endpoints_refuse_nobody_and_the_reader(world: World, path: str, body: dict[str, Any]) -> None:
    assert Api().post(path, body).status_code == 401
    reader = Api(world.prod.access_token(**world.prod.reader))
    assert reader.post(path, body).status_code == 403
    foreign = world.foreign.api().post(
        path, {**body, **({} if "questions" in body else {"gateway": world.prod.gateway["id"]})}
    )
    assert foreign.status_code == (200 if "questions" in body else 404)


def test_routes_over_http(world: World) -> None:
    api, path = world.prod.api(), f"/gateways/{world.prod.gateway['id']}/routes"
    first = api.get(path).json()
    assert (first["unmapped"], first["rules"], len(first["defaults"])) == ("deny", [], 107)
    rule = {"method": "GET", "pattern": "/status", "scopes": [], "minimum_trust": 0}
    answer = api.send("PUT", path, {"rules": [rule], "unmapped": "allow"})
    assert (answer.status_code, answer.json()["rules"], answer.json()["unmapped"]) == (200, [rule], "allow")
    assert AuditEvent.objects.filter(event_type="route.set").count() == 1
    for bad in ({"pattern": "status"}, {"method": "get"}, {"scopes": ["agents::read"]}, {"minimum_trust": 9}):
        assert api.send("PUT", path, {"rules": [{**rule, **bad}]}).status_code == 400
    assert Api().get(path).status_code == 401
    assert Api(world.prod.access_token(**world.prod.reader)).get(path).status_code == 403
    for other in (world.dev, world.foreign):
        assert other.api().get(path).status_code == 404
        assert other.api().send("PUT", path, {"rules": []}).status_code == 404
