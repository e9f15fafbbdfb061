"""Signing keys, token policies and a gateway's claims in the admin: who has which key; buttons that obey the rules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.utils import quote
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tokens.keys import active_key
from authsvc.tokens.models import SigningKey
from rbac.services.gateways import acknowledge_key_set, get_gateway
from rbac.services.key_rotation import rotate_key
from tests.admin.conftest import prove
from tests.world import World

KEYS = "/admin/authsvc/signingkey"


def press(client: Client, key: SigningKey, action: str, **fields: Any) -> Any:
    return client.post(f"{KEYS}/{quote(key.id)}/do/{action}/", fields)


def old_enough(key: SigningKey, now: datetime) -> SigningKey:
    key.created_at = now - timedelta(seconds=301)
    key.save(update_fields=["created_at"])
    return key


def test_page_of_a_next_key_says_which_gateway_lacks_it(world: World, acme: Client, now: datetime) -> None:
    upcoming = rotate_key(world.prod.caller(), algorithm="RS256", now=now)
    page = acme.get(f"{KEYS}/{quote(upcoming.id)}/change/").content.decode()
    assert "LACKS IT (never fetched a key set, never acknowledged a key set)" in page
    assert "/t/acme/prod/jwks.pem" in page
    assert "-----BEGIN PUBLIC KEY-----" in page
    gateway = get_gateway(world.prod.caller(), world.prod.gateway["id"])
    acknowledge_key_set(world.prod.caller(), gateway=gateway, kids=[upcoming.kid], now=now)
    page = acme.get(f"{KEYS}/{quote(upcoming.id)}/change/").content.decode()
    assert f"has it (never fetched a key set, acknowledged a key set with it {now:%Y-%m-%d %H:%M})" in page
    seen = acme.get(f"/admin/rbac/gateway/{quote(gateway.id)}/change/").content.decode()
    assert upcoming.kid in seen


def test_next_key_nobody_has_is_not_used_unless_forced_with_a_reason(world: World, acme: Client, now: datetime) -> None:
    old = active_key(world.prod.caller(), now=now)
    assert press(acme, old, "rotate").status_code == 403
    assert press(prove(acme), old, "rotate").status_code == 302
    upcoming = old_enough(SigningKey.objects.for_environment(world.prod.caller()).get(state="next"), now)
    assert "1</strong> signing keys wait" in acme.get("/admin/").content.decode()
    refused = press(acme, upcoming, "activate")
    assert (refused.status_code, "has acknowledged" in refused.content.decode()) == (200, True)
    assert press(acme, upcoming, "force").status_code == 200
    assert active_key(world.prod.caller(), now=now).kid == old.kid
    assert press(acme, upcoming, "force", reason="the old one leaked").status_code == 302
    assert active_key(world.prod.caller(), now=now).kid == upcoming.kid
    event = AuditEvent.objects.get(event_type="signing_key.activated")
    assert (event.actor_kind, event.detail["reason"]) == ("operator", "the old one leaked")
    old.refresh_from_db()
    assert press(acme, old, "retire", reason="done").status_code == 302
    assert press(acme, old, "retire", reason="again").status_code == 404


def test_auditor_and_the_other_tenant_press_nothing(
    world: World, auditor: Client, globex: Client, now: datetime
) -> None:
    key = active_key(world.prod.caller(), now=now)
    assert press(auditor, key, "rotate").status_code == 404
    assert press(globex, key, "rotate").status_code == 404
    assert globex.get(f"{KEYS}/{quote(key.id)}/change/").status_code == 404
    assert not SigningKey.objects.for_environment(world.prod.caller()).filter(state="next").exists()


def test_token_policy_is_changed_by_its_page_within_its_limits(world: World, acme: Client, globex: Client) -> None:
    place = world.prod.environment()
    url = f"/admin/authsvc/tokenpolicy/{quote(place.id)}/do/change/"
    shown = acme.get(url).context["form"].initial
    assert shown["refresh_idle_days"] == 30
    fields = {name: "" if value is None else value for name, value in shown.items()}
    assert acme.post(url, {**fields, "refresh_idle_days": 0}).status_code == 200
    assert acme.post(url, {**fields, "refresh_idle_days": 5, "rotate_keys_after_days": 90}).status_code == 302
    seen = world.prod.api().get("/token-policy").json()
    assert (seen["refresh_idle_days"], seen["rotate_keys_after_days"]) == (5, 90)
    assert globex.post(url, fields).status_code == 404


def test_claims_of_a_gateway_are_chosen_line_by_line(world: World, acme: Client) -> None:
    url = f"/admin/rbac/gateway/{quote(world.prod.gateway['id'])}/do/claims/"
    assert acme.post(url, {"claims": "user_id=subject\nroles = roles"}).status_code == 200
    assert acme.post(url, {"claims": "user_id=subject\nroles=roles"}).status_code == 302
    mapped = world.prod.api().get(f"/gateways/{world.prod.gateway['id']}").json()["claims"]
    assert mapped == {"user_id": "subject", "roles": "roles"}
    assert "roles=roles" in acme.get(url).content.decode()
    assert acme.post(url, {"claims": "sub=name"}).status_code == 200
