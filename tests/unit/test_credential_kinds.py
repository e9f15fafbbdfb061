"""The caps by kind of proof: above all, that a gateway token never reaches a provider credential."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbac.catalogue import Audience, entries_for
from rbac.credential_kinds import (
    EVERY_OWN_SCOPE,
    RULES,
    CredentialKind,
    ceiling,
    limit_to_kind,
    permits,
)
from rbac.scopes import AGENTOS_ADMIN, AUTHSVC_ADMIN, covers
from tests.scale import scaled

KINDS = list(CredentialKind)
TABLE = {
    # scope: kinds that may carry it besides access token, API key and operator session
    "credentials:resolve": {CredentialKind.DEVICE_SECRET},
    "credentials:report": {CredentialKind.DEVICE_SECRET},
    "credentials:read": set(),
    "credentials:write": set(),
    "profiles:read": {CredentialKind.DEVICE_SECRET},
    "profiles:write": set(),
    "decisions:make": {CredentialKind.DEVICE_SECRET, CredentialKind.GATEWAY_TOKEN},
    "decisions:read": {CredentialKind.GATEWAY_TOKEN},
    "channels:read": {CredentialKind.GATEWAY_TOKEN},
    "channels:write": set(),
    "gateways:read": {CredentialKind.GATEWAY_TOKEN},
    "status:read": {CredentialKind.DEVICE_SECRET, CredentialKind.GATEWAY_TOKEN},
    "tokens:issue": set(),
    "devices:approve": set(),
    "authsvc:admin": set(),
}
UNCAPPED = {CredentialKind.ACCESS_TOKEN, CredentialKind.API_KEY, CredentialKind.OPERATOR_SESSION}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", TABLE)
def test_permits_truth_table(kind: CredentialKind, scope: str) -> None:
    assert permits(kind, scope) is (kind in UNCAPPED | TABLE[scope])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_rule_with_a_reason(kind: CredentialKind) -> None:
    assert RULES[kind].because.endswith(".")
    assert ceiling(kind) <= EVERY_OWN_SCOPE
    assert set(RULES) == set(KINDS)


def test_every_own_scope_is_the_catalogue() -> None:
    assert {entry.scope for entry in entries_for(Audience.AUTHSVC)} == EVERY_OWN_SCOPE


@pytest.mark.parametrize("kind", [CredentialKind.CLIENT_SECRET, CredentialKind.REFRESH_TOKEN])
def test_exchanged_proofs_carry_nothing(kind: CredentialKind) -> None:
    assert ceiling(kind) == frozenset()
    assert limit_to_kind(kind, [AUTHSVC_ADMIN, "profiles:read"]) == frozenset()
    assert limit_to_kind(kind, [AGENTOS_ADMIN], audience=Audience.GATEWAY) == frozenset()


@pytest.mark.parametrize("action", ["read", "write", "resolve", "report"])
def test_gateway_token_never_touches_credentials_even_as_administrator(action: str) -> None:
    left = limit_to_kind(CredentialKind.GATEWAY_TOKEN, [AUTHSVC_ADMIN, AGENTOS_ADMIN, f"credentials:{action}"])
    assert not covers(left, f"credentials:{action}", admin_scope=AUTHSVC_ADMIN)
    assert not permits(CredentialKind.GATEWAY_TOKEN, f"credentials:x:{action}")
    assert left == ceiling(CredentialKind.GATEWAY_TOKEN)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", ["agents::read", "profiles:read ", "*:read"])
def test_permits_malformed_scope_never(kind: CredentialKind, scope: str) -> None:
    assert not permits(kind, scope)
    assert not permits(kind, scope, audience=Audience.GATEWAY)


@pytest.mark.parametrize(
    ("kind", "carries"),
    [
        (CredentialKind.ACCESS_TOKEN, True),
        (CredentialKind.API_KEY, True),
        (CredentialKind.GATEWAY_TOKEN, True),
        (CredentialKind.DEVICE_SECRET, True),
        (CredentialKind.CLIENT_SECRET, False),
        (CredentialKind.REFRESH_TOKEN, False),
        (CredentialKind.OPERATOR_SESSION, False),
    ],
)
def test_permits_gateway_scopes(kind: CredentialKind, carries: bool) -> None:
    assert permits(kind, "agents:a1:run", audience=Audience.GATEWAY) is carries
    assert not permits(kind, "agents:a1:run")
    expected = {"agents:run"} if carries else set()
    assert limit_to_kind(kind, ["agents:run", "agents::run"], audience=Audience.GATEWAY) == expected


def test_limit_to_kind_keeps_ids() -> None:
    held = ["profiles:prf_1:read", "devices:approve", AGENTOS_ADMIN]
    assert limit_to_kind(CredentialKind.DEVICE_SECRET, held) == {"profiles:prf_1:read"}


@given(
    kind=st.sampled_from(KINDS),
    held=st.frozensets(st.sampled_from([*sorted(EVERY_OWN_SCOPE), AGENTOS_ADMIN, "agents:run"]), max_size=6),
    probe=st.sampled_from(sorted(EVERY_OWN_SCOPE)),
)
@settings(max_examples=scaled(75, 300), deadline=None)
def test_limit_to_kind_allows_exactly_what_is_held_and_permitted(
    kind: CredentialKind, held: frozenset[str], probe: str
) -> None:
    left = limit_to_kind(kind, held)
    expected = covers(held, probe, admin_scope=AUTHSVC_ADMIN) and permits(kind, probe)
    assert covers(left, probe, admin_scope=AUTHSVC_ADMIN) is expected
