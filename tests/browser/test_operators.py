"""A new operator in a real browser: invitation, authenticator, passkey, confirmation of a grave act, sessions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import VIEWS, open_window, profile
from tests.browser.operators import Newcomer, code_of, virtual_authenticator
from tests.live import LiveServer
from tests.scale import scaled

pytestmark = pytest.mark.browser


@pytest.fixture(params=list(VIEWS)[:: scaled(3, 1)])
def newcomer(request: pytest.FixtureRequest, browser: Browser, live: LiveServer) -> Iterator[Newcomer]:
    """Yield somebody nobody knows yet, in a window of their own; at the end nothing may have gone wrong in it."""
    seen = open_window(profile(browser, request.param, None), live, request.param)
    yield Newcomer(seen, f"anna-{request.param}-{id(seen)}")
    seen.page.context.close()
    assert seen.problems == []


def test_newcomer_joins_proves_and_comes_back(newcomer: Newcomer) -> None:
    page, visit = newcomer.visit.page, newcomer.visit
    virtual_authenticator(visit)
    newcomer.accept()
    codes = newcomer.set_up_code().split()
    assert len(codes) == 10
    visit.open("/admin/second-factor/")
    assert codes[0] not in page.content()
    assert newcomer.key not in page.content()
    newcomer.add_passkey()
    newcomer.sign_out()
    newcomer.give_password()
    page.fill("#id_factor_code", code_of(newcomer.key, ahead_seconds=30))
    page.keyboard.press("Enter")
    page.get_by_text("What needs you").first.wait_for()
    newcomer.sign_out()
    newcomer.give_password()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("What needs you").first.wait_for()
    newcomer.sign_out()
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_text("What needs you").first.wait_for()
    assert "this browser" in visit.open("/admin/sessions/").content()
    secrets = [newcomer.key.replace(" ", ""), *codes]
    kept = str(page.context.cookies()) + page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert [text for text in secrets if text in kept] == []
    confirm_grave_act(newcomer)


def confirm_grave_act(newcomer: Newcomer) -> None:
    """Ask for an administrator's role with a stale factor, confirm with the passkey, and lose nothing."""
    page = newcomer.visit.open("/admin/rbac/role/add/")
    newcomer.grow_stale()
    page.select_option("#id_environment", label="acme/dev")
    page.fill("#id_name", f"root of {newcomer.name}")
    page.fill("#id_scopes", "authsvc:admin")
    page.get_by_role("button", name="Add role").click()
    page.get_by_text("Nothing you entered is lost").wait_for()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text(f"Role root of {newcomer.name} is created").wait_for()


def test_refused_passkey_says_so_and_leaves_the_code(newcomer: Newcomer) -> None:
    page = newcomer.visit.open("/admin/login/")
    session = virtual_authenticator(newcomer.visit)  # it holds no key of this site
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_text("No passkey was used").wait_for()
    session.detach()
