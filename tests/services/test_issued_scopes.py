"""No token ever carries more than each of the four sets allows: requested, granted, the client's maximum, the ceiling.

What a set allows is spelt out here action by action, without the service's own algebra.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import product

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from authsvc.gate.issue import Holder, issuable_scopes
from authsvc.gate.oauth_errors import InvalidScopeRequested
from authsvc.tenants.models import Principal
from authsvc.web.caller import Caller
from devices.services.trust import DeviceTrust
from devices.trust import TrustLevel, ceiling
from rbac.models import Gateway, GatewayKind, Grant
from rbac.scopes import AGENTOS_ADMIN, AUTHSVC_ADMIN
from rbac.services.gateways import create_gateway
from rbac.services.grants import create_grant, revoke_grant
from rbac.services.service_accounts import create_service_account
from tests.world import World

OWN = ["profiles:read", "profiles:write", "status:read", "credentials:resolve", "devices:approve", AUTHSVC_ADMIN]
THERE = ["agents:read", "agents:*:run", "agents:run", "agents:a1:read", "agents:a2:run", "teams:read", AGENTOS_ADMIN]
PLACES = list(product(("agents", "teams"), ("a1", "a2"), ("read", "run")))
sets = st.sets(st.sampled_from(OWN + THERE), max_size=6)
PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Client:
    """A principal, a gateway that widens no name, and the caller who asks."""

    caller: Caller
    principal: Principal
    gateway: Gateway
    now: datetime


@pytest.fixture
def client(world: World, now: datetime) -> Client:
    """Return a service account without any right."""
    caller = world.prod.caller()
    account = create_service_account(caller, name="four limits", now=now)
    gateway = create_gateway(caller, name="Plain", kind=GatewayKind.GENERIC, now=now)
    return Client(caller, account.principal, gateway, now)


def actions(scopes: Iterable[str], *, at_gateway: bool) -> set[str]:
    """Return every single action that the scopes allow at the audience."""
    allowed: set[str] = set()
    for scope in scopes:
        if at_gateway:
            allowed |= {":".join(place) for place in PLACES if _reaches(scope, *place)}
        elif scope in OWN:
            allowed |= set(OWN) if scope == AUTHSVC_ADMIN else {scope}
    return allowed


def _reaches(scope: str, resource: str, row: str, action: str) -> bool:
    spellings = {f"{resource}:{action}", f"{resource}:*:{action}", f"{resource}:{row}:{action}"}
    return scope == AGENTOS_ADMIN or scope in spellings


@PROPERTY
@given(
    requested=sets,
    granted=sets,
    maximum=sets,
    default=sets,
    level=st.sampled_from([None, *TrustLevel]),
    at_gateway=st.booleans(),
)
@example({AGENTOS_ADMIN}, {"agents:a1:read"}, {"agents:read"}, set(), None, True)
@example({"agents:read"}, {AGENTOS_ADMIN}, {"agents:a1:read", "agents:*:run"}, set(), TrustLevel.VERIFIED, True)
@example(set(), {AUTHSVC_ADMIN}, set(), {"profiles:write"}, TrustLevel.BASIC, False)
def test_issued_scopes_never_exceed_any_of_the_four_sets(
    client: Client,
    requested: set[str],
    granted: set[str],
    maximum: set[str],
    default: set[str],
    level: TrustLevel | None,
    at_gateway: bool,
) -> None:
    issued = issue(client, requested, granted, maximum, default, level, at_gateway)
    got = actions(issued, at_gateway=at_gateway)
    assert got <= actions(requested or default, at_gateway=at_gateway)
    assert got <= actions(granted, at_gateway=at_gateway)
    if maximum:
        assert got <= actions(maximum, at_gateway=at_gateway)
    if level is not None:
        assert all(ceiling(level).permits(scope) for scope in issued)


def issue(
    client: Client,
    requested: set[str],
    granted: set[str],
    maximum: set[str],
    default: set[str],
    level: TrustLevel | None,
    at_gateway: bool,
) -> frozenset[str]:
    """Return what would be issued with exactly these rights; nothing when it is refused."""
    trust = DeviceTrust.of_service(1) if level is None else DeviceTrust(int(level), ceiling(level))
    holder = Holder(client.principal, client.principal.id, tuple(sorted(maximum)), tuple(sorted(default)), trust)
    gateway = client.gateway if at_gateway else None
    grant = granting(client, granted)
    try:
        return issuable_scopes(client.caller, holder, sorted(requested), gateway, now=client.now)
    except InvalidScopeRequested:
        return frozenset()
    finally:
        if grant:
            revoke_grant(client.caller, grant=grant, reason="next example", now=client.now)


def granting(client: Client, scopes: set[str]) -> Grant | None:
    """Grant the scopes; no scope is no grant."""
    if not scopes:
        return None
    return create_grant(client.caller, principal=client.principal, scopes=sorted(scopes), now=client.now)


def test_all_four_sets_together_leave_what_they_share(client: Client) -> None:
    held = {"agents:read", "teams:read", "profiles:read"}
    assert issue(client, {"agents:a1:read", "agents:run"}, held, {"agents:read"}, set(), None, True) == {
        "agents:a1:read"
    }
    assert issue(client, set(), held, set(), {"profiles:read", "agents:read"}, None, False) == {"profiles:read"}
    assert issue(client, set(), {AUTHSVC_ADMIN}, set(), {"status:read"}, TrustLevel.TRUSTED, False) <= {"status:read"}
