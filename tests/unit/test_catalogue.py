"""The catalogue: what exists, what lint says about the rest, the names AgentOS reads, and the seeded roles."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbac.agno_routes import COMPANY_ROUTES, DEFAULT_ROUTES
from rbac.catalogue import (
    CATALOGUE,
    PRESET_ROLES,
    Audience,
    Finding,
    FindingCode,
    entries_for,
    expand_for_agno,
    find_entry,
    is_known,
    lint,
)
from rbac.scopes import (
    AGENTOS_ADMIN,
    AUTHSVC_ADMIN,
    OWN_ACTIONS,
    SHARED_RESOURCES,
    InvalidScope,
    covers,
    parse,
)
from tests.scale import scaled

SEED_SCOPES = [
    "system:read",
    *(f"{kind}:{form}" for kind in ("agents", "teams") for form in ("read", "run", "a1:read", "a1:run", "*:read")),
    "agents:*:run",
    "teams:*:run",
    *("workflows:read", "workflows:run"),
    *("sessions:read", "sessions:write", "sessions:delete"),
    *("memory:read", "knowledge:read"),
    *("schedules:read", "schedules:write", "approvals:read", "approvals:write"),
    "agent_os:admin",
]
ROLES = {role.slug: role for role in PRESET_ROLES}


def test_catalogue_holds_exactly_the_scopes_agentos_routes_ask_for() -> None:
    asked = {scope for _, _, scopes in DEFAULT_ROUTES for scope in scopes}
    asked_company = {scope for _, _, scopes in COMPANY_ROUTES for scope in scopes} - asked
    families = [entry for entry in entries_for(Audience.GATEWAY) if entry.alias_of is None]
    assert {entry.scope for entry in families if not entry.company} == asked | {AGENTOS_ADMIN}
    assert {entry.scope for entry in families if entry.company} == asked_company
    assert len({entry.resource for entry in families if not entry.company}) == 17 + 1


def test_catalogue_holds_every_own_scope_once() -> None:
    own = [entry.scope for entry in entries_for(Audience.AUTHSVC)]
    expected = {f"{resource}:{action}" for resource, actions in OWN_ACTIONS.items() for action in actions}
    assert set(own) == expected | {AUTHSVC_ADMIN}
    assert len(own) == len(set(own)) == 35


def test_catalogue_shared_resources_are_those_of_both_audiences() -> None:
    gateway, own = ({entry.resource for entry in entries_for(audience)} for audience in Audience)
    assert gateway & own == SHARED_RESOURCES


def test_catalogue_sentences_are_plain_sentences() -> None:
    for entry in CATALOGUE:
        assert entry.sentence[0].isupper(), entry
        assert entry.sentence.endswith("."), entry
        assert "{" not in entry.sentence, entry
        parse(entry.scope)


def test_entries_for_without_company_leaves_the_company_families_out() -> None:
    assert not any(entry.company for entry in entries_for(Audience.GATEWAY, company=False))
    assert find_entry("wiki:read") in entries_for(Audience.GATEWAY)


@pytest.mark.parametrize("scope", SEED_SCOPES)
def test_is_known_every_seed_scope_can_be_granted(scope: str) -> None:
    assert is_known(scope, audience=Audience.GATEWAY)


def test_find_entry_shared_name_depends_on_the_audience() -> None:
    entry = find_entry("service_accounts:read", Audience.AUTHSVC)
    assert entry is not None
    assert entry.audience is Audience.AUTHSVC
    assert find_entry("service_accounts:delete", Audience.AUTHSVC) is None
    assert find_entry("service_accounts:delete") is not None
    assert find_entry("agents::read") is None


LINT_CASES = [
    ("agents:read", None, None),
    ("agents:a1:run", None, None),
    ("sessions:*:read", None, None),
    ("agent_os:admin", None, None),
    ("authsvc:admin", None, None),
    ("memory:read", FindingCode.SEED_NAME, "memories:read"),
    ("system:read", FindingCode.SEED_NAME, "config:read"),
    ("memory:write", FindingCode.UNKNOWN_RESOURCE, "memories:write"),
    ("system:write", FindingCode.UNKNOWN_RESOURCE, "config:write"),
    ("agent:read", FindingCode.UNKNOWN_RESOURCE, "agents:read"),
    ("agent:a1:execute", FindingCode.UNKNOWN_RESOURCE, "agents:a1:run"),
    ("Agents:READ", FindingCode.UNKNOWN_RESOURCE, "agents:read"),
    ("agents:READ", FindingCode.UNKNOWN_ACTION, "agents:read"),
    ("agents:execute", FindingCode.UNKNOWN_ACTION, "agents:run"),
    ("agents:xyzzy", FindingCode.UNKNOWN_ACTION, None),
    ("xyzzy:read", FindingCode.UNKNOWN_RESOURCE, None),
    ("agents::read", FindingCode.MALFORMED, "agents:read"),
    ("*:read", FindingCode.MALFORMED, None),
    ("sessions:s1:read", FindingCode.ID_IGNORED, "sessions:read"),
]


@pytest.mark.parametrize(("scope", "code", "suggestion"), LINT_CASES)
def test_lint_truth_table(scope: str, code: FindingCode | None, suggestion: str | None) -> None:
    findings = lint(scope)
    assert [finding.code for finding in findings] == ([] if code is None else [code])
    assert [finding.suggestion for finding in findings] == ([] if code is None else [suggestion])
    refused = {FindingCode.MALFORMED, FindingCode.UNKNOWN_RESOURCE, FindingCode.UNKNOWN_ACTION}
    assert is_known(scope) is (code not in refused)


def test_lint_seed_name_with_id_gets_both_remarks() -> None:
    assert [finding.code for finding in lint("memory:m1:read")] == [FindingCode.SEED_NAME, FindingCode.ID_IGNORED]


@pytest.mark.parametrize("scope", ["reports:read", "reports:r1:read", "reports:*:read", "rare:x:go"])
def test_lint_tenant_defined_scope_is_known(scope: str) -> None:
    assert not is_known(scope)
    assert lint(scope, extra=["reports:read", "rare:x:go"]) == []


def test_lint_extra_never_admits_a_malformed_scope() -> None:
    assert lint("agents::read", extra=["agents::read"])[0].is_refusal


@pytest.mark.parametrize(
    ("scope", "audience", "known"),
    [
        ("profiles:read", Audience.AUTHSVC, True),
        ("profiles:read", Audience.GATEWAY, False),
        ("agents:read", Audience.AUTHSVC, False),
        ("service_accounts:delete", Audience.AUTHSVC, False),
        ("service_accounts:delete", Audience.GATEWAY, True),
        ("memory:read", Audience.AUTHSVC, False),
    ],
)
def test_is_known_per_audience(scope: str, audience: Audience, known: bool) -> None:
    assert is_known(scope, audience=audience) is known


@given(scope=st.from_regex(r"[a-z]{3,9}(:[a-z]{1,3})?:[a-z]{3,7}", fullmatch=True))
@settings(max_examples=scaled(75, 200), deadline=None)
def test_lint_suggestions_are_known_themselves(scope: str) -> None:
    for finding in lint(scope):
        assert isinstance(finding, Finding)
        assert finding.suggestion is None or is_known(finding.suggestion)


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ([], set()),
        (["memory:read"], {"memory:read", "memories:read"}),
        (["system:read"], {"system:read", "config:read"}),
        (["system:c1:read"], {"system:c1:read", "config:c1:read"}),
        (["agents:read", "memories:read"], {"agents:read", "memories:read"}),
        (["memory"], {"memory"}),
    ],
)
def test_expand_for_agno_adds_the_name_agentos_reads(scopes: list[str], expected: set[str]) -> None:
    assert expand_for_agno(scopes) == expected
    assert expand_for_agno(expected) == expected


def test_preset_roles_are_the_four_bundles() -> None:
    assert list(ROLES) == ["administrator", "read-only", "power-user", "limited-user"]
    for role in PRESET_ROLES:
        assert all(is_known(scope, audience=Audience.GATEWAY) for scope in role.expand(["a1"]))


@pytest.mark.parametrize(
    ("slug", "scope", "granted"),
    [
        ("administrator", "service_accounts:delete", True),
        ("administrator", "profiles:read", False),
        ("read-only", "agents:a1:read", True),
        ("read-only", "agents:run", False),
        ("read-only", "sessions:write", False),
        ("read-only", "service_accounts:read", False),
        ("power-user", "agents:a1:run", True),
        ("power-user", "sessions:write", True),
        ("power-user", "agents:write", False),
        ("power-user", "sessions:delete", False),
        ("power-user", "service_accounts:read", False),
        ("limited-user", "agents:a1:run", True),
        ("limited-user", "agents:a1:read", True),
        ("limited-user", "agents:a2:run", False),
        ("limited-user", "agents:run", False),
        ("limited-user", "sessions:write", True),
        ("limited-user", "config:read", False),
    ],
)
def test_preset_roles_truth_table(slug: str, scope: str, granted: bool) -> None:
    assert covers(ROLES[slug].expand(["a1"]), scope) is granted


def test_preset_roles_expand_without_agents_is_the_plain_bundle() -> None:
    assert ROLES["limited-user"].expand() == {"sessions:read", "sessions:write"}
    assert len(ROLES["read-only"].expand()) == 16
    assert len(ROLES["power-user"].expand()) == 16 + 3 + 5


def test_preset_roles_expand_bad_agent_id_is_refused() -> None:
    with pytest.raises(InvalidScope):
        ROLES["limited-user"].expand(["a:b"])
