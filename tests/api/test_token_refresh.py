"""``grant_type=refresh_token``: rotation, narrowing, reuse, and everybody who is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import PrincipalState, TenantState
from authsvc.tenants.services import set_principal_state, set_tenant_state, system_caller, tenant_caller
from authsvc.tokens.models import IssuedToken, RefreshFamily, RefreshToken
from authsvc.tokens.services import revoke_all_tokens
from devices.services.lifecycle import get_device, set_trust, suspend_device
from devices.services.policy import set_policy
from tests.world import FORM, Api, Place, World


def device_tokens(place: Place) -> dict[str, Any]:
    """Return the answer to the demo device's secret."""
    answer = Api().post(f"/devices/{place.device['id']}/authenticate", {"secret": place.device["secret"]})
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def refresh(place: Place, token: str, address: str = "192.0.2.1", **fields: str) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token, **fields}
    return Client(REMOTE_ADDR=address).post(place.path("/oauth/token"), urlencode(form), content_type=FORM)


def account_tokens(place: Place) -> dict[str, Any]:
    body = {"principal_id": place.client_id, "scopes": ["profiles:read", "status:read"], "with_refresh_token": True}
    answer = place.api().post("/tokens", body)
    assert answer.status_code == 201
    document: dict[str, Any] = answer.json()
    return document


def test_refresh_of_device_returns_new_pair_that_works(world: World) -> None:
    first = device_tokens(world.prod)
    answer = refresh(world.prod, first["refresh_token"], client_id=world.prod.device["id"])
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == first["scope"]
    assert Api(second["access_token"]).get("/me").json()["principal_id"] == world.prod.device["id"]


def test_t21_refresh_twice_ends_family_and_revokes_its_access_tokens(world: World) -> None:
    first = device_tokens(world.prod)
    second = refresh(world.prod, first["refresh_token"]).json()
    reused = refresh(world.prod, first["refresh_token"])
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    after = refresh(world.prod, second["refresh_token"])
    assert (after.status_code, after.content) == (400, reused.content)
    assert Api(first["access_token"]).get("/me").status_code == 401
    assert Api(second["access_token"]).get("/me").status_code == 401
    assert AuditEvent.objects.filter(event_type="token.reuse_detected").count() == 1


def vouched(place: Place, now: Any) -> dict[str, Any]:
    """Return the tokens of the demo's device after somebody vouched for it."""
    device = get_device(place.caller(), place.device["id"])
    set_trust(place.caller(), device=device, trust_level=3, reason="known", now=now)
    return device_tokens(place)


def told(device_id: str) -> list[tuple[str, Any]]:
    """Return what the audit tells of clones and lost trust, oldest first."""
    kinds = ["device.clone_suspected", "device.suspended", "device.trust_changed"]
    events = AuditEvent.objects.filter(subject_id=device_id, event_type__in=kinds).order_by("sequence")
    return [(event.event_type, event.detail["reason"]) for event in events]


def test_reuse_from_another_address_suspends_the_device_until_a_person_looks(world: World, now: Any) -> None:
    device_id = world.prod.device["id"]
    spent = vouched(world.prod, now)["refresh_token"]
    assert refresh(world.prod, spent).status_code == 200
    assert refresh(world.prod, spent, address="198.51.100.7").status_code == 400
    device = get_device(world.prod.caller(), device_id)
    assert (device.status, device.trust_level) == ("suspended", 2)
    assert told(device_id)[1:] == [
        ("device.clone_suspected", "a spent refresh token came from another address"),
        ("device.suspended", "clone_seen"),
    ]
    again = Api().post(f"/devices/{device_id}/authenticate", {"secret": world.prod.device["secret"]})
    assert (again.status_code, again.json()["device_status"]) == (403, "suspended")


def test_reuse_from_the_same_address_costs_earned_trust_and_lets_the_device_back_in(world: World, now: Any) -> None:
    device_id = world.prod.device["id"]
    spent = vouched(world.prod, now)["refresh_token"]
    assert refresh(world.prod, spent).status_code == 200
    assert refresh(world.prod, spent).status_code == 400
    assert told(device_id)[1:] == [
        ("device.clone_suspected", "a spent refresh token came from the same address"),
        ("device.trust_changed", "token_reused"),
    ]
    assert device_tokens(world.prod)["device"]["trust_level"] == 2


def test_reuse_of_a_family_that_ended_is_still_a_sign(world: World, now: Any) -> None:
    spent = vouched(world.prod, now)["refresh_token"]
    refresh(world.prod, spent)
    for _ in range(2):
        refresh(world.prod, spent, address="198.51.100.7")
    assert [event for event, _ in told(world.prod.device["id"])].count("device.clone_suspected") == 2


def test_spent_token_keeps_no_address(world: World) -> None:
    refresh(world.prod, device_tokens(world.prod)["refresh_token"], address="198.51.100.7")
    token = RefreshToken.unscoped.get(spent_at__isnull=False)
    assert len(token.spent_from) == 64
    assert "198.51.100.7" not in token.spent_from


def test_refresh_keeps_to_the_ceiling_the_environment_sets_later(world: World, now: Any) -> None:
    first = device_tokens(world.prod)
    assert first["scope"]
    nothing: dict[str, list[str]] = {"own": [], "gateway_actions": []}
    set_policy(world.prod.caller(), changes={"ceilings": {"2": nothing}}, now=now)
    assert refresh(world.prod, first["refresh_token"]).json()["scope"] == ""


def test_refresh_with_wider_scope_is_invalid_scope_and_spends_nothing(world: World) -> None:
    first = device_tokens(world.prod)
    wider = refresh(world.prod, first["refresh_token"], scope="profiles:write")
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
    assert refresh(world.prod, first["refresh_token"]).status_code == 200


