"""What is taken away is gone with the next request: principals, grants, roles, keys, tenants, devices, trust."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from authsvc.audit.changes import forget_everything
from authsvc.gate.authentication import admit
from authsvc.tenants.models import PrincipalState, TenantState
from authsvc.tenants.services import set_principal_state, set_tenant_state, system_caller
from authsvc.tokens.api_keys import get_api_key, revoke_api_key
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.models import ApiKeyKind
from rbac.models import Grant, ServiceAccount
from rbac.services.grants import create_grant, revoke_grant
from rbac.services.roles import create_role, get_role, update_role
from rbac.services.service_accounts import (
    create_service_account,
    issue_account_key,
)
from tests.world import Api, Place, World


def key_of(place: Place, *scopes: str, now: datetime) -> tuple[ServiceAccount, Api]:
    """Return a service account with these scopes and a client with its API key."""
    account = create_service_account(place.caller(), name="worker", default_scopes=list(scopes), now=now)
    create_grant(place.caller(), principal=account.principal, scopes=list(scopes), now=now)
    issued = issue_account_key(place.caller(), account=account, kind=ApiKeyKind.API_KEY, name="k", now=now)
    return account, Api(issued.text.reveal())


def proofs(place: Place, now: datetime) -> dict[str, tuple[ServiceAccount, Api]]:
    """Return an account's API key, and a token of the same account."""
    account, key = key_of(place, "profiles:read", "roles:read", now=now)
    secret = issue_account_key(place.caller(), account=account, kind=ApiKeyKind.CLIENT_SECRET, name="s", now=now)
    token = place.access_token(client_id=account.id, client_secret=secret.text.reveal())
    return {"api key": (account, key), "access token": (account, Api(token))}


def granted(place: Place, account: ServiceAccount) -> Grant:
    """Return the account's grant."""
    return Grant.objects.for_environment(place.caller()).get(principal_id=account.id)


@pytest.mark.parametrize("proof", ["api key", "access token"])
def test_disabled_principal_is_refused_at_once_and_served_again_when_enabled(
    world: World, now: datetime, proof: str
) -> None:
    account, api = proofs(world.prod, now)[proof]
    assert api.get("/profiles").status_code == 200
    caller = world.prod.caller()
    disabled, enabled = PrincipalState.DISABLED, PrincipalState.ACTIVE
    set_principal_state(caller, principal=account.principal, state=disabled, reason="r", now=now)
    assert api.get("/profiles").status_code == 401
    set_principal_state(caller, principal=account.principal, state=enabled, reason="r", now=now)
    assert api.get("/profiles").status_code == 200


@pytest.mark.parametrize("proof", ["api key", "access token"])
def test_revoked_grant_is_refused_at_once(world: World, now: datetime, proof: str) -> None:
    account, api = proofs(world.prod, now)[proof]
    assert api.get("/profiles").status_code == 200
    grant = granted(world.prod, account)
    assert revoke_grant(world.prod.caller(), grant=grant, reason="r", now=now) is True
    reply = api.get("/profiles")
    assert reply.status_code == 403
    assert reply.json()["scope"] == "profiles:read"
    assert revoke_grant(world.prod.caller(), grant=grant, reason="r", now=now) is False


@pytest.mark.parametrize("proof", ["api key", "access token"])
def test_expired_grant_is_refused_from_its_end_on(world: World, now: datetime, proof: str) -> None:
    account, api = proofs(world.prod, now)[proof]
    grants = Grant.objects.for_environment(world.prod.caller()).filter(principal_id=account.id)
    grants.update(expires_at=now + timedelta(hours=1))
    assert api.get("/profiles").status_code == 200
    grants.update(expires_at=now)
    forget_everything()  # a row changed behind the services' back moves no count
    assert api.get("/profiles").status_code == 403


@pytest.mark.parametrize(("seconds", "holds"), [(-1, True), (0, False), (1, False)])
def test_grant_ends_exactly_at_its_end(world: World, now: datetime, seconds: int, holds: bool) -> None:
    account, api = key_of(world.prod, "profiles:read", now=now)
    end = now + timedelta(minutes=5)
    Grant.objects.for_environment(world.prod.caller()).filter(principal_id=account.id).update(expires_at=end)
    raw = api.headers["Authorization"].removeprefix("Bearer ")
    caller = admit(raw, audience="authsvc", now=end + timedelta(seconds=seconds))
    assert ("profiles:read" in caller.scopes) is holds


@pytest.mark.parametrize("proof", ["api key", "access token"])
def test_narrowed_role_narrows_living_proofs(world: World, now: datetime, proof: str) -> None:
    account, api = proofs(world.prod, now)[proof]
    role = create_role(world.prod.caller(), name="narrowing", scopes=["profiles:read", "roles:read"], now=now)
    create_grant(world.prod.caller(), principal=account.principal, role=role, now=now)
    direct = Grant.objects.for_environment(world.prod.caller()).get(principal_id=account.id, role__isnull=True)
    revoke_grant(world.prod.caller(), grant=direct, reason="r", now=now)
    assert api.get("/profiles").status_code == 200
    update_role(world.prod.caller(), role=get_role(world.prod.caller(), role.id), scopes=["roles:read"], now=now)
    assert api.get("/profiles").status_code == 403
    assert api.get("/roles").status_code == 200


