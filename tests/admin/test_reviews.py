"""Four eyes through the pages: the button that asks, the diff, the second operator's yes, and a promotion."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from django.test import Client

from authsvc.tenants.models import MembershipRole, Operator, Tenant
from authsvc.tenants.review_models import Review
from authsvc.tenants.services import add_membership, system_caller
from devices.models import Device
from rbac.models import Grant, Role
from rbac.services.roles import create_role
from tests.admin.conftest import prove
from tests.world import World

PROMOTE = "/admin/authsvc/review/promote/"


@pytest.fixture
def second(world: World, now: datetime) -> Client:
    """Return another administrator of acme, signed in."""
    operator = Operator.objects.create_user("acme-second", "a long password of mine")
    tenant = Tenant.objects.get(slug="acme")
    add_membership(system_caller(), operator=operator, tenant=tenant, role=MembershipRole.ADMIN, now=now)
    client = Client()
    client.force_login(operator)
    return client


def set_acts(client: Client, *acts: str, **extra: str) -> str:
    """Set the tenant's acts through its page; returns the answer's text."""
    tenant = Tenant.objects.get(slug="acme")
    body = {"acts": list(acts), **extra}
    return client.post(f"/admin/authsvc/tenant/{tenant.id}/do/four-eyes/", body, follow=True).content.decode()


def approve(client: Client, review: Review) -> str:
    """Approve a review with the digest its page shows; returns the answer's text."""
    url = f"/admin/authsvc/review/{review.id}/do/approve/"
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', client.get(url).content.decode())
    assert found
    return client.post(url, {"digest": found[1], "reason": "fine"}, follow=True).content.decode()


def test_refused_act_offers_to_ask_and_the_second_operator_applies_it(
    world: World, acme: Client, second: Client
) -> None:
    set_acts(acme, "trust", "admin_grant")
    url = f"/admin/devices/device/{world.prod.device['id']}/do/trust/"
    body = {"trust_level": "3", "reason": "on the desk"}
    page = acme.post(url, body).content.decode()
    assert "Ask a second operator" in page
    assert not Review.unscoped.exists()
    asked = acme.post(url, {**body, "ask": "1"}, follow=True).content.decode()
    assert "A second operator was asked" in asked
    review = Review.unscoped.get()
    assert (review.act, review.reason) == ("trust", "on the desk")
    assert "1</strong> requests wait for a second operator" in second.get("/admin/").content.decode()
    assert "1</strong> requests wait" not in acme.get("/admin/").content.decode()
    own = approve(acme, review)
    assert "You asked for this yourself" in own
    assert "Whoever asked cannot approve" in own
    assert "Approved and applied" in approve(second, review)
    assert Device.unscoped.get(id=world.prod.device["id"]).trust_level == 3
    assert "/do/approve/" not in second.get(f"/admin/authsvc/review/{review.id}/change/").content.decode()


def test_grant_page_asks_for_exactly_what_was_typed(world: World, acme: Client, second: Client) -> None:
    set_acts(acme, "admin_grant")
    body = {"principal": world.prod.reader["client_id"], "role": world.prod.ids["role"], "gateway": "", "reason": "r"}
    prove(acme).post("/admin/rbac/grant/add/", {**body, "ask": "1"})
    review = Review.unscoped.get()
    page = second.get(f"/admin/authsvc/review/{review.id}/change/").content.decode()
    assert "authsvc:admin" in page
    assert "Reader" in page
    second.post(f"/admin/authsvc/review/{review.id}/do/reject/", {"reason": "why?"})
    review.refresh_from_db()
    assert (review.state, review.decision_reason) == ("rejected", "why?")
    held = Grant.unscoped.filter(principal_id=world.prod.reader["client_id"], revoked_at__isnull=True)
    assert held.count() == 1


def test_taking_the_setting_away_needs_a_second_operator(world: World, acme: Client, second: Client) -> None:
    assert "A second operator is needed for: trust" in set_acts(acme, "trust")
    assert "Ask a second operator" in set_acts(acme)
    set_acts(acme, ask="1")
    assert Tenant.objects.get(slug="acme").four_eyes == ["trust"]
    assert "Approved and applied" in approve(second, Review.unscoped.get())
    assert Tenant.objects.get(slug="acme").four_eyes == []


def compare(client: Client, world: World) -> tuple[dict[str, str], str]:
    """Return the form of the comparison of dev with prod, and the page's text."""
    form = {"environment": world.prod.environment().id, "source": "dev"}
    page = client.get(PROMOTE, form).content.decode()
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page)
    return {**form, "seen": seen[1] if seen else ""}, page


@pytest.mark.parametrize("strict", [False, True])
def test_promotion_page_takes_over_what_is_ticked(
    world: World, acme: Client, second: Client, now: datetime, strict: bool
) -> None:
    create_role(world.dev.caller(), name="Lamp keeper", scopes=["audit:read"], now=now)
    if strict:
        set_acts(acme, "promotion")
    form, page = compare(acme, world)
    assert "role Lamp keeper" in page
    assert f'value="{"Ask a second operator" if strict else "Take over into acme/prod"}"' in page
    acme.post(PROMOTE, {**form, "item": ["role:Lamp keeper"], "reason": "release 7"})
    here = Role.objects.for_environment(world.prod.caller()).filter(name="Lamp keeper")
    assert here.exists() is not strict
    if strict:
        review = Review.unscoped.get()
        assert (review.reason, len(review.lines)) == ("release 7", 1)
        assert "Approved and applied" in approve(second, review)
    assert here.exists()
    others = Role.objects.for_environment(world.dev.caller()).exclude(name="Lamp keeper").values_list("name", flat=True)
    assert not Role.objects.for_environment(world.prod.caller()).filter(name=f"Everything {world.dev.marker}").exists()
    assert others


def test_promotion_page_refuses_a_comparison_that_is_not_current(world: World, acme: Client, now: datetime) -> None:
    form, _ = compare(acme, world)
    create_role(world.dev.caller(), name="Lamp keeper", scopes=["audit:read"], now=now)
    page = acme.post(PROMOTE, {**form, "item": ["role:Lamp keeper"]}).content.decode()
    assert "no longer what was asked for" in page
    assert not Role.objects.for_environment(world.prod.caller()).filter(name="Lamp keeper").exists()


def test_auditor_sees_a_review_and_can_neither_ask_nor_decide(
    world: World, acme: Client, auditor: Client, now: datetime
) -> None:
    set_acts(acme, "trust")
    set_acts(acme, ask="1")
    review = Review.unscoped.get()
    assert auditor.get(f"/admin/authsvc/review/{review.id}/change/").status_code == 200
    for name in ("approve", "reject", "withdraw"):
        assert (
            auditor.post(f"/admin/authsvc/review/{review.id}/do/{name}/", {"digest": review.digest}).status_code == 404
        )
    form, _ = compare(acme, world)
    assert auditor.get(PROMOTE).status_code == 404
    assert auditor.post(PROMOTE, {**form, "item": []}).status_code == 404
    assert auditor.get("/admin/authsvc/tenant/onboard/").status_code == 404
