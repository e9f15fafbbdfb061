"""The page that issues a token: starts, preview, warnings that must be read, and the decision asked at once."""

from __future__ import annotations

from typing import Any

from django.test import Client

from authsvc.tokens.models import IssuedToken
from tests.admin.conftest import prove
from tests.admin.test_flows import SECRET, issue_token, secret_of
from tests.world import World

URL = "/admin/authsvc/issuedtoken/add/"
EXPLAIN = "/admin/authsvc/issuedtoken/explain/"


def send(client: Client, world: World, **fields: Any) -> str:
    """Send the form for the demo's administrator account and return the page."""
    body = {"account": world.prod.client_id, "ttl_seconds": "3600", **fields}
    return client.post(URL, body).content.decode()


def test_preview_counts_what_the_token_can_do_and_mints_nothing(world: World, acme: Client) -> None:
    before = IssuedToken.unscoped.count()
    page = send(acme, world, scopes="profiles:read devices:read", preview="1")
    assert "Can do 2 things" in page
    assert "See provider profiles." in page
    assert IssuedToken.unscoped.count() == before


def test_administration_of_prod_needs_the_warning_read(world: World, acme: Client) -> None:
    first = send(acme, world, picked="authsvc:admin")
    assert "administration of PROD" in first
    assert not SECRET.search(first)
    assert not SECRET.search(send(acme, world, picked="authsvc:admin", confirmed="on"))
    assert SECRET.search(send(prove(acme), world, picked="authsvc:admin", confirmed="on"))


def test_start_from_a_role_takes_its_scopes(world: World, acme: Client) -> None:
    assert "authsvc:admin" in send(acme, world, start=f"role:{world.prod.ids['role']}", preview="1")


def test_copy_of_another_token_takes_its_scopes(world: World, acme: Client) -> None:
    issue_token(acme, world)
    newest = IssuedToken.unscoped.order_by("-created_at")[0]
    page = send(acme, world, start=f"token:{newest.id}")
    assert SECRET.search(page)
    assert IssuedToken.unscoped.order_by("-created_at")[0].scopes == ["profiles:read"]


def test_start_from_another_environment_is_refused(world: World, acme: Client) -> None:
    page = send(acme, world, start=f"role:{world.dev.ids['role']}")
    assert not SECRET.search(page)


def test_scopes_the_account_does_not_hold_are_named_in_the_preview(world: World, acme: Client) -> None:
    page = acme.post(
        URL,
        {
            "account": world.prod.reader["client_id"],
            "ttl_seconds": "900",
            "picked": ["profiles:read", "devices:read"],
            "preview": "1",
        },
    ).content.decode()
    assert "Left out" in page
    assert "devices:read" in page


def test_page_opened_for_an_account_shows_what_it_holds(world: World, acme: Client) -> None:
    page = acme.get(URL, {"account": world.prod.client_id}).content.decode()
    assert "holds already" in page
    assert f"/admin/authsvc/apikey/{world.prod.ids['api_key']}/do/rotate/" in page


def test_page_opened_for_a_foreign_account_shows_nothing_of_it(world: World, globex: Client) -> None:
    page = globex.get(URL, {"account": world.prod.client_id}).content.decode()
    assert "holds already" not in page


def test_testing_a_fresh_token_shows_the_decision_and_its_reason(world: World, acme: Client) -> None:
    token = secret_of(issue_token(acme, world))
    place = world.prod.environment().id
    yes = acme.post(EXPLAIN, {"environment": place, "token": token, "scope": "profiles:read"})
    no = acme.post(EXPLAIN, {"environment": place, "token": token, "scope": "devices:approve"})
    assert "Allowed" in yes.content.decode()
    assert "insufficient_scope" in no.content.decode()
    assert "Smallest grant" in no.content.decode()
    for page in (yes, no):
        assert token not in page.content.decode()
        assert "no-store" in page.headers["Cache-Control"]


def test_token_of_another_tenant_is_explained_like_a_made_up_one(world: World, globex: Client, acme: Client) -> None:
    token = secret_of(issue_token(acme, world))
    place = world.foreign.environment().id
    for text in (token, "not-a-token"):
        page = globex.post(EXPLAIN, {"environment": place, "token": text, "scope": "profiles:read"}).content.decode()
        assert "invalid_token" in page
        assert world.prod.client_id not in page
