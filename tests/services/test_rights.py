"""Nobody hands out what they do not hold, by any road; and what is taken away is gone with the next request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from authsvc.gate.authentication import admit
from authsvc.gate.issue import Asked
from authsvc.gate.on_behalf import issue_on_behalf
from authsvc.tenants.models import Principal
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.problems import Forbidden, NotFound
from devices.models import DeviceType
from devices.services.enrol import enrol_device
from devices.services.lifecycle import OwnDevice, approve_device, get_device, resume_device, set_trust
from rbac.models import Grant, ServiceAccount
from rbac.services.effective import NotHeld
from rbac.services.gateways import get_gateway
from rbac.services.grants import create_grant, get_grant
from rbac.services.roles import create_role, update_role
from rbac.services.service_accounts import (
    create_service_account,
    get_service_account,
    issue_account_key,
    update_service_account,
)
from tests.world import Api, Place, World

RIGHTS_WRITER = ("roles:write", "grants:write", "service_accounts:write", "tokens:issue", "devices:approve")


def holder_of(place: Place, *scopes: str, now: datetime, writer: bool = True) -> Caller:
    """Return a service account's caller that holds exactly these scopes, and may write rights."""
    held = [*scopes, *(RIGHTS_WRITER if writer else ())]
    account = create_service_account(place.caller(), name="holder", now=now)
    create_grant(place.caller(), principal=account.principal, scopes=held, now=now)
    return replace(
        place.caller(),
        principal_id=account.id,
        kind=CallerKind.SERVICE_ACCOUNT,
        scopes=frozenset(held),
        proof="access_token",
    )


def key_of(place: Place, *scopes: str, now: datetime) -> tuple[ServiceAccount, Api]:
    """Return a service account with these scopes and a client with its API key."""
    account = create_service_account(place.caller(), name="worker", default_scopes=list(scopes), now=now)
    create_grant(place.caller(), principal=account.principal, scopes=list(scopes), now=now)
    issued = issue_account_key(place.caller(), account=account, kind=ApiKeyKind.API_KEY, name="k", now=now)
    return account, Api(issued.text.reveal())


HandOut = Callable[[Caller, Place, str, datetime], object]


def by_new_role(caller: Caller, _place: Place, scope: str, now: datetime) -> object:
    """Create a role with the scope."""
    return create_role(caller, name=f"role {scope}", scopes=[scope], now=now)


def by_changed_role(caller: Caller, place: Place, scope: str, now: datetime) -> object:
    """Put the scope into a role that exists."""
    role = create_role(place.caller(), name="changed", scopes=["status:read"], now=now)
    return update_role(caller, role=role, scopes=["status:read", scope], now=now)


def by_granted_role(caller: Caller, place: Place, scope: str, now: datetime) -> object:
    """Grant a role with the scope."""
    role = create_role(place.caller(), name=f"granted {scope}", scopes=[scope], now=now)
    account = create_service_account(place.caller(), name="friend", now=now)
    return create_grant(caller, principal=account.principal, role=role, now=now)


def by_granted_scope(caller: Caller, place: Place, scope: str, now: datetime) -> object:
    """Grant the scope itself."""
    account = create_service_account(place.caller(), name="friend", now=now)
    return create_grant(caller, principal=account.principal, scopes=[scope], now=now)


def by_grant_to_itself(caller: Caller, _place: Place, scope: str, now: datetime) -> object:
    """Grant the scope to the caller's own principal."""
    own = Principal.objects.for_environment(caller).get(id=caller.principal_id)
    return create_grant(caller, principal=own, scopes=[scope], now=now)


def by_api_key(caller: Caller, place: Place, scope: str, now: datetime) -> object:
    """Issue an API key narrowed to the scope."""
    account = get_service_account(place.caller(), place.client_id)
    return issue_account_key(caller, account=account, kind=ApiKeyKind.API_KEY, name="k", scopes=[scope], now=now)


def by_token(caller: Caller, place: Place, scope: str, now: datetime) -> object:
    """Issue a token on behalf of an account that holds the scope."""
    account = create_service_account(place.caller(), name="friend", now=now)
    create_grant(place.caller(), principal=account.principal, scopes=[scope], now=now)
    return issue_on_behalf(caller, account=account, asked=Asked((scope,), "", "issued_by_administrator"), now=now)


def by_token_with_defaults(caller: Caller, place: Place, scope: str, now: datetime) -> object:
    """Issue a token on behalf of an account whose default set holds the scope."""
    account = create_service_account(place.caller(), name="friend", default_scopes=[scope], now=now)
    create_grant(place.caller(), principal=account.principal, scopes=[scope], now=now)
    return issue_on_behalf(caller, account=account, asked=Asked((), "", "issued_by_administrator"), now=now)


