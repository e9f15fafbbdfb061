"""The scope algebra: grammar, coverage on both audiences, meets, list filtering and explanations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.web.problems import ValidationFailed
from rbac.scopes import (
    AGENTOS_ADMIN,
    AUTHSVC_ADMIN,
    EVERYTHING,
    OWN_ACTIONS,
    HeldScopes,
    InvalidScope,
    Scope,
    ScopeVerdict,
    covering,
    covers,
    explain,
    intersect,
    minimise,
    parse,
    parse_admin_scope,
    smallest_grant,
    visible_ids,
)
from tests.scale import scaled

CUSTOM_ADMIN = "tenant:root"
AUDIENCES = [AGENTOS_ADMIN, AUTHSVC_ADMIN, CUSTOM_ADMIN]
RESOURCES = ["agents", "config", "system", "sessions", "service_accounts", "decisions", "profiles", "credentials"]
well_formed = st.one_of(
    st.sampled_from([AGENTOS_ADMIN, AUTHSVC_ADMIN, CUSTOM_ADMIN]),
    st.builds("{}:{}".format, st.sampled_from(RESOURCES), st.sampled_from(["read", "write", "run"])),
    st.builds(
        "{}:{}:{}".format,
        st.sampled_from(RESOURCES),
        st.sampled_from(["a1", "a2", "*", "A1"]),
        st.sampled_from(["read", "write", "run"]),
    ),
)
malformed = st.sampled_from(["agents", "agents::read", "*:read", "a:b:c:d", "agents:read ", "authsvc:read", ""])
scope_sets = st.frozensets(st.one_of(well_formed, well_formed, well_formed, malformed), max_size=7)
valid_sets = st.frozensets(well_formed, max_size=7)
audiences = st.sampled_from(AUDIENCES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agents:read", Scope("agents", None, "read")),
        ("agents:a1:run", Scope("agents", "a1", "run")),
        ("agents:*:run", Scope("agents", "*", "run")),
        ("system:read", Scope("system", None, "read")),
        ("agents:READ", Scope("agents", None, "READ")),
        ("agents:a1.v2_x-y@z:run", Scope("agents", "a1.v2_x-y@z", "run")),
        ("agent_os:admin", Scope("agent_os", None, "admin")),
        ("authsvc:admin", Scope("authsvc", None, "admin")),
        ("a:" + "b" * 253, Scope("a", None, "b" * 253)),
    ],
)
def test_parse_well_formed_returns_parts_and_writes_back(text: str, expected: Scope) -> None:
    assert parse(text) == expected
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "fault", "suggestion"),
    [
        ("", "a part is empty", None),
        ("agents", "resource:action", "agents:read"),
        ("agents:", "a part is empty", "agents:read"),
        (":read", "a part is empty", "read:read"),
        ("agents::read", "a part is empty", "agents:read"),
        ("agents:a:", "a part is empty", "agents:a"),
        ("agents.read", "resource:action", "agents:read"),
        ("a:b:c:d", 'cannot contain ":"', None),
        (" agents:read", "whitespace", "agents:read"),
        ("agents:read\n", "whitespace", "agents:read"),
        ("agents:read teams:read", "whitespace", None),
        ("agents:a b:read", "whitespace", None),
        ("agents:\u00a0a:read", "whitespace", None),
        ("agents/a1:read", 'contains "/"', "agents:a1:read"),
        ("agents:a/b:read", 'contains "/"', None),
        ("*", "resource:action", None),
        ("*:read", "wildcard", None),
        ("*:*:*", "wildcard", None),
        ("agents:*", "wildcard", None),
        ("agents:a*:read", "wildcard", None),
        ("agents:a1:*", "wildcard", None),
        ("agent_os:read", "namespace 'agent_os'", None),
        ("agent_os:x:admin", "namespace 'agent_os'", None),
        ("agent_os:*:admin", "wildcard", None),
        ("authsvc:read", "namespace 'authsvc'", None),
        ("agents:a\x00:read", "control character", None),
        ("agents:a\x7f:read", "control character", None),
        ('agents:a"b:read', "quote", None),
        ("agents:a\\b:read", "backslash", None),
        ("agents:\u00e4:read", "outside ASCII", None),
        ("agents:a\u200b:read", "outside ASCII", None),
        ("a:" + "b" * 254, "longer than 255", None),
    ],
)
def test_parse_malformed_raises_with_fault_and_suggestion(text: str, fault: str, suggestion: str | None) -> None:
    with pytest.raises(InvalidScope) as raised:
        parse(text)
    assert fault in raised.value.fault
    assert raised.value.suggestion == suggestion
    assert isinstance(raised.value, ValidationFailed)
    assert raised.value.errors == {"scope": [raised.value.detail]}
    assert ("Did you mean" in raised.value.detail) is (suggestion is not None)


@pytest.mark.parametrize(("text", "ok"), [("tenant:root", True), ("agent_os:admin", True), ("tenant:x:root", False)])
def test_parse_admin_scope_two_parts_only(text: str, ok: bool) -> None:
    if ok:
        assert parse_admin_scope(text) == text
        return
    with pytest.raises(InvalidScope):
        parse_admin_scope(text)


@pytest.mark.parametrize("text", ["system:admin", "tenant:*:root", "authsvc:admin", "profiles:read", "decisions:all"])
def test_parse_admin_scope_alias_or_ours_is_refused(text: str) -> None:
    with pytest.raises(InvalidScope):
        parse_admin_scope(text)


COVERAGE = [
    # held, required, granted on a gateway, granted on our own API
    ("agents:read", "agents:read", True, True),
    ("agents:read", "agents:a1:read", True, True),
    ("agents:read", "agents:*:read", True, True),
    ("agents:*:read", "agents:read", True, True),
    ("agents:*:read", "agents:a1:read", True, True),
    ("agents:a1:read", "agents:a1:read", True, True),
    ("agents:a1:read", "agents:A1:read", False, False),
    ("agents:a1:read", "agents:a2:read", False, False),
    ("agents:a1:read", "agents:read", False, False),
    ("agents:a1:read", "agents:*:read", False, False),
    ("agents:a1:read", "agents:a1:run", False, False),
    ("agents:READ", "agents:read", False, False),
    ("agents:write", "agents:read", False, False),
    ("teams:read", "agents:read", False, False),
    ("system:read", "config:read", True, True),
    ("config:read", "system:read", True, True),
    ("config:c1:read", "system:c1:read", True, True),
    ("memory:read", "memories:read", False, False),
    ("agents:*", "agents:read", False, False),
    ("*:*:*", "agents:read", False, False),
    ("agents::read", "agents:read", False, False),
    ("agents:read ", "agents:read", False, False),
    ("agent_os:admin", "agents:a1:run", True, False),
    ("agent_os:admin", "service_accounts:write", True, False),
    ("agent_os:admin", "decisions:write", True, False),
    ("agent_os:admin", "profiles:read", False, False),
    ("agent_os:admin", "authsvc:admin", False, False),
    ("agent_os:admin", "agent_os:admin", True, True),
    ("agent_os:admin", "a:b:c:d", False, False),
    ("authsvc:admin", "profiles:read", True, True),
    ("authsvc:admin", "profiles:prf_1:read", True, True),
    ("authsvc:admin", "credentials:resolve", True, True),
    ("authsvc:admin", "profiles:resolve", False, False),
    ("authsvc:admin", "service_accounts:write", False, True),
    ("authsvc:admin", "decisions:make", False, True),
    ("authsvc:admin", "authsvc:admin", True, True),
    ("authsvc:admin", "agents:read", False, False),
    ("authsvc:admin", "agent_os:admin", False, False),
]


@pytest.mark.parametrize(("held", "required", "on_gateway", "on_own"), COVERAGE)
def test_covers_truth_table_on_both_audiences(held: str, required: str, on_gateway: bool, on_own: bool) -> None:
    assert covers([held], required) is on_gateway
    assert covers([held], required, admin_scope=AUTHSVC_ADMIN) is on_own
    assert covering([held], required) == (held if on_gateway else None)


def test_covers_custom_admin_scope_replaces_the_default() -> None:
    assert covers([CUSTOM_ADMIN], "agents:run", admin_scope=CUSTOM_ADMIN)
    assert not covers([AGENTOS_ADMIN], "agents:run", admin_scope=CUSTOM_ADMIN)
    assert not covers([CUSTOM_ADMIN], "agents:run")


@pytest.mark.parametrize(
    ("admin_scope", "held"), [("tenant:x:root", "tenant:root"), ("system:all", "config:all"), ("a:root", "a:*:root")]
)
def test_covers_admin_scope_itself_is_never_granted_by_a_lookalike(admin_scope: str, held: str) -> None:
    assert not covers([held], admin_scope, admin_scope=admin_scope)
    assert covers([admin_scope], admin_scope, admin_scope=admin_scope)


def test_covering_several_match_returns_the_narrowest() -> None:
    held = ["agent_os:admin", "agents:read", "agents:a1:read"]
    assert covering(held, "agents:a1:read") == "agents:a1:read"
    assert covering(held, "agents:a2:read") == "agents:read"
    assert covering(held, "agents:run") == "agent_os:admin"


def test_missing_lists_what_is_not_granted_in_order() -> None:
    held = HeldScopes(["tasks:write"])
    assert held.missing(["wiki:read", "tasks:write", "bad scope"]) == ("wiki:read", "bad scope")
    assert held.missing([]) == ()


@pytest.mark.parametrize(
    ("held", "resource", "action", "expected"),
    [
        ([], "agents", "read", frozenset()),
        (["agents:a1:read", "agents:a2:read", "agents:a3:run"], "agents", "read", frozenset({"a1", "a2"})),
        (["agents:a1:read", "agents:read"], "agents", "read", EVERYTHING),
        (["agents:*:read"], "agents", "read", EVERYTHING),
        (["agent_os:admin"], "agents", "read", EVERYTHING),
        (["authsvc:admin"], "agents", "read", frozenset()),
        (["authsvc:admin"], "profiles", "read", EVERYTHING),
        (["system:c1:read"], "config", "read", frozenset({"c1"})),
        (["config:c1:read"], "system", "read", frozenset({"c1"})),
        (["agents:a1:run"], "agents", "read", frozenset()),
    ],
)
def test_visible_ids_truth_table(held: list[str], resource: str, action: str, expected: object) -> None:
    assert visible_ids(held, resource, action) == expected


@given(held=scope_sets, admin_scope=audiences, resource=st.sampled_from(RESOURCES))
@settings(max_examples=scaled(75, 200), deadline=None)
def test_visible_ids_equals_asking_one_by_one(held: frozenset[str], admin_scope: str, resource: str) -> None:
    ids = visible_ids(held, resource, "read", admin_scope=admin_scope)
    for one in ("a1", "a2", "A1", "other"):
        seen = ids is EVERYTHING or one in ids
        assert seen is covers(held, f"{resource}:{one}:read", admin_scope=admin_scope)


INTERSECTIONS = [
    ({"agents:read"}, {"agents:a1:read"}, {"agents:a1:read"}),
    ({"agents:*:read"}, {"agents:a1:read"}, {"agents:a1:read"}),
    ({"agents:a1:read"}, {"agents:a2:read"}, set()),
    ({"agent_os:admin"}, {"agents:a1:read", "teams:run"}, {"agents:a1:read", "teams:run"}),
    ({"agent_os:admin"}, {"profiles:read"}, set()),
    ({"agent_os:admin"}, {"authsvc:admin"}, set()),
    ({"authsvc:admin"}, {"profiles:read", "agents:read"}, {"profiles:read"}),
    ({"system:read"}, {"config:read"}, {"system:read", "config:read"}),
    ({"agents::read"}, {"agents::read"}, set()),
]


@pytest.mark.parametrize(("left", "right", "expected"), INTERSECTIONS)
def test_intersect_truth_table(left: set[str], right: set[str], expected: set[str]) -> None:
    assert intersect(left, right) == expected
    assert intersect(right, left) == expected


def test_intersect_one_pass_iterables_are_read_once() -> None:
    assert intersect(iter(["agents:read"]), iter(["agents:a1:read"])) == {"agents:a1:read"}


@given(left=scope_sets, right=scope_sets, probe=well_formed, admin_scope=audiences)
@settings(max_examples=scaled(75, 300), deadline=None)
def test_intersect_is_the_largest_set_both_sides_cover(
    left: frozenset[str], right: frozenset[str], probe: str, admin_scope: str
) -> None:
    common = intersect(left, right, admin_scope=admin_scope)
    assert all(covers(left, scope, admin_scope=admin_scope) for scope in common)
    assert all(covers(right, scope, admin_scope=admin_scope) for scope in common)
    by_both = covers(left, probe, admin_scope=admin_scope) and covers(right, probe, admin_scope=admin_scope)
    assert covers(common, probe, admin_scope=admin_scope) is by_both


@given(first=scope_sets, second=scope_sets, third=scope_sets, admin_scope=audiences)
@settings(max_examples=scaled(75, 300), deadline=None)
def test_intersect_is_commutative_and_associative(
    first: frozenset[str], second: frozenset[str], third: frozenset[str], admin_scope: str
) -> None:
    def meet(left: frozenset[str], right: frozenset[str]) -> frozenset[str]:
        return intersect(left, right, admin_scope=admin_scope)

    assert meet(first, second) == meet(second, first)
    assert meet(meet(first, second), third) == meet(first, meet(second, third))


@given(scopes=valid_sets, admin_scope=audiences)
@settings(max_examples=100, deadline=None)
def test_intersect_with_itself_changes_nothing(scopes: frozenset[str], admin_scope: str) -> None:
    assert intersect(scopes, scopes, admin_scope=admin_scope) == scopes


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ({"agents:read", "agents:*:read", "agents:a1:read", "agents:a1:run"}, {"agents:read", "agents:a1:run"}),
        ({"agents:*:read"}, {"agents:*:read"}),
        ({"system:read", "config:read"}, {"config:read"}),
        ({"system:read"}, {"system:read"}),
        ({"agent_os:admin", "agents:read", "profiles:read"}, {"agent_os:admin", "profiles:read"}),
        ({"authsvc:admin", "profiles:read", "agents:read"}, {"authsvc:admin", "agents:read"}),
        ({"agents::read", "bad"}, set()),
    ],
)
def test_minimise_truth_table(scopes: set[str], expected: set[str]) -> None:
    assert minimise(scopes) == expected


@given(scopes=scope_sets, probe=well_formed, admin_scope=audiences)
@settings(max_examples=scaled(75, 300), deadline=None)
def test_minimise_keeps_the_meaning_and_nothing_twice(scopes: frozenset[str], probe: str, admin_scope: str) -> None:
    least = minimise(scopes, admin_scope=admin_scope)
    assert least <= scopes
    assert covers(least, probe, admin_scope=admin_scope) is covers(scopes, probe, admin_scope=admin_scope)
    for scope in least:
        assert not covers(least - {scope}, scope, admin_scope=admin_scope)


@pytest.mark.parametrize(
    ("required", "expected"),
    [("agents:*:read", "agents:read"), ("system:a:read", "config:a:read"), ("agents:a1:run", "agents:a1:run")],
)
def test_smallest_grant_is_canonical(required: str, expected: str) -> None:
    assert smallest_grant(required) == expected


def test_explain_allowed_and_denied() -> None:
    assert explain(["agents:read"], "agents:a1:read") == ScopeVerdict(True, "agents:read", None)
    assert explain(["agents:a2:read"], "agents:a1:read") == ScopeVerdict(False, None, "agents:a1:read")


def test_explain_malformed_requirement_raises() -> None:
    with pytest.raises(InvalidScope):
        explain(["agent_os:admin"], "agents::read")


@given(held=scope_sets, required=well_formed, admin_scope=audiences)
@settings(max_examples=scaled(75, 200), deadline=None)
def test_explain_missing_grant_once_given_allows(held: frozenset[str], required: str, admin_scope: str) -> None:
    verdict = explain(held, required, admin_scope=admin_scope)
    if verdict.missing is None:
        assert verdict.matched in held
    else:
        assert covers(held | {verdict.missing}, required, admin_scope=admin_scope)
        assert not verdict.allowed


def test_own_admin_covers_every_own_scope() -> None:
    own = [f"{resource}:{action}" for resource, actions in OWN_ACTIONS.items() for action in actions]
    assert len(own) == 14 * 2 + 6
    assert HeldScopes([AUTHSVC_ADMIN], admin_scope=AUTHSVC_ADMIN).missing(own) == ()


@given(text=st.text(max_size=30))
@settings(max_examples=scaled(75, 300), deadline=None)
def test_parse_any_text_returns_itself_or_refuses(text: str) -> None:
    try:
        assert str(parse(text)) == text
    except InvalidScope:
        assert not covers([text, AGENTOS_ADMIN], text)
