"""What an administrator does all day, through the pages: each button calls its service and leaves its audit event."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.operators.models import OperatorSession
from devices.models import Device
from profiles.models import Profile
from rbac.models import Grant
from tests.admin.conftest import prove
from tests.world import Api, Place, World

SECRET = re.compile(r'id="shown-secret"[^>]*>([^<]+)<')


def last_event(event_type: str) -> AuditEvent:
    """Return the newest event of a type."""
    return AuditEvent.objects.filter(event_type=event_type).order_by("-occurred_at", "-sequence")[0]


def secret_of(response: Any) -> str:
    """Return the secret a page shows."""
    found = SECRET.search(response.content.decode())
    assert found, response.content.decode()[:3000]
    return found[1]


def issue_token(client: Client, world: World) -> Any:
    """Send the form that issues a token."""
    return client.post(
        "/admin/authsvc/issuedtoken/add/",
        {"account": world.prod.client_id, "audience": "", "scopes": "profiles:read", "ttl_seconds": "3600"},
    )


SHOWN_ONCE: dict[str, Callable[[Place], tuple[str, dict[str, str]]]] = {
    "token": lambda place: (
        "/admin/authsvc/issuedtoken/add/",
        {"account": place.client_id, "scopes": "profiles:read", "ttl_seconds": "3600"},
    ),
    "api key": lambda place: (f"/admin/rbac/serviceaccount/{place.client_id}/do/api-key/", {"name": "ci"}),
    "client secret": lambda place: (f"/admin/rbac/serviceaccount/{place.client_id}/do/client-secret/", {}),
    "gateway token": lambda place: (f"/admin/rbac/gateway/{place.gateway['id']}/do/token/", {"name": "edge"}),
    "rotated key": lambda place: (
        f"/admin/authsvc/apikey/{place.ids['api_key']}/do/rotate/",
        {"overlap_seconds": "60"},
    ),
}


@pytest.mark.parametrize("what", SHOWN_ONCE)
def test_secret_is_shown_once_and_kept_nowhere(
    world: World, acme: Client, what: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    url, body = SHOWN_ONCE[what](world.prod)
    response = acme.post(url, body)
    secret = secret_of(response)
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    assert secret not in str(response.cookies) + str(acme.cookies) + str(response.headers)
    assert all(secret not in str(row.get_decoded()) for row in OperatorSession.objects.all())
    assert all(secret not in str(vars(row)) for row in LogEntry.objects.all())
    assert all(secret not in str(vars(row)) for row in AuditEvent.objects.all())
    for later in (
        "/admin/",
        url,
        "/admin/authsvc/issuedtoken/",
        "/admin/authsvc/apikey/",
        "/admin/authsvc/auditevent/",
    ):
        assert secret not in acme.get(later).content.decode()
    printed = capfd.readouterr()
    assert secret not in caplog.text + printed.out + printed.err


def test_issue_token_page_mints_a_working_token_and_audits_the_operator(world: World, acme: Client) -> None:
    token = secret_of(issue_token(acme, world))
    event = last_event("token.issued")
    assert event.actor_kind == "operator"
    assert event.detail["scopes"] == ["profiles:read"]
    assert Api(token).get("/profiles").status_code == 200


def test_store_credential_page_seals_it_and_never_shows_it(world: World, acme: Client) -> None:
    value = "sk-ant-api03-" + "Q7" * 45
    body = {
        "environment": world.prod.environment().id,
        "provider": "anthropic",
        "name": "second",
        "agent": "main",
        "kind": "api_key",
        "value": value,
        "minimum_trust": "2",
    }
    page = acme.post("/admin/profiles/profile/add/", body, follow=True)
    profile = Profile.unscoped.get(key="anthropic:second")
    assert profile.minimum_trust == 2
    assert last_event("credential.stored").detail["profile_id"] == profile.id
    assert value not in page.content.decode()
    assert value not in acme.get(f"/admin/profiles/profile/{profile.id}/change/").content.decode()


def test_rejected_credential_is_not_echoed(world: World, acme: Client) -> None:
    body = {
        "environment": world.prod.environment().id,
        "provider": "anthropic",
        "kind": "token",
        "value": "secret\x00planted-q9",
    }
    page = acme.post("/admin/profiles/profile/add/", {**body, "name": "x", "minimum_trust": "9"})
    assert page.status_code == 200
    assert "planted-q9" not in page.content.decode()


def test_approve_page_approves_what_it_showed(world: World, acme: Client) -> None:
    device_id = world.prod.pending_device["id"]
    url = f"/admin/devices/device/{device_id}/do/approve/"
    shown = acme.get(url).content.decode()
    snapshot = re.search(r'name="snapshot" value="([0-9a-f]{64})"', shown)
    assert snapshot
    body = {"user_code": world.prod.pending_device["user_code"], "trust_level": "2", "snapshot": snapshot[1]}
    assert acme.post(url, body).status_code == 302
    assert Device.unscoped.get(id=device_id).status == "active"
    assert last_event("device.approved").detail["snapshot"] == snapshot[1]


def test_approve_page_refuses_a_wrong_code_and_a_changed_request(world: World, acme: Client) -> None:
    device_id = world.prod.pending_device["id"]
    url = f"/admin/devices/device/{device_id}/do/approve/"
    code = world.prod.pending_device["user_code"]
    wrong = acme.post(url, {"user_code": "BBBB-BBBB", "trust_level": "2", "snapshot": "0" * 64})
    changed = acme.post(url, {"user_code": code, "trust_level": "2", "snapshot": "0" * 64})
    assert "does not match" in wrong.content.decode()
    assert "changed since" in changed.content.decode()
    assert Device.unscoped.get(id=device_id).status == "pending"


def test_grant_page_gives_and_takes_a_role(world: World, acme: Client) -> None:
    place = world.prod
    body = {"principal": place.reader["client_id"], "role": place.ids["role"], "gateway": "", "reason": "on call"}
    asked = prove(acme).post("/admin/rbac/grant/add/", body)
    page = asked.content.decode()
    assert (asked.status_code, "To confirm, repeat: authsvc:admin" in page) == (200, True)
    assert '<input type="text" name="confirm"' in page
    assert 'type="hidden" name="confirm"' in acme.get("/admin/rbac/grant/add/").content.decode()
    assert not Grant.unscoped.filter(principal_id=place.reader["client_id"], role_id=place.ids["role"]).exists()
    assert acme.post("/admin/rbac/grant/add/", {**body, "confirm": "authsvc:admin"}).status_code == 302
    grant = Grant.unscoped.filter(principal_id=place.reader["client_id"]).order_by("-created_at")[0]
    assert last_event("grant.created").subject_id == grant.id
    acme.post(f"/admin/rbac/grant/{grant.id}/do/revoke/", {"reason": "over"})
    assert last_event("grant.revoked").detail["reason"] == "over"


def test_add_tenant_page_opens_a_tenant_ready_for_use(world: World, platform: Client) -> None:
    assert platform.post("/admin/authsvc/tenant/add/", {"slug": "initech", "name": "Initech"}).status_code == 302
    assert last_event("tenant.created").detail["slug"] == "initech"
