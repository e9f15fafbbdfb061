"""The pages an administrator keeps open: order, cooldown, rotation and leases, role editor, matrix, gateways, audit."""

from __future__ import annotations

import html
import json
from datetime import datetime

from django.contrib.admin.utils import quote
from django.test import Client

from authsvc.audit.models import AuditEvent, AuditHead
from authsvc.tenants.models import Tenant
from profiles.models import Profile
from profiles.services.order import find_order
from rbac.models import Role
from tests.admin.test_onboarding import KEY
from tests.world import World

OUTLOOK = "/admin/profiles/profile/outlook/"
CHAINS = "/admin/authsvc/auditevent/chains/"


def store_second(world: World, acme: Client) -> None:
    """Give prod a second profile of the same provider."""
    body = {"environment": world.prod.environment().id, "provider": "anthropic", "name": "work", "agent": "main"}
    acme.post("/admin/profiles/profile/add/", {**body, "kind": "api_key", "value": KEY, "minimum_trust": "0"})


def test_dropped_order_is_stored_as_it_was_dropped(world: World, acme: Client) -> None:
    store_second(world, acme)
    place = {"environment": world.prod.environment().id, "provider": "anthropic", "agent": "main"}
    dropped = ["anthropic:work", "anthropic:default"]
    acme.post(OUTLOOK, {**place, "order": dropped})
    caller = world.prod.caller()
    assert find_order(caller, provider="anthropic", agent="main") == tuple(dropped)
    for wrong in (["anthropic:work"], ["anthropic:work", "anthropic:other"], [*dropped, "anthropic:work"]):
        acme.post(OUTLOOK, {**place, "order": wrong})
        assert find_order(caller, provider="anthropic", agent="main") == tuple(dropped)


def test_profile_page_shows_its_rotation_and_who_was_handed_it(world: World, acme: Client) -> None:
    place = world.prod
    assert place.api().post("/credentials/resolve", {"provider": "anthropic", "purpose": "nightly"}).status_code == 200
    acme.post(f"/admin/profiles/profile/{place.ids['profile']}/do/new-version/", {"kind": "api_key", "value": KEY})
    page = acme.get(f"/admin/profiles/profile/{place.ids['profile']}/change/").content.decode()
    assert page.count("credential.stored") == 2
    assert f"v1 to {place.client_id} for main · nightly" in page
    assert KEY not in page
    leases = acme.get(f"/admin/profiles/lease/?q={place.ids['profile']}").content.decode()
    assert "1 lease" in leases


def test_cooldown_is_cleared_on_the_page(world: World, acme: Client) -> None:
    profile_id = world.prod.ids["profile"]
    report = {"profile_id": profile_id, "outcome": "failure", "reason": "billing"}
    assert world.prod.api().post("/credentials/report", report).status_code == 200
    url = f"/admin/profiles/profile/{profile_id}/do/clear-cooldown/"
    assert acme.post(url, {}).status_code == 302
    assert "disabledUntil" not in str(Profile.unscoped.get(id=profile_id).usage)
    assert AuditEvent.objects.filter(event_type="usage.cooldown_cleared", subject_id=profile_id).exists()


def test_role_editor_adds_ticked_and_typed_scopes(world: World, acme: Client) -> None:
    page = acme.get("/admin/rbac/role/add/").content.decode()
    assert "See audit events." in page
    body = {"environment": world.prod.environment().id, "name": "Watcher", "picked": ["audit:read", "status:read"]}
    acme.post("/admin/rbac/role/add/", {**body, "scopes": "agents:agent-1:run"})
    role = Role.unscoped.get(name="Watcher")
    assert role.scopes == ["audit:read", "status:read", "agents:agent-1:run"]
    edit = f"/admin/rbac/role/{role.id}/do/edit/"
    shown = acme.get(edit).content.decode()
    assert 'value="audit:read" checked' in shown
    assert "agents:agent-1:run</textarea>" in shown
    acme.post(edit, {"name": "Watcher", "picked": ["audit:read"], "scopes": ""})
    role.refresh_from_db()
    assert role.scopes == ["audit:read"]
    assert "Choose at least one scope" in acme.post(edit, {"name": "Watcher", "scopes": ""}).content.decode()


def test_matrix_links_what_is_held_and_offers_what_is_not(world: World, acme: Client, auditor: Client) -> None:
    place = world.prod
    url = f"/admin/rbac/role/matrix/?place={place.environment().id}"
    page = acme.get(url).content.decode()
    assert f"/admin/rbac/grant/{quote(place.ids['grant'])}/change/" in page
    give = f"/admin/rbac/grant/add/?principal={place.reader['client_id']}&amp;role={place.ids['role']}"
    assert give in page
    assert f'value="{place.reader["client_id"]}" selected' in acme.get(html.unescape(give)).content.decode()
    assert "/grant/add/" not in auditor.get(url).content.decode()
    assert world.foreign.marker not in acme.get(url + "&place=" + world.foreign.environment().id).content.decode()


def test_gateway_page_has_texts_to_copy_and_its_keys(world: World, acme: Client) -> None:
    gateway = world.prod.gateway
    world.prod.api().post(f"/gateways/{gateway['id']}/jwks-acknowledgement", {"kids": ["kid-one"]})
    page = html.unescape(acme.get(f"/admin/rbac/gateway/{gateway['id']}/change/").content.decode())
    assert "Connect:" in page
    assert gateway["audience"] in page
    assert "kid-one" in page
    assert gateway["token"] not in page


def test_every_object_tells_its_history(world: World, acme: Client) -> None:
    for model, key in (("gateway", "gateway"), ("role", "role"), ("grant", "grant")):
        page = acme.get(f"/admin/rbac/{model}/{world.prod.ids[key]}/change/").content.decode()
        assert f"{model}.created" in page
    assert (
        "tenant.created"
        in acme.get(f"/admin/authsvc/tenant/{Tenant.objects.get(slug='acme').id}/change/").content.decode()
    )


def test_audit_is_filtered_by_subject_matter_and_time(world: World, acme: Client, now: datetime) -> None:
    page = acme.get("/admin/authsvc/auditevent/?area=gateway&since=day").content.decode()
    assert "gateway.created" in page
    assert "role.created</" not in page


def test_chain_is_verified_and_exported_on_request(world: World, acme: Client, globex: Client) -> None:
    tenant = Tenant.objects.get(slug="acme")
    assert "as they were written" in acme.post(CHAINS, {"tenant": tenant.id}).content.decode()
    exported = acme.get("/admin/authsvc/auditevent/export/", {"tenant": tenant.id})
    lines = [json.loads(line) for line in b"".join(exported.streaming_content).splitlines()]  # type: ignore[attr-defined]
    assert lines[-1]["head"]["sequence"] == AuditHead.objects.get(tenant_id=tenant.id).sequence == len(lines) - 1
    for answer in (
        globex.post(CHAINS, {"tenant": tenant.id}),
        globex.get("/admin/authsvc/auditevent/export/", {"tenant": tenant.id}),
    ):
        assert answer.status_code == 404
    AuditEvent.objects.filter(tenant_id=tenant.id, sequence=3).update(actor_id="somebody")
    assert "broken at event 3" in acme.post(CHAINS, {"tenant": tenant.id}).content.decode()
