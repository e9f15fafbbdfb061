"""The AgentOS simulator: every recorded case of agno 3.1.10, and the rules between the cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rbac.agno import (
    AudienceFault,
    ParsedScope,
    PathContext,
    RoleScopeRefused,
    RouteAnswer,
    ScopeType,
    accessible_ids,
    audience_fault,
    decide_route,
    holds_required,
    invalid_scopes,
    is_reserved_subject,
    is_service_account_name,
    parse_scope,
    path_context,
    privileged_scopes,
    required_scopes,
    role_scope,
    route_map,
    scope_matches,
    scopes_of_claims,
)
from rbac.agno_routes import COMPANY_ROUTES, DEFAULT_ROUTES, a2a_routes

Case = dict[str, Any]
VECTORS = Path(__file__).parents[1] / "vectors" / "agentos" / "scope_cases.json"
CASES: list[Case] = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]


def _answer_parse(case: Case) -> Case:
    parsed = parse_scope(case["scope"], case.get("admin_scope"))
    return {
        "type": parsed.type.value,
        "resource": parsed.resource,
        "resource_id": parsed.resource_id,
        "action": parsed.action,
        "wildcard": parsed.wildcard,
    }


def _answer_required(case: Case) -> Case:
    context = (case.get("resource_type"), case.get("resource_id"))
    return {"allow": holds_required(case["held"], case["required"], *context, admin_scope=case.get("admin_scope"))}


def _answer_accessible(case: Case) -> Case:
    ids = accessible_ids(case["held"], case["resource_type"], case["action"], admin_scope=case.get("admin_scope"))
    return {"ids": sorted(ids)}


def _answer_route(case: Case) -> Case:
    routes = route_map(
        company=case.get("company", False), a2a_prefix=case.get("a2a_prefix"), extra=case.get("extra_map")
    )
    answer = decide_route(case["held"], routes, case["method"], case["path"], admin_scope=case.get("admin_scope"))
    ids = None if answer.filter_ids is None else sorted(answer.filter_ids)
    return {"allow": answer.allowed, "required": list(answer.required), "filter_ids": ids}


def _answer_lookup(case: Case) -> Case:
    return {"required": list(required_scopes(route_map(company=case["company"]), case["method"], case["path"]))}


def _answer_context(case: Case) -> Case:
    context = path_context(case["path"])
    return {"resource_type": context.resource_type, "resource_id": context.resource_id}


def _answer_claim(case: Case) -> Case:
    return {"scopes": scopes_of_claims(case["claims"], case.get("scopes_claim", "scopes"))}


def _answer_audience(case: Case) -> Case:
    fault = audience_fault(case.get("aud"), case["expected_audience"])
    return {"ok": fault is None, "error": None if fault is None else fault.value}


def _answer_role_scope(case: Case) -> Case:
    try:
        resource, action = role_scope(case["scope"])
    except RoleScopeRefused:
        return {"ok": False, "resource": None, "action": None}
    return {"ok": True, "resource": resource, "action": action}


ANSWERS: dict[str, Callable[[Case], Case]] = {
    "parse": _answer_parse,
    "required": _answer_required,
    "accessible": _answer_accessible,
    "route": _answer_route,
    "lookup": _answer_lookup,
    "context": _answer_context,
    "claim": _answer_claim,
    "audience": _answer_audience,
    "reserved_sub": lambda case: {"reserved": is_reserved_subject(case["sub"])},
    "privileged": lambda case: {
        "privileged": privileged_scopes(case["scopes"], admin_scope=case.get("admin_scope")),
        "invalid": invalid_scopes(case["scopes"], admin_scope=case.get("admin_scope")),
    },
    "service_account_name": lambda case: {"valid": is_service_account_name(case["name"])},
    "role_scope": _answer_role_scope,
}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_agno_recorded_case_is_answered_as_recorded(case: Case) -> None:
    assert ANSWERS[case["kind"]](case) == case["expect"]


def test_agno_every_kind_of_case_is_present() -> None:
    assert {case["kind"] for case in CASES} == set(ANSWERS)
    assert len(CASES) == 146


def test_route_map_sizes_and_order() -> None:
    assert len(DEFAULT_ROUTES) == 107
    assert len(COMPANY_ROUTES) == 45
    assert len(route_map(company=True)) == 152
    assert len(a2a_routes("/a2a/")) == 13
    assert list(route_map(company=True))[:107] == list(route_map())


def test_route_map_identical_key_is_replaced_in_place() -> None:
    routes = route_map(extra={"GET /agents/*": ["app:read"], "GET /agents/special": ["special:read"]})
    assert required_scopes(routes, "GET", "/agents/a1") == ("app:read",)
    assert required_scopes(routes, "GET", "/agents/special") == ("special:read",)


def test_route_map_specific_pattern_after_the_default_is_shadowed() -> None:
    routes = route_map(extra={"GET /agents/{id}/secret/*": ["secret:read"], "GET /mine/{id}": ["mine:read"]})
    assert required_scopes(routes, "GET", "/agents/a1/secret/x") == ("agents:read",)
    assert required_scopes(routes, "GET", "/mine/a/b") == ("mine:read",)


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/agents"), ("HEAD", "/agents"), ("PUT", "/agents"), ("GET", "//agents"), ("GET", "/health")],
)
def test_decide_route_unmapped_is_allowed(method: str, path: str) -> None:
    assert decide_route([], route_map(), method, path) == RouteAnswer(True, ())


def test_decide_route_custom_a2a_prefix_knows_no_ids() -> None:
    routes = route_map(a2a_prefix="/x/")
    path = "/x/agents/a1/v1/message:send"
    assert not decide_route(["agents:a1:run"], routes, "POST", path).allowed
    assert decide_route(["agents:run"], routes, "POST", path).allowed
    assert decide_route(["agents:a1:run"], route_map(a2a_prefix="/a2a"), "POST", f"/a2a{path[2:]}").allowed


def test_decide_route_company_route_needs_both_scopes() -> None:
    routes = route_map(company=True)
    assert not decide_route(["routines:read"], routes, "GET", "/company/routines/r1/runs").allowed
    assert decide_route(["routines:read", "schedules:read"], routes, "GET", "/company/routines/r1/runs").allowed


@pytest.mark.parametrize("junk", [1, None, ["agents:read"], b"agents:read"])
def test_decide_route_claim_with_a_non_string_fails_closed(junk: object) -> None:
    assert decide_route([junk, "agents:read"], route_map(), "GET", "/agents") == RouteAnswer(False, ("agents:read",))
    assert decide_route([junk], route_map(), "GET", "/health").allowed


@pytest.mark.parametrize(
    ("held", "extra", "method", "path", "expected"),
    [
        (["agents:a1:read"], None, "GET", "/agents", frozenset({"a1"})),
        (["agents:a1:run"], None, "GET", "/agents", frozenset()),
        (["teams:t1:read"], None, "GET", "/a2a/teams", None),
        (["teams:t1:read"], {"GET /a2a/teams": ["teams:read"]}, "GET", "/a2a/teams", frozenset({"t1"})),
        (["agents:a1:read"], {"GET /agents": ["plain"]}, "GET", "/agents", None),
        (["agents:a1:write"], None, "POST", "/agents", None),
        (["agents:a1:run"], {"GET /agents": ["agents:"]}, "GET", "/agents", frozenset({"a1"})),
    ],
)
def test_decide_route_filters_only_the_listing_of_the_same_family(
    held: list[str], extra: dict[str, list[str]] | None, method: str, path: str, expected: frozenset[str] | None
) -> None:
    assert decide_route(held, route_map(extra=extra), method, path).filter_ids == expected


def test_holds_required_foreign_family_is_checked_as_written() -> None:
    assert not holds_required(["agents:a1:read"], ["sessions:read"], "agents", "a1")
    assert holds_required(["config:c1:read"], ["system:read"], "config", "c1")
    assert not holds_required(["agents:a1:read"], ["agents:read"], None, "a1")
    assert holds_required([], [])


def test_scope_matches_uses_the_id_of_the_request() -> None:
    held, required = parse_scope("agents:x:read"), parse_scope("agents:y:read")
    assert scope_matches(held, required, "x")
    assert not scope_matches(held, required)
    assert not scope_matches(held, parse_scope("agents:read"), "x")
    assert scope_matches(parse_scope("agent_os:admin"), parse_scope("a:b:c:d"))
    assert parse_scope("agents:x:read") == ParsedScope(ScopeType.PER_RESOURCE, "agents", "x", "read")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a2a/workflows/w1/v1", PathContext("workflows", "w1")),
        ("/agents//x", PathContext("agents", None)),
        ("/x/agents/a1", PathContext(None, None)),
        ("/knowledge/agents/sources", PathContext(None, None)),
        ("/a2a/a2a/agents", PathContext(None, None)),
        ("/agents/*", PathContext("agents", "*")),
        ("agents/a1", PathContext(None, None)),
    ],
)
def test_path_context_truth_table(path: str, expected: PathContext) -> None:
    assert path_context(path) == expected


@pytest.mark.parametrize(
    ("aud", "expected", "fault"),
    [
        (["x", "os-1"], "os-1", None),
        ("os-1", ["os-0", "os-1"], None),
        ("os-2", ["os-0", "os-1"], AudienceFault.FOREIGN),
        ([], "os-1", AudienceFault.FOREIGN),
        ("", "os-1", AudienceFault.FOREIGN),
        (7, "os-1", AudienceFault.FOREIGN),
        (None, "os-1", AudienceFault.MISSING),
        (None, "", None),
        ("other", None, None),
    ],
)
def test_audience_fault_truth_table(aud: object, expected: str | list[str] | None, fault: AudienceFault | None) -> None:
    assert audience_fault(aud, expected) is fault


@pytest.mark.parametrize("subject", ["sa:", "__oauth__:x", "__scheduler__"])
def test_is_reserved_subject_own_identities(subject: str) -> None:
    assert is_reserved_subject(subject)


@pytest.mark.parametrize("subject", ["SA:x", "__scheduler__x", "__oauth__", "", None, 7])
def test_is_reserved_subject_anything_else_is_free(subject: object) -> None:
    assert not is_reserved_subject(subject)


def test_privileged_scopes_default_admin_stays_privileged_beside_a_custom_one() -> None:
    scopes = ["agent_os:admin", "tenant:root", "agents:read", "agents:a1:delete", "service_accounts:x:read"]
    assert privileged_scopes(scopes, admin_scope="tenant:root") == [scopes[0], scopes[1], scopes[3], scopes[4]]
    assert invalid_scopes(["one", "a:b:c:d", "agents:read"]) == ["one", "a:b:c:d"]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("agent_os:admin", ("*", "*")),
        ("sessions:write", ("sessions/*", "write")),
        ("agents:a1:run", ("agents/a1", "run")),
        ("system:read", ("config/*", "read")),
        ("agents:a/b:run", ("agents/a/b", "run")),
    ],
)
def test_role_scope_is_stored_as_resource_and_action(scope: str, expected: tuple[str, str]) -> None:
    assert role_scope(scope) == expected


@pytest.mark.parametrize(
    "scope",
    ["agents", "agents::read", "agents:read ", "*:x:read", "a/b:read", "agent_os:*:admin", "a:b:c:d", "agents:*:*"],
)
def test_role_scope_refusals(scope: str) -> None:
    with pytest.raises(RoleScopeRefused):
        role_scope(scope)
