"""The page that leads an empty tenant to a working lease: all of it or nothing, and the key is never shown again."""

from __future__ import annotations

import html
import re

from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Tenant
from profiles.models import Lease
from tests.admin.test_flows import secret_of
from tests.world import Api, World

PAGE = "/admin/authsvc/tenant/onboard/"
KEY = "sk-ant-api03-ONBOARD-0123456789"
FORM = {
    "environment": "",
    "tenant": "initech",
    "env": "prod",
    "provider": "anthropic",
    "name": "default",
    "kind": "api_key",
    "value": KEY,
    "gateway": "front",
    "gateway_kind": "openclaw",
}


def test_page_leads_a_new_tenant_to_a_working_lease(world: World, platform: Client) -> None:
    answer = platform.post(PAGE, FORM)
    assert "no-store" in answer.headers["Cache-Control"]
    lease_key, page = secret_of(answer), html.unescape(answer.content.decode())
    assert KEY not in page
    assert Lease.unscoped.get(environment__tenant__slug="initech").id in page
    leased = Api(lease_key).post("/credentials/resolve", {"provider": "anthropic"})
    assert leased.json()["value"] == KEY
    token = re.search(r"agw_prod_\w+", page)
    assert token
    assert Api(token[0]).get("/me").status_code == 200
    assert all(KEY not in str(vars(row)) and lease_key not in str(vars(row)) for row in AuditEvent.objects.all())


def test_wrong_key_leaves_no_tenant_and_is_not_echoed(world: World, platform: Client) -> None:
    page = platform.post(PAGE, {**FORM, "value": "sk-or-v1-of-another-house"})
    assert page.status_code == 200
    assert "sk-or-v1-of-another-house" not in page.content.decode()
    assert not Tenant.objects.filter(slug="initech").exists()


def test_hint_tells_the_shape_while_nothing_is_stored(world: World, platform: Client) -> None:
    for value, text in ((KEY, "the shape is right"), ("sk-or-v1-" + "a" * 64, "verdict-no")):
        page = platform.post(PAGE, {**FORM, "value": value, "preview": "1"}).content.decode()
        assert text in page
        assert value not in page
        stored = platform.post("/admin/profiles/profile/add/", {**FORM, "value": value, "preview": "1"})
        assert text in stored.content.decode()
        assert value not in stored.content.decode()
    assert not Tenant.objects.filter(slug="initech").exists()


def test_owner_sets_up_its_own_environment_and_no_other(world: World, acme: Client) -> None:
    page = acme.get(PAGE).content.decode()
    assert "New tenant" not in page
    assert world.foreign.environment().id not in page
    body = {**FORM, "environment": world.dev.environment().id, "provider": "groq", "value": "gsk_" + "v" * 52}
    assert secret_of(acme.post(PAGE, body)).startswith("ask_dev_")
    foreign = acme.post(PAGE, {**body, "environment": world.foreign.environment().id})
    assert "shown-secret" not in foreign.content.decode()
    new = acme.post(PAGE, {**FORM, "environment": ""})
    assert "shown-secret" not in new.content.decode()
    assert not Tenant.objects.filter(slug="initech").exists()
