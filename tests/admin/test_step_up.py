"""Grave acts ask for a factor shown within five minutes and lose nothing typed; who has none is told to set one up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.operators.models import Authenticator
from authsvc.tenants.models import Membership, Operator, Tenant
from authsvc.tenants.second_factor import FRESH_SECONDS, SHOWN_AT
from authsvc.tokens.models import SigningKey
from rbac.models import Role
from tests.admin.conftest import SignedIn, prove
from tests.admin.test_second_factor import code_now
from tests.soft_key import SoftKey
from tests.world import World

KEY = b"k" * 20  # what tests.admin.conftest.prove seals
Act = Callable[[World], tuple[str, dict[str, str]]]


def admin_role(world: World) -> str:
    """Return a role of acme/prod that administrates."""
    place = world.prod.environment()
    role = Role(tenant=place.tenant, environment=place, name="root", scopes=["authsvc:admin"])
    role.save()
    return str(role.pk)


def key_of(place: str) -> Act:
    """Return the act of publishing the next signing key of an environment."""

    def act(world: World) -> tuple[str, dict[str, str]]:
        key = SigningKey.objects.for_environment(world.place(place).caller()).filter(state="active").first()
        assert key is not None
        return f"/admin/authsvc/signingkey/{key.pk}/do/rotate/", {}

    return act


def on_operator(action: str, **fields: str) -> Act:
    """Return an act on the tenant's auditor."""
    return lambda _world: (f"/admin/authsvc/operator/{operator_id()}/do/{action}/", fields)


def operator_id() -> str:
    """Return the id of the tenant's auditor."""
    return str(Operator.objects.get(username="acme-auditor").pk)


def on_membership(world: World) -> tuple[str, dict[str, str]]:
    """Return the act of making the auditor an owner."""
    row = Membership.unscoped.get(operator__username="acme-auditor")
    return f"/admin/authsvc/membership/{row.pk}/do/change-role/", {"role": "owner"}


GRAVE: dict[str, Act] = {
    "an administrator's grant": lambda world: (
        "/admin/rbac/grant/add/",
        {"principal": world.prod.client_id, "role": admin_role(world), "confirm": "authsvc:admin"},
    ),
    "an administrator's role": lambda world: (
        "/admin/rbac/role/add/",
        {"environment": world.prod.environment().id, "name": "all", "scopes": "authsvc:admin"},
    ),
    "a role raised to administrator": lambda world: (
        f"/admin/rbac/role/{world.prod.ids['role']}/do/edit/",
        {"name": "raised", "scopes": "authsvc:admin"},
    ),
    "an administrator's token": lambda world: (
        "/admin/authsvc/issuedtoken/add/",
        {"account": world.prod.client_id, "scopes": "authsvc:admin", "ttl_seconds": "3600", "confirmed": "on"},
    ),
    "a signing key of prod": key_of("acme/prod"),
    "a password": on_operator("password", password="correct horse battery"),
    "an owner": on_membership,
    "a platform operator": lambda _world: (
        "/admin/authsvc/operator/add/",
        {"username": "root2", "password": "correct horse battery", "is_platform": "on"},
    ),
    "a suspension": lambda _world: (
        f"/admin/authsvc/tenant/{Tenant.objects.get(slug='globex').pk}/do/suspend/",
        {"reason": "unpaid"},
    ),
}


def grow_old(client: Client) -> None:
    """Let the session have shown its factor a little more than five minutes ago."""
    session = client.session
    session[SHOWN_AT] = datetime.now(UTC).timestamp() - FRESH_SECONDS - 1
    session.save()


@pytest.mark.parametrize("what", GRAVE)
def test_grave_act_waits_for_the_factor_and_loses_nothing(world: World, platform: Client, what: str) -> None:
    url, body = GRAVE[what](world)
    grow_old(prove(platform))
    before = AuditEvent.objects.count()
    page = platform.post(url, body)
    text = page.content.decode()
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    assert "Confirm that it is you" in text
    assert AuditEvent.objects.count() == before
    for name, value in body.items():
        assert f'name="{name}" value="{value}"' in text
    answer = platform.post(url, {**body, "factor_code": code_now(KEY)})
    assert "Confirm that it is you" not in answer.content.decode()
    assert AuditEvent.objects.count() > before
    assert body.get("password", "-") not in json.dumps(dict(platform.session))


@pytest.mark.parametrize("what", GRAVE)
def test_operator_without_a_factor_is_told_to_set_one_up(world: World, platform: Client, what: str) -> None:
    url, body = GRAVE[what](world)
    before = AuditEvent.objects.count()
    page = platform.post(url, {**body, "factor_code": "000000"})
    assert page.status_code == 403
    assert "/admin/second-factor/?next=" in page.content.decode()
    assert AuditEvent.objects.count() == before


def test_wrong_code_does_nothing_and_is_audited(world: World, platform: Client) -> None:
    url, body = GRAVE["a suspension"](world)
    grow_old(prove(platform))
    page = platform.post(url, {**body, "factor_code": "000000"})
    assert "not valid" in page.content.decode()
    assert Tenant.objects.get(slug="globex").state == "active"
    assert AuditEvent.objects.filter(event_type="operator.second_factor_failed").exists()


def test_fresh_factor_is_not_asked_again(world: World, platform: Client) -> None:
    url, body = GRAVE["a suspension"](world)
    assert prove(platform).post(url, body).status_code == 302
    assert Tenant.objects.get(slug="globex").state == "suspended"


def test_factor_that_was_removed_meanwhile_is_not_fresh(world: World, platform: Client) -> None:
    url, body = GRAVE["a suspension"](world)
    prove(platform)
    Authenticator.objects.all().delete()
    assert platform.post(url, body).status_code == 403


def test_everyday_acts_and_dev_keys_ask_nothing(world: World, acme: Client) -> None:
    url, body = key_of("acme/dev")(world)
    assert acme.post(url, body).status_code == 302
    body = {"account": world.prod.client_id, "scopes": "profiles:read", "ttl_seconds": "3600"}
    assert b"shown-secret" in acme.post("/admin/authsvc/issuedtoken/add/", body).content


def test_passkey_confirms_too(world: World, platform: Client, settings: Any) -> None:
    settings.AUTHSVC_BASE_URL = "https://auth.example"
    key = SoftKey("https://auth.example", "auth.example")
    options = platform.post("/admin/passkeys/options/", {"purpose": "add"}).json()
    platform.post("/admin/second-factor/", {"add_passkey": "1", "passkey": json.dumps(key.create(options))})
    grow_old(platform)
    url, body = GRAVE["a suspension"](world)
    assert "Use a passkey" in platform.post(url, body).content.decode()
    answer = key.get(platform.post("/admin/passkeys/options/", {"purpose": "prove"}).json())
    assert platform.post(url, {**body, "factor_passkey": json.dumps(answer)}).status_code == 302


def test_auditor_and_stranger_are_refused_before_they_are_asked(
    world: World, auditor: Client, globex: Client, signed_in: SignedIn
) -> None:
    for what in ("an administrator's grant", "a signing key of prod", "a password", "an owner"):
        url, body = GRAVE[what](world)
        for client in (auditor, globex):
            assert b"factor_code" not in client.post(url, body).content