def test_refresh_with_narrower_scope_returns_only_it(world: World) -> None:
    first = device_tokens(world.prod)
    narrow = refresh(world.prod, first["refresh_token"], scope="status:read").json()
    assert narrow["scope"] == "status:read"
    wide = refresh(world.prod, narrow["refresh_token"]).json()
    assert wide["scope"] == first["scope"]


def test_refresh_for_other_audience_is_invalid_target(world: World) -> None:
    first = device_tokens(world.prod)
    answer = refresh(world.prod, first["refresh_token"], audience=world.prod.gateway["audience"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


@pytest.mark.parametrize("place", ["acme/dev", "globex/prod"])
def test_refresh_in_other_environment_is_invalid_grant(world: World, place: str) -> None:
    first = device_tokens(world.prod)
    answer = refresh(world.place(place), first["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert refresh(world.prod, first["refresh_token"]).status_code == 200


def test_refresh_by_other_client_is_invalid_grant(world: World) -> None:
    first = account_tokens(world.prod)
    answer = world.prod.token_request(
        grant_type="refresh_token", refresh_token=first["refresh_token"], **world.prod.reader
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    foreign_device = refresh(world.prod, device_tokens(world.prod)["refresh_token"], client_id="dev_somebodyelse")
    assert foreign_device.json()["error"] == "invalid_grant"


def test_refresh_of_account_needs_client_authentication(world: World) -> None:
    first = account_tokens(world.prod)
    bare = refresh(world.prod, first["refresh_token"], client_id=world.prod.client_id)
    assert (bare.status_code, bare.json()["error"]) == (401, "invalid_client")
    proven = world.prod.token_request(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert proven.status_code == 200
    assert proven.json()["scope"] == "profiles:read status:read"


def test_client_credentials_issues_no_refresh_token(world: World) -> None:
    assert "refresh_token" not in world.prod.token_request().json()


def test_refresh_of_disabled_principal_is_invalid_grant(world: World, now: Any) -> None:
    first = device_tokens(world.prod)
    caller = world.prod.caller()
    device = get_device(caller, world.prod.device["id"])
    set_principal_state(caller, principal=device.principal, state=PrincipalState.DISABLED, reason="test", now=now)
    assert refresh(world.prod, first["refresh_token"]).json()["error"] == "invalid_grant"


def test_refresh_of_suspended_device_is_invalid_grant(world: World, now: Any) -> None:
    first = device_tokens(world.prod)
    caller = world.prod.caller()
    suspend_device(caller, device=get_device(caller, world.prod.device["id"]), reason="test", now=now)
    assert refresh(world.prod, first["refresh_token"]).json()["error"] == "invalid_grant"


def test_refresh_in_suspended_tenant_is_refused(world: World, now: Any) -> None:
    first = device_tokens(world.prod)
    tenant = world.prod.environment().tenant
    set_tenant_state(
        tenant_caller(system_caller(), tenant), tenant=tenant, state=TenantState.SUSPENDED, reason="test", now=now
    )
    assert refresh(world.prod, first["refresh_token"]).status_code == 404


def test_refresh_after_sliding_expiry_is_invalid_grant(world: World, now: Any) -> None:
    first = device_tokens(world.prod)
    RefreshToken.unscoped.update(expires_at=now - timedelta(seconds=1))
    assert refresh(world.prod, first["refresh_token"]).json()["error"] == "invalid_grant"


def test_child_never_outlives_absolute_expiry(world: World, now: Any) -> None:
    first = device_tokens(world.prod)
    end = now + timedelta(days=1)
    RefreshFamily.unscoped.update(expires_at=end)
    second = refresh(world.prod, first["refresh_token"])
    assert second.status_code == 200
    assert RefreshToken.unscoped.get(spent_at__isnull=True).expires_at == end


def test_revoke_of_refresh_token_ends_family(world: World) -> None:
    first = device_tokens(world.prod)
    assert world.prod.form("/oauth/revoke", {"token": first["refresh_token"]}).status_code == 200
    assert refresh(world.prod, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert Api(first["access_token"]).get("/me").status_code == 401


def test_revoke_of_account_refresh_token_by_other_client_changes_nothing(world: World) -> None:
    first = account_tokens(world.prod)
    reader = world.prod.reader
    form = {"token": first["refresh_token"], "client_id": reader["client_id"], "client_secret": reader["client_secret"]}
    assert world.prod.form("/oauth/revoke", form).status_code == 200
    again = world.prod.token_request(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert again.status_code == 200


def test_revoke_all_tokens_ends_families_too(world: World, now: Any) -> None:
    first = device_tokens(world.prod)
    count = revoke_all_tokens(world.prod.caller(), principal_id=world.prod.device["id"], reason="test", now=now)
    assert count == IssuedToken.unscoped.filter(principal_id=world.prod.device["id"]).count()
    assert refresh(world.prod, first["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("text", ["", "art_prod_x", "x" * 5000, "art_prod_0000000000000000_" + "0" * 49])
def test_refresh_with_malformed_token_is_a_400(world: World, text: str) -> None:
    answer = refresh(world.prod, text)
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_grant", "invalid_request"}


def test_t17_refresh_token_as_bearer_is_401(world: World) -> None:
    assert Api(device_tokens(world.prod)["refresh_token"]).get("/me").status_code == 401


def test_t17_access_token_as_refresh_token_is_invalid_grant(world: World) -> None:
    assert refresh(world.prod, device_tokens(world.prod)["access_token"]).json()["error"] == "invalid_grant"