def test_later_grant_does_not_widen_a_token(world: World, now: datetime) -> None:
    account, api = proofs(world.prod, now)["access token"]
    create_grant(world.prod.caller(), principal=account.principal, scopes=["audit:read"], now=now)
    assert api.get("/audit").status_code == 403


def test_revoked_key_is_refused_at_once(world: World, now: datetime) -> None:
    account, api = key_of(world.prod, "profiles:read", now=now)
    key_id = world.prod.api().get(f"/service-accounts/{account.id}/keys").json()["results"][0]["id"]
    caller = world.prod.caller()
    assert revoke_api_key(caller, key=get_api_key(caller, key_id), reason="r", now=now) is True
    assert api.get("/profiles").status_code == 401
    assert revoke_api_key(caller, key=get_api_key(caller, key_id), reason="r", now=now) is False


@pytest.mark.parametrize(("seconds", "living"), [(-1, True), (0, False), (1, False)])
def test_key_ends_exactly_at_its_end(world: World, now: datetime, seconds: int, living: bool) -> None:
    account = create_service_account(world.prod.caller(), name="brief", now=now)
    end = now + timedelta(minutes=5)
    issued = issue_account_key(
        world.prod.caller(), account=account, kind=ApiKeyKind.API_KEY, name="k", expires_at=end, now=now
    )
    moment = end + timedelta(seconds=seconds)
    if living:
        assert admit(issued.text.reveal(), audience="authsvc", now=moment).principal_id == account.id
    else:
        with pytest.raises(TokenRefused):
            admit(issued.text.reveal(), audience="authsvc", now=moment)


@pytest.mark.parametrize("proof", ["api key", "access token"])
def test_suspended_tenant_is_refused_at_once_and_served_again(world: World, now: datetime, proof: str) -> None:
    _, api = proofs(world.prod, now)[proof]
    tenant = world.prod.environment().tenant
    set_tenant_state(system_caller(), tenant=tenant, state=TenantState.SUSPENDED, reason="r", now=now)
    assert api.get("/profiles").status_code == 401
    assert world.dev.api().get("/me").status_code == 401
    assert world.foreign.api().get("/me").status_code == 200
    assert world.prod.token_request().status_code in {401, 404}
    set_tenant_state(system_caller(), tenant=tenant, state=TenantState.ACTIVE, reason="r", now=now)
    assert api.get("/profiles").status_code == 200


def test_deleted_account_is_refused_at_once(world: World, now: datetime) -> None:
    for proof in ("api key", "access token"):
        account, api = proofs(world.prod, now)[proof]
        assert world.prod.api().send("DELETE", f"/service-accounts/{account.id}").status_code == 204
        assert api.get("/profiles").status_code == 401


@pytest.mark.parametrize("step", ["suspend", "revoke"])
def test_device_out_of_service_is_refused_at_once(world: World, step: str) -> None:
    place = world.prod
    path = f"/devices/{place.device['id']}"
    proven = Api().post(f"{path}/authenticate", {"secret": place.device["secret"]})
    api = Api(proven.json()["access_token"])
    assert api.get("/me").status_code == 200
    assert place.api().post(f"{path}/{step}", {"reason": "lost"}).status_code == 200
    assert api.get("/me").status_code == 401
    assert api.post("/credentials/resolve", {"provider": "anthropic"}).status_code == 401
    again = Api().post(f"{path}/authenticate", {"secret": place.device["secret"]})
    assert again.status_code == {"suspend": 403, "revoke": 401}[step]


def test_lowered_trust_lowers_living_device_tokens(world: World) -> None:
    place = world.prod
    path = f"/devices/{place.device['id']}"
    token = Api().post(f"{path}/authenticate", {"secret": place.device["secret"]}).json()["access_token"]
    assert Api(token).post("/credentials/resolve", {"provider": "anthropic"}).status_code == 200
    assert place.api().post(f"{path}/trust", {"trust_level": 1, "reason": "odd"}).status_code == 200
    assert Api(token).get("/me").json()["trust_level"] == 1
    assert Api(token).post("/credentials/resolve", {"provider": "anthropic"}).status_code == 403


def test_raised_trust_does_not_raise_living_device_tokens(world: World) -> None:
    place = world.prod
    path = f"/devices/{place.device['id']}"
    token = Api().post(f"{path}/authenticate", {"secret": place.device["secret"]}).json()["access_token"]
    before = Api(token).get("/me").json()
    assert place.api().post(f"{path}/trust", {"trust_level": 3, "reason": "good"}).status_code == 200
    assert Api(token).get("/me").json()["trust_level"] == before["trust_level"] == 2