def by_device_approval(caller: Caller, place: Place, scope: str, now: datetime) -> object:
    """Approve a device that asks for the scope."""
    made = enrol_device(
        place.caller(), name="d", device_type=DeviceType.CLI, requested_scopes=[scope, "status:read"], now=now
    )
    return approve_device(caller, device=made.device, user_code=made.user_code, now=now)


HAND_OUTS: tuple[HandOut, ...] = (
    by_new_role,
    by_changed_role,
    by_granted_role,
    by_granted_scope,
    by_grant_to_itself,
    by_api_key,
    by_token,
    by_token_with_defaults,
    by_device_approval,
)
NOT_HELD = ("credentials:resolve", "profiles:write", "authsvc:admin")


@pytest.mark.parametrize("scope", NOT_HELD)
@pytest.mark.parametrize("hand_out", HAND_OUTS, ids=lambda f: f.__name__)
def test_handing_out_a_scope_not_held_is_refused(world: World, now: datetime, hand_out: HandOut, scope: str) -> None:
    caller = holder_of(world.prod, "status:read", now=now)
    before = Grant.objects.for_environment(caller).count()
    with pytest.raises(NotHeld) as refusal:
        hand_out(caller, world.prod, scope, now)
    assert scope in refusal.value.detail
    after = Grant.objects.for_environment(caller).exclude(granted_by="system").count()
    assert after <= before


@pytest.mark.parametrize("scope", ["credentials:resolve", "profiles:write"])
@pytest.mark.parametrize("hand_out", HAND_OUTS, ids=lambda f: f.__name__)
def test_handing_out_a_held_scope_works(world: World, now: datetime, hand_out: HandOut, scope: str) -> None:
    caller = holder_of(world.prod, "status:read", scope, now=now)
    assert hand_out(caller, world.prod, scope, now) is not None


@pytest.mark.parametrize("hand_out", HAND_OUTS, ids=lambda f: f.__name__)
def test_environments_administrator_hands_out_every_scope(world: World, now: datetime, hand_out: HandOut) -> None:
    caller = holder_of(world.prod, "authsvc:admin", now=now)
    assert hand_out(caller, world.prod, "credentials:resolve", now) is not None


@pytest.mark.parametrize("scopes", [["agents:agent-1:run"], ["agent_os:admin"]])
def test_gateway_scope_needs_the_same_right_on_the_same_gateway(world: World, now: datetime, scopes: list[str]) -> None:
    place = world.prod
    caller = holder_of(place, "status:read", now=now)
    gateway = get_gateway(place.caller(), place.ids["gateway"])
    friend = create_service_account(place.caller(), name="friend", now=now).principal
    with pytest.raises(NotHeld):
        create_grant(caller, principal=friend, scopes=scopes, gateway=gateway, now=now)
    own = Principal.objects.for_environment(caller).get(id=caller.principal_id)
    create_grant(place.caller(), principal=own, scopes=scopes, gateway=gateway, now=now)
    assert create_grant(caller, principal=friend, scopes=scopes, gateway=gateway, now=now).scopes == scopes
    with pytest.raises(NotHeld):
        create_grant(caller, principal=friend, scopes=scopes, gateway=None, now=now)


@pytest.mark.parametrize("kind", [ApiKeyKind.API_KEY, ApiKeyKind.CLIENT_SECRET])
def test_whole_key_of_an_administrator_needs_an_administrator(world: World, now: datetime, kind: ApiKeyKind) -> None:
    account = get_service_account(world.prod.caller(), world.prod.client_id)
    caller = holder_of(world.prod, "status:read", now=now)
    with pytest.raises(NotHeld):
        issue_account_key(caller, account=account, kind=kind, name="k", now=now)


def test_narrowed_client_secret_hands_out_no_more_than_is_held(world: World, now: datetime) -> None:
    """A client secret opens the token endpoint, whatever scopes were named at its issue."""
    caller = holder_of(world.prod, "status:read", now=now)
    account = get_service_account(world.prod.caller(), world.prod.client_id)
    with pytest.raises(NotHeld):
        issue_account_key(
            caller, account=account, kind=ApiKeyKind.CLIENT_SECRET, name="k", scopes=["status:read"], now=now
        )


