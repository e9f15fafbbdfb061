"""Without the database the key set is repeated from memory, for an hour, and never for what was not asked before."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from authsvc.gate import jwks
from authsvc.tenants.models import Tenant
from tests.world import World

FORMS = ("/.well-known/jwks.json", "/jwks.pem")


def ask(path: str, *, is_gone: bool = False) -> Any:
    def fail(execute: Any, *arguments: Any) -> Any:
        if is_gone:
            raise OperationalError
        return execute(*arguments)

    with connection.execute_wrapper(fail):
        return Client().get(path)


@pytest.mark.parametrize("form", FORMS)
def test_answer_is_repeated_without_the_database(world: World, form: str) -> None:
    path = world.prod.path(form)
    jwks._LAST.clear()
    assert ask(path, is_gone=True).status_code == 503
    before = ask(path)
    again = ask(path, is_gone=True)
    assert (again.status_code, again.content) == (200, before.content)
    assert again["ETag"] == before["ETag"]
    assert ask(world.dev.path(form), is_gone=True).status_code == 503


def test_answer_older_than_an_hour_is_not_repeated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.prod.path(FORMS[0])
    ask(path)
    monkeypatch.setattr(jwks, "KEPT_SECONDS", 0)
    assert ask(path, is_gone=True).status_code == 503


def test_closed_tenant_is_forgotten_with_the_next_answer(world: World) -> None:
    path = world.prod.path(FORMS[0])
    ask(path)
    Tenant.objects.filter(slug="acme").update(state="suspended")
    assert ask(path).status_code == 404
    assert ask(path, is_gone=True).status_code == 503
