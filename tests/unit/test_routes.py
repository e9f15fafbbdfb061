"""The route table of a gateway: order, patterns, strict paths, narrowing to ids, and parity with AgentOS."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbac.agno import decide_route, route_map
from rbac.routes import (
    MAX_PATH_LENGTH,
    InvalidRouteRule,
    RouteMatch,
    RouteReason,
    RouteRule,
    RouteTable,
    Unmapped,
    agno_default_rules,
    find_normal_path,
    match,
)
from rbac.scopes import EVERYTHING, HeldScopes, InvalidScope
from tests.scale import scaled

AGNO = RouteTable(agno_default_rules(company=True, a2a_prefix="/a2a"))
TABLE = [
    RouteRule("GET", "/reports/{report}", ("reports:read",)),
    RouteRule("GET", "/reports/latest", ("reports:latest",)),
    RouteRule("GET", "/reports/*", ("reports:deep",)),
    RouteRule("GET", "/public", ()),
    RouteRule("POST", "/both", ("tasks:write", "wiki:read"), minimum_trust=2),
    RouteRule("GET", "/x/*/mid/*/end", ("x:read",)),
    RouteRule("GET", "/v1/{a}/{b}", ("v1:read", "other:read", "v1:fixed:read")),
]


@pytest.mark.parametrize(
    ("method", "path", "reason", "required", "resource_id"),
    [
        ("GET", "/reports/r1", RouteReason.PATTERN, ("reports:r1:read",), "r1"),
        ("GET", "/reports/latest", RouteReason.EXACT, ("reports:latest",), None),
        ("GET", "/reports/r1/pages", RouteReason.PATTERN, ("reports:deep",), None),
        ("GET", "/reports/", RouteReason.PATTERN, ("reports:deep",), None),
        ("GET", "/reports", RouteReason.UNMAPPED_DENIED, (), None),
        ("GET", "/public", RouteReason.EXACT, (), None),
        ("get", "/public", RouteReason.UNMAPPED_DENIED, (), None),
        ("HEAD", "/public", RouteReason.UNMAPPED_DENIED, (), None),
        ("GET", "/publicx", RouteReason.UNMAPPED_DENIED, (), None),
        ("POST", "/both", RouteReason.EXACT, ("tasks:write", "wiki:read"), None),
        ("GET", "/x/1/mid/2/end", RouteReason.PATTERN, ("x:read",), None),
        ("GET", "/x/1/mid/end", RouteReason.UNMAPPED_DENIED, (), None),
        ("GET", "/x/1/mid/mid/mid/end", RouteReason.PATTERN, ("x:read",), None),
        ("GET", "/v1/a/b", RouteReason.PATTERN, ("v1:a:read", "other:read", "v1:fixed:read"), "a"),
        ("GET", "/v1/a", RouteReason.UNMAPPED_DENIED, (), None),
        ("GET", "/reports/r%31", RouteReason.PATTERN, ("reports:r1:read",), "r1"),
        ("GET", "/reports/r%2531", RouteReason.PATTERN, ("reports:r%31:read",), "r%31"),
    ],
)
def test_match_truth_table(
    method: str, path: str, reason: RouteReason, required: tuple[str, ...], resource_id: str | None
) -> None:
    found = match(TABLE, method, path)
    assert (found.reason, found.required_scopes, found.resource_id) == (reason, required, resource_id)
    assert found.is_refused is (reason is RouteReason.UNMAPPED_DENIED)
    assert found.is_public is (path == "/public" and method == "GET")


def test_match_first_pattern_in_order_wins() -> None:
    narrow, wide = RouteRule("GET", "/a/*/b", ("a:b",)), RouteRule("GET", "/a/*", ("a:all",))
    assert match([narrow, wide], "GET", "/a/1/b").rule is narrow
    assert match([wide, narrow], "GET", "/a/1/b").rule is wide


def test_match_same_key_twice_the_later_replaces_in_place() -> None:
    rules = [
        *TABLE[2:3],
        RouteRule("GET", "/reports/{r}/x", ("late:read",)),
        RouteRule("GET", "/reports/*", ("new:read",)),
    ]
    assert match(rules, "GET", "/reports/r1/x").required_scopes == ("new:read",)


def test_match_carries_the_rule_with_its_trust() -> None:
    rule = match(TABLE, "POST", "/both").rule
    assert rule is not None
    assert rule.minimum_trust == 2


@pytest.mark.parametrize(
    ("unmapped", "reason", "refused"),
    [
        ("deny", RouteReason.UNMAPPED_DENIED, True),
        ("allow", RouteReason.UNMAPPED_ALLOWED, False),
    ],
)
def test_match_unmapped_follows_the_gateway(unmapped: Unmapped, reason: RouteReason, refused: bool) -> None:
    found = match(TABLE, "GET", "/nowhere", unmapped=unmapped)
    assert found == RouteMatch(None, (), None, reason)
    assert found.is_refused is refused
    assert not found.is_public


REFUSED_PATHS = [
    "",
    "reports/r1",
    "http://host/reports/r1",
    "//reports/r1",
    "/reports//r1",
    "/reports/../public",
    "/reports/%2e%2e/public",
    "/reports/..;/public",
    "/reports/./r1",
    "/reports/.",
    "/reports/%2E/r1",
    "/reports%2fr1",
    "/reports%2Fr1",
    "/reports\\r1",
    "/reports%5cr1",
    "/reports/r1%00",
    "/reports/r1\x00",
    "/reports/r1%0d%0aX: y",
    "/reports/r1\n",
    "/reports/%7f",
    "/reports/%C2%85",
    "/reports/%zz",
    "/reports/r1%",
    "/reports/r1%4",
    "/reports/%ff",
    "/reports/%c0%af",
    "/reports/\ud800",
    "/reports/r1?x=1",
    "/reports/r1#x",
    "/" + "a" * MAX_PATH_LENGTH,
]


@pytest.mark.parametrize("path", REFUSED_PATHS)
@pytest.mark.parametrize("unmapped", ["deny", "allow"])
def test_match_ambiguous_path_is_refused_whatever_the_gateway_says(path: str, unmapped: Unmapped) -> None:
    rules = [*TABLE, RouteRule("GET", "/*", ())]
    found = match(rules, "GET", path, unmapped=unmapped)
    assert found == RouteMatch(None, (), None, RouteReason.PATH_REFUSED)
    assert found.is_refused


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/", "/"),
        ("/a/", "/a/"),
        ("/a%20b", "/a b"),
        ("/%C3%A4", "/ä"),
        ("/ä", "/ä"),
        ("/a%3Fb", "/a?b"),
        ("/%252e%252e/x", "/%2e%2e/x"),
        ("/.well-known/agent-card.json", "/.well-known/agent-card.json"),
        ("/agents/a+b", "/agents/a+b"),
    ],
)
def test_find_normal_path_decodes_once(path: str, plain: str) -> None:
    assert find_normal_path(path) == plain


@pytest.mark.parametrize(
    ("method", "path", "required", "resource_id"),
    [
        ("GET", "/agents/a1", ("agents:a1:read",), "a1"),
        ("POST", "/agents/a1/runs", ("agents:a1:run",), "a1"),
        ("POST", "/agents/a1/runs/r1/cancel", ("agents:a1:run",), "a1"),
        ("POST", "/a2a/agents/a1/v1/message:send", ("agents:a1:run",), "a1"),
        ("GET", "/sessions/s1", ("sessions:read",), None),
        ("GET", "/agents/*", ("agents:read",), "*"),
        ("GET", "/agents/%C3%A4", ("agents:read",), "ä"),
        ("GET", "/agents/a:b", ("agents:read",), "a:b"),
        ("GET", "/agents/a b", ("agents:read",), "a b"),
        ("POST", "/company/tasks/t1/runs", ("tasks:write", "wiki:read"), None),
    ],
)
def test_match_agno_rules_narrow_to_the_id(
    method: str, path: str, required: tuple[str, ...], resource_id: str | None
) -> None:
    found = AGNO.match(method, path)
    assert (found.required_scopes, found.resource_id) == (required, resource_id)


def test_match_family_is_read_off_the_pattern_never_off_the_request() -> None:
    rules = [RouteRule("GET", "/*/{x}", ("agents:read",)), RouteRule("POST", "/{x}/go", ("agents:read",))]
    assert match(rules, "GET", "/foo/agents/a1").required_scopes == ("agents:read",)
    assert match(rules, "POST", "/agents-x/go").required_scopes == ("agents:read",)


@pytest.mark.parametrize(
    ("rule", "path", "listing"),
    [
        (RouteRule("GET", "/agents", ("agents:read",)), "/agents", ("agents", "read")),
        (RouteRule("GET", "/agents", ("agents:*:read",)), "/agents", ("agents", "read")),
        (RouteRule("GET", "/agents", ("agents:a1:read",)), "/agents", None),
        (RouteRule("GET", "/agents", ("sessions:read",)), "/agents", None),
        (RouteRule("GET", "/agents", ("agents:read", "teams:read")), "/agents", None),
        (RouteRule("POST", "/agents", ("agents:read",)), "/agents", None),
        (RouteRule("GET", "/agents/*", ("agents:read",)), "/agents/a1", None),
        (RouteRule("GET", "/sessions", ("sessions:read",)), "/sessions", None),
        (RouteRule("GET", "/agents", ()), "/agents", None),
    ],
)
def test_match_listing_only_for_the_list_of_the_same_family(
    rule: RouteRule, path: str, listing: tuple[str, str] | None
) -> None:
    assert match([rule], rule.method, path).listing == listing


@pytest.mark.parametrize(
    ("method", "pattern", "scopes", "public", "trust", "fault"),
    [
        ("get", "/a", (), True, 0, "capitals"),
        ("", "/a", (), True, 0, "capitals"),
        ("GET", "a", (), True, 0, "plain, decoded path"),
        ("GET", "/a//b", (), True, 0, "plain, decoded path"),
        ("GET", "/a/../b", (), True, 0, "plain, decoded path"),
        ("GET", "/a%20b", (), True, 0, "plain, decoded path"),
        ("GET", "/a?b=*", (), True, 0, "plain, decoded path"),
        ("GET", "/{}", (), True, 0, "name in braces"),
        ("GET", "/{a", (), True, 0, "name in braces"),
        ("GET", "/{a b}", (), True, 0, "name in braces"),
        ("GET", "/x{a}", (), True, 0, "whole segment"),
        ("GET", "/{a}*", (), True, 0, "whole segment"),
        ("GET", "/{a}{b}", (), True, 0, "whole segment"),
        ("GET", "/a/**", (), True, 0, "already spans"),
        ("GET", "/a", ("a:read",), True, 0, "requires no scope"),
        ("GET", "/a", ("a:read",), False, 4, "0 to 3"),
        ("GET", "/a", ("a:read",), False, -1, "0 to 3"),
        ("GET", "/a", (), False, 1, "asks for no trust"),
    ],
)
def test_rule_contradiction_is_refused(
    method: str, pattern: str, scopes: tuple[str, ...], public: bool, trust: int, fault: str
) -> None:
    with pytest.raises(InvalidRouteRule, match=fault):
        RouteRule(method, pattern, scopes, public, trust)


def test_rule_malformed_scope_is_refused() -> None:
    with pytest.raises(InvalidScope):
        RouteRule("GET", "/a", ("agents::read",))


def test_rule_public_follows_from_having_no_scopes() -> None:
    assert RouteRule("GET", "/a").public
    assert RouteRule("GET", "/a", public=True) == RouteRule("GET", "/a")
    assert not RouteRule("GET", "/a", ("a:read",)).public


def test_agno_default_rules_are_the_maps_of_agentos_in_order() -> None:
    for company, prefix in [(False, None), (True, None), (True, "/a2a")]:
        rules = agno_default_rules(company=company, a2a_prefix=prefix)
        keys = [f"{rule.method} {rule.pattern}" for rule in rules]
        assert keys == list(route_map(company=company, a2a_prefix=prefix))
        assert not any(rule.public for rule in rules)


paths = st.lists(
    st.sampled_from(
        [
            "agents",
            "teams",
            "workflows",
            "sessions",
            "a2a",
            "a1",
            "a2",
            "runs",
            "cancel",
            "company",
            "tasks",
            "wiki",
            "v1",
        ]
    ),
    min_size=1,
    max_size=5,
).map(lambda parts: "/" + "/".join(parts))
HELD = [
    *("agent_os:admin", "agents:read", "agents:a1:read", "agents:a1:run", "agents:*:run", "teams:a1:read", "teams:run"),
    *("workflows:a2:read", "sessions:read", "sessions:a1:read", "tasks:write", "wiki:read", "system:read", "agents"),
]
held_scopes = st.lists(st.sampled_from(HELD), max_size=4)
pattern_parts = st.lists(st.sampled_from(["a", "b", "{x}", "*", "a*", "*b", "a*b*a"]), min_size=1, max_size=5)
path_parts = st.lists(st.sampled_from(["a", "b", "ab", "ba", "aabb"]), min_size=1, max_size=8)


@given(pattern=pattern_parts, path=path_parts)
@settings(max_examples=scaled(75, 300), deadline=None)
def test_match_pattern_fits_exactly_what_a_plain_expression_fits(pattern: list[str], path: list[str]) -> None:
    rule = RouteRule("GET", "/" + "/".join(pattern), ("x:read",))
    plain = "/" + "/".join(part.replace("{x}", "[^/]+").replace("*", ".*") for part in pattern)
    fits = re.fullmatch(plain, "/" + "/".join(path)) is not None
    assert (match([rule], "GET", "/" + "/".join(path)).rule is rule) is fits


@given(held=held_scopes, method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]), path=paths)
@settings(max_examples=scaled(75, 300), deadline=None)
def test_match_agno_rules_decide_as_agentos_does_where_it_maps(held: list[str], method: str, path: str) -> None:
    found = AGNO.match(method, path, unmapped="allow")
    theirs = decide_route(held, route_map(company=True, a2a_prefix="/a2a"), method, path)
    scopes = HeldScopes(held)
    allowed = not scopes.missing(found.required_scopes)
    if allowed or found.listing is None:
        assert (allowed, None) == (theirs.allowed, theirs.filter_ids)
        return
    assert theirs.allowed
    visible = scopes.visible_ids(*found.listing)
    assert visible is not EVERYTHING
    assert visible == theirs.filter_ids


def test_match_hostile_path_against_many_stars_is_answered_at_once() -> None:
    table = RouteTable([RouteRule("GET", "/*/a/*/a/*/a/*/a/*/end", ("x:read",))])
    started = time.perf_counter()
    assert table.match("GET", "/a" * (MAX_PATH_LENGTH // 2)).rule is None
    # A search that goes back over its stars needs hours for this path.
    assert time.perf_counter() - started < 0.5
