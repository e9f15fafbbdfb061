"""Flows in a real browser, in four looks: an administrator's by keyboard, counted; and how a new operator joins."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import VIEWS, Visit, enrol, open_window, profile
from tests.browser.operators import Newcomer, code_of, virtual_authenticator
from tests.live import LiveServer
from tests.scale import scaled

pytestmark = pytest.mark.browser
PLACES = {
    "desk-light": "acme/prod",
    "desk-dark": "acme/dev",
    "phone-light": "globex/prod",
    "phone-dark": "globex/dev",
}
ISSUE_AT_MOST, APPROVE_AT_MOST = 6, 3


class Keyboard:
    """Presses keys and counts what a person decides; Tab only moves on and is not counted."""

    def __init__(self, visit: Visit) -> None:
        self.page, self.interactions = visit.page, 0

    def reach(self, target: Locator) -> None:
        """Tab to a control, at most once around the page."""
        for _ in range(400):
            if target.evaluate("node => node === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError("the keyboard does not reach this control")

    def write(self, text: str) -> None:
        """Type into the focused control: one interaction."""
        self.page.keyboard.type(text)
        self.interactions += 1

    def press(self, key: str) -> None:
        """Press one key: one interaction."""
        self.page.keyboard.press(key)
        self.interactions += 1


def assert_nowhere(visit: Visit, secret: str) -> None:
    """Fail when a secret is in the page, a cookie, the browser's stores, an address it visited, or the server's log."""
    page = visit.page
    kept = page.evaluate("JSON.stringify([localStorage, sessionStorage, history.state, location.href, document.title])")
    places = (page.content(), str(page.context.cookies()), kept, "\n".join(visit.addresses), visit.live.log.read_text())
    assert not [place for place in places if secret in place]


def test_token_is_issued_by_keyboard_and_gone_after_back(visit: Visit) -> None:
    place = visit.live.place(PLACES[visit.view])
    page = visit.open("/admin/authsvc/issuedtoken/add/")
    keys = Keyboard(visit)
    account = page.locator("#id_account")
    assert account.evaluate("node => node === document.activeElement")
    account.select_option(place["client_id"])
    keys.interactions += 1
    keys.reach(page.locator("#scope-filter"))
    keys.write("profiles:read")
    keys.press("Enter")
    page.locator("#outlook").get_by_text("Can do 1 thing").wait_for()
    assert page.locator(".chip").all_inner_texts() == ["profiles:read remove"]
    keys.reach(page.locator("input[type=submit]"))
    keys.press("Enter")
    shown = page.locator("#shown-secret")
    shown.wait_for()
    secret = shown.inner_text()
    copy = page.locator("[data-copy=shown-secret]")
    assert copy.evaluate("node => node === document.activeElement")
    keys.press("Enter")
    page.get_by_text("Copied").wait_for()
    assert keys.interactions <= ISSUE_AT_MOST
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.get_by_role("button", name="Decide").click()
    page.locator("#verdict .verdict-yes").wait_for()
    page.get_by_role("link", name="Back to issued tokens").click()
    page.wait_for_load_state("networkidle")
    with pytest.raises(PlaywrightError, match="ERR_CACHE_MISS"):  # the browser would have to send the form again
        page.go_back()
    page.wait_for_url(re.compile("^chrome-error:|/add/"))
    assert secret not in page.content()
    page.go_back()
    page.wait_for_load_state("networkidle")
    assert_nowhere(visit, secret)


def test_device_is_approved_in_three_interactions_after_its_code(visit: Visit) -> None:
    pending = enrol(visit.live, PLACES[visit.view])
    page = visit.open(f"/admin/devices/device/{pending['id']}/do/approve/")
    button = page.locator("input[type=submit]")
    assert button.is_disabled()
    keys = Keyboard(visit)
    keys.write(pending["user_code"])
    assert button.is_enabled()
    keys.interactions = 0
    page.keyboard.press("Tab")
    keys.press("ArrowDown")
    keys.reach(button)
    keys.press("Enter")
    page.get_by_text("is approved with trust 2").wait_for()
    assert keys.interactions <= APPROVE_AT_MOST
    page = visit.open(f"/admin/devices/device/{pending['id']}/change/")
    assert "device.approved" in page.locator(".timeline").inner_text()


def test_stored_credential_is_never_in_a_page_again(visit: Visit) -> None:
    value = "sk-ant-api03-" + "Rk9" * 31
    page = visit.open("/admin/profiles/profile/add/")
    page.select_option("#id_environment", label=PLACES[visit.view])
    page.fill("#id_provider", "anthropic")
    page.fill("#id_name", "browser")
    page.select_option("#id_kind", "api_key")
    page.fill("#id_value", value)
    page.keyboard.press("Enter")
    page.get_by_text("is stored; only its fingerprint").wait_for()
    assert value not in page.content()
    page.go_back()
    assert page.locator("#id_value").input_value() == ""
    assert value not in page.content()


def test_role_is_granted_and_revoked(visit: Visit) -> None:
    place = visit.live.place(PLACES[visit.view])
    page = visit.open("/admin/rbac/grant/add/")
    page.select_option("#id_principal", place["reader"]["client_id"])
    page.select_option("#id_role", label=f"Profile reader {place['marker']}")  # one that needs no second factor
    page.fill("#id_reason", "on call")
    page.keyboard.press("Enter")
    page.get_by_text("Granted:").wait_for()
    page.locator("#result_list tbody a").first.click()
    page.get_by_role("link", name="Revoke").click()
    page.fill("#id_reason", "over")
    page.get_by_role("button", name="Revoke").click()
    page.get_by_text("Revoked:").wait_for()


def test_tenant_is_added(visit: Visit) -> None:
    page = visit.open("/admin/authsvc/tenant/add/")
    page.fill("#id_slug", f"t-{visit.view}")
    page.fill("#id_name", f"Tenant {visit.view}")
    page.keyboard.press("Enter")
    page.get_by_text("is ready, with dev and prod").wait_for()


@pytest.fixture(params=list(VIEWS)[scaled(3, 0) :])
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