@pytest.mark.parametrize("kind", [ApiKeyKind.API_KEY, ApiKeyKind.CLIENT_SECRET])
def test_lowered_maximum_hands_out_no_more_than_is_held(world: World, now: datetime, kind: ApiKeyKind) -> None:
    """Lower an administrator's maximum, take a key, raise it again: the key must not have grown."""
    place = world.prod
    caller = holder_of(place, "status:read", now=now)
    account = get_service_account(place.caller(), place.client_id)
    update_service_account(caller, account=account, maximum_scopes=["status:read"], now=now)
    try:
        issued = issue_account_key(caller, account=account, kind=kind, name="k", now=now)
    except NotHeld:
        return
    update_service_account(caller, account=account, maximum_scopes=[], now=now)
    if kind is ApiKeyKind.API_KEY:
        scopes = set(admit(issued.text.reveal(), audience="authsvc", now=now).scopes)
    else:
        reply = place.token_request(client_secret=issued.text.reveal(), scope="profiles:write")
        scopes = set(reply.json().get("scope", "").split())
    assert scopes <= {"status:read"}


def test_rotating_anothers_key_hands_out_no_more_than_is_held(world: World, now: datetime) -> None:
    """A rotation shows a secret that speaks for its account; whoever sees it must hold what the account holds."""
    place = world.prod
    account, writer = key_of(place, "service_accounts:write", "service_accounts:read", now=now)
    path = f"/service-accounts/{place.client_id}/keys/{place.ids['api_key']}/rotate"
    reply = writer.post(path, {"overlap_seconds": 3600})
    assert reply.status_code == 403
    assert reply.json()["code"] == "scope_not_held"
    assert place.api().get("/me").status_code == 200
    assert account.id != place.client_id


def test_rotating_a_key_with_no_more_than_is_held_works(world: World, now: datetime) -> None:
    place = world.prod
    _, writer = key_of(place, "service_accounts:write", "status:read", now=now)
    friend = create_service_account(place.caller(), name="friend", now=now)
    key = issue_account_key(
        place.caller(), account=friend, kind=ApiKeyKind.API_KEY, name="k", scopes=["status:read"], now=now
    ).key
    reply = writer.post(f"/service-accounts/{friend.id}/keys/{key.id}/rotate", {})
    assert reply.status_code == 200


@pytest.mark.parametrize("area", ["service-accounts", "gateways"])
@pytest.mark.parametrize("owner", ["device", "service_account", "gateway"])
def test_secret_of_another_kind_of_principal_is_not_found_in_an_area(world: World, area: str, owner: str) -> None:
    status = 200 if area.startswith(owner.replace("_", "-")) else 404
    place = world.prod
    key = ApiKey.objects.for_environment(place.caller()).filter(principal_id=place.ids[owner]).latest("created_at")
    path = f"/{area}/{place.ids[owner]}/{'tokens' if area == 'gateways' else 'keys'}/{key.id}"
    assert place.api().get(path).status_code == status
    assert place.api().post(f"{path}/rotate", {"overlap_seconds": 60}).status_code == status


def test_device_decides_nothing_about_itself(world: World, now: datetime) -> None:
    place = world.prod
    device = get_device(place.caller(), place.ids["device"])
    itself = replace(place.caller(), principal_id=device.id, kind=CallerKind.DEVICE, device_id=device.id)
    with pytest.raises(OwnDevice):
        set_trust(itself, device=device, trust_level=3, reason="me", now=now)
    with pytest.raises(OwnDevice):
        resume_device(itself, device=device, reason="me", now=now)
    pending = get_device(place.caller(), place.pending_device["id"])
    itself = replace(itself, principal_id=pending.id, device_id=pending.id)
    with pytest.raises(OwnDevice):
        approve_device(itself, device=pending, user_code=place.pending_device["user_code"], now=now)


def test_refused_hand_out_over_the_api_is_403_and_audited(world: World, now: datetime) -> None:
    _, writer = key_of(world.prod, "roles:write", "roles:read", now=now)
    reply = writer.post("/roles", {"name": "more", "scopes": ["credentials:resolve"]})
    assert reply.status_code == 403
    assert reply.json()["code"] == "scope_not_held"
    newest = world.prod.api().get("/audit?limit=1").json()["results"][0]
    assert newest["event_type"] == "access.denied"
    assert newest["detail"]["code"] == "scope_not_held"


def test_every_refusal_of_a_hand_out_is_a_forbidden_problem() -> None:
    refusals: list[Any] = [NotHeld, OwnDevice]
    assert all(issubclass(refusal, Forbidden) for refusal in refusals)


def test_grant_of_another_environment_is_not_found_by_services(world: World) -> None:
    for stranger in (world.foreign, world.dev):
        with pytest.raises(NotFound):
            get_grant(stranger.caller(), world.prod.ids["grant"])
