"""Filters of somebody who sees very many tenants: a few are offered, and always the one that is chosen."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from authsvc.tenants import admin_filters
from tests.world import World

TENANTS, PLACES = re.compile(r'href="\?tenant=([^"&]+)"'), re.compile(r'href="\?place=(env_[^"&]+)"')


def offered(client: Client, pattern: re.Pattern[str], page: str, **query: str) -> set[str]:
    return set(pattern.findall(client.get(f"/admin/{page}/", query).content.decode()))


@pytest.fixture(autouse=True)
def _one_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_filters, "MOST_OFFERED", 1)


def test_tenants_beyond_the_first_are_offered_when_chosen(world: World, platform: Client) -> None:
    acme, globex = (place.caller().tenant_id for place in (world.prod, world.foreign))
    page = "authsvc/auditevent"
    assert offered(platform, TENANTS, page) == {acme}
    assert offered(platform, TENANTS, page, tenant=globex) == {acme, globex}


def test_environments_beyond_the_first_are_offered_when_chosen(world: World, platform: Client) -> None:
    first, chosen = world.dev.environment().id, world.foreign.environment().id
    page = "devices/device"
    assert offered(platform, PLACES, page) == {first}
    assert offered(platform, PLACES, page, place=chosen) == {first, chosen}


def test_chosen_tenant_of_somebody_else_is_not_offered(world: World, globex: Client) -> None:
    body = globex.get("/admin/authsvc/auditevent/", {"tenant": world.prod.caller().tenant_id}).content.decode()
    assert "globex</a>" in body
    assert "acme</a>" not in body
