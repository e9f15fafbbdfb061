"""Every id has a page, also one that holds what Django's admin reads as an escaped character."""

from __future__ import annotations

import pytest
from django.contrib.admin.utils import QUOTE_MAP, quote
from django.test import Client

from rbac.models import Role
from tests.world import World


@pytest.mark.parametrize("code", [text for code, text in QUOTE_MAP.items() if code != ord("_")])
def test_row_whose_id_looks_escaped_has_its_pages(world: World, acme: Client, code: str) -> None:
    place = world.prod.environment()
    role = Role.unscoped.create(
        id=f"rol{code}looksEscaped", tenant_id=place.tenant_id, environment=place, name="Looks escaped", scopes=[]
    )
    for written in (role.pk, quote(role.pk)):
        for page in ("change/", "history/", "do/edit/"):
            answer = acme.get(f"/admin/rbac/role/{written}/{page}")
            assert answer.status_code == 200, (written, page)
            assert "Looks escaped" in answer.content.decode()
    assert acme.get(f"/admin/rbac/role/rol{code}looksOther/change/").status_code == 404
