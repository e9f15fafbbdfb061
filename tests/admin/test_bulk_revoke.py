"""Revoking many proofs at once, and what the lists of them show: beginning and end, scopes, countdown, last use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tokens.models import ApiKey, IssuedToken
from tests.world import Api, World

KEYS, TOKENS = "/admin/authsvc/apikey/", "/admin/authsvc/issuedtoken/"


def issue(world: World, count: int) -> tuple[list[str], list[str]]:
    """Issue tokens; returns their ids and texts."""
    texts = [world.prod.access_token() for _ in range(count)]
    ids = list(IssuedToken.objects.for_environment(world.prod.caller()).values_list("id", flat=True)[:count])
    return ids, texts


def test_tokens_are_revoked_once_their_number_is_typed(world: World, acme: Client) -> None:
    ids, texts = issue(world, 3)
    body = {"action": "revoke_tokens", ACTION_CHECKBOX_NAME: ids}
    page = acme.post(TOKENS, body).content.decode()
    assert "Revoke 3 tokens" in page
    assert "<dt>In PROD</dt><dd>3</dd>" in page
    assert "<dt>Owners that lose one</dt><dd>1</dd>" in page
    wrong = acme.post(TOKENS, {**body, "reason": "leaked", "count": "2"}).content.decode()
    assert "3 tokens would be revoked; type 3." in wrong
    assert Api(texts[0]).get("/me").status_code == 200
    assert (
        "3 tokens revoked"
        in acme.post(TOKENS, {**body, "reason": "leaked", "count": "3"}, follow=True).content.decode()
    )
    assert [Api(text).get("/me").status_code for text in texts] == [401] * 3
    assert AuditEvent.objects.filter(event_type="token.revoked", subject_id__in=ids).count() == 3


def test_keys_are_revoked_and_those_revoked_before_are_left_out(world: World, acme: Client) -> None:
    rows = ApiKey.objects.for_environment(world.prod.caller())
    chosen = [world.prod.ids["api_key"]]
    body = {"action": "revoke_keys", ACTION_CHECKBOX_NAME: chosen}
    assert "Used within a day" in acme.post(KEYS, body).content.decode()
    acme.post(KEYS, {**body, "reason": "over", "count": "1"})
    assert rows.get(id=chosen[0]).revoked_at is not None
    assert "None of these can be revoked" in acme.post(KEYS, body, follow=True).content.decode()


@pytest.mark.parametrize(("page", "action"), [(KEYS, "revoke_keys"), (TOKENS, "revoke_tokens")])
def test_auditor_is_offered_no_bulk_action(world: World, auditor: Client, page: str, action: str) -> None:
    ids, _ = issue(world, 1)
    assert f'value="{action}"' not in auditor.get(page).content.decode()
    chosen = [*ids, world.prod.ids["api_key"]]
    auditor.post(page, {"action": action, ACTION_CHECKBOX_NAME: chosen, "reason": "x", "count": "1"})
    assert not ApiKey.unscoped.filter(revoked_at__isnull=False).exists()
    assert not IssuedToken.unscoped.filter(revoked_at__isnull=False).exists()


def test_key_list_shows_how_a_key_looks_and_how_long_it_lives(world: World, acme: Client, now: datetime) -> None:
    key_id = world.prod.ids["api_key"]
    ApiKey.unscoped.filter(id=key_id).update(expires_at=now + timedelta(days=3, hours=1), last_used_at=None)
    page = acme.get(KEYS, {"q": key_id}).content.decode().replace("\xa0", " ")
    for text in (f"ask_prod_{key_id.removeprefix('key_')}_…", "in 3 days", "never", "all its owner holds"):
        assert text in page, text


@pytest.mark.parametrize(
    ("life", "change"),
    [
        ("living", {}),
        ("expired", {"expires_at": datetime.fromisoformat("2025-01-01T00:00:00+00:00")}),
        ("revoked", {"revoked_at": datetime.fromisoformat("2025-01-01T00:00:00+00:00")}),
    ],
)
def test_proofs_are_filtered_by_how_they_ended(world: World, acme: Client, life: str, change: dict[str, Any]) -> None:
    key_id = world.prod.ids["api_key"]
    ApiKey.unscoped.filter(id=key_id).update(**change)
    shown = {
        each: f"ask_prod_{key_id.removeprefix('key_')}" in acme.get(KEYS, {"life": each}).content.decode()
        for each in ("living", "expired", "revoked")
    }
    assert shown == {each: each == life for each in shown}


def test_key_form_bounds_life_and_addresses(world: World, acme: Client, now: datetime) -> None:
    account = world.prod.client_id
    address = f"/admin/rbac/serviceaccount/{account}/do/api-key/"
    assert acme.get(address).context["form"]["life"].initial == 30
    wrong = acme.post(address, {"name": "n", "life": "30", "address_ranges": "everywhere"})
    assert "address_ranges" in wrong.context["form"].errors
    made = acme.post(address, {"name": "n", "life": "30", "address_ranges": "10.0.0.0/8 192.0.2.7"})
    assert made.status_code == 200
    key = ApiKey.objects.for_environment(world.prod.caller()).latest("created_at")
    assert key.address_ranges == ["10.0.0.0/8", "192.0.2.7/32"]
    assert key.expires_at is not None
    assert timedelta(days=29, hours=23) < key.expires_at - now < timedelta(days=31)
    page = acme.get(f"/admin/rbac/serviceaccount/{account}/change/").content.decode()
    assert f"…{key.last_four} n · never used" in page
    assert f"/admin/authsvc/issuedtoken/add/?account={account}" in page
