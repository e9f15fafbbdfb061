"""The list of pages beside every page: it offers what the reader may do, and marks where the reader is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from authsvc.tenants.models import Membership, MembershipRole
from authsvc.tenants.sidebar import MOST_KEPT

ROLES, ADD_ROLE = "/admin/rbac/role/", 'href="/admin/rbac/role/add/"'


def sidebar_of(page: Any) -> str:
    """Return the list beside a page."""
    found = re.search(r'<nav class="sticky" id="nav-sidebar".*?</nav>', page.content.decode(), re.DOTALL)
    assert found is not None
    return found.group()


def test_page_that_is_shown_is_marked_and_no_other(acme: Client) -> None:
    for url in (ROLES, "/admin/devices/device/", ROLES):
        marked = re.findall(r'<a href="([^"]+)" aria-current="page"', sidebar_of(acme.get(url)))
        assert marked == [url]


def test_reader_with_less_rights_is_offered_less(acme: Client) -> None:
    assert ADD_ROLE in sidebar_of(acme.get(ROLES))
    Membership.unscoped.filter(operator__username="acme").update(role=MembershipRole.AUDITOR)
    assert ADD_ROLE not in sidebar_of(acme.get(ROLES))
    Membership.unscoped.filter(operator__username="acme").update(role=MembershipRole.OWNER)
    assert ADD_ROLE in sidebar_of(acme.get(ROLES))


def test_kept_lists_stay_few(acme: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    site: Any = admin.site
    monkeypatch.setattr(site.sidebar, "_kept", dict.fromkeys(range(MOST_KEPT)))
    sidebar_of(acme.get(ROLES))
    assert len(site.sidebar._kept) < 5
