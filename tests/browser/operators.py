"""What a new operator does in the browser: accept, set up a factor, add a passkey, come back, confirm a grave act."""

from __future__ import annotations

import json
import time
from base64 import b32decode
from dataclasses import dataclass

from django_otp.oath import TOTP
from playwright.sync_api import CDPSession

from tests.browser.conftest import Visit
from tests.live import LiveServer

PASSWORD = "correct horse battery"
AGE_SESSIONS = """
from authsvc.operators.models import OperatorSession
from authsvc.operators.session_store import SessionStore
for row in OperatorSession.objects.filter(operator__username={name!r}):
    data = row.get_decoded()
    data["factor_shown_at"] = 0
    OperatorSession.objects.filter(pk=row.pk).update(session_data=SessionStore().encode(data))
"""


def invitation(live: LiveServer, name: str) -> str:
    """Return the path of a fresh invitation of an owner into acme."""
    made = live.manage("operators", "invite", "--tenant", "acme", "--invited", name, "--role", "owner", "--json")
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["link"]).removeprefix(live.base_url)


def code_of(key: str, *, ahead_seconds: int = 0) -> str:
    """Return the code an authenticator with this key shows now, or shortly."""
    text = key.replace(" ", "")
    totp = TOTP(b32decode(text + "=" * (-len(text) % 8)))
    totp.time = time.time() + ahead_seconds
    return f"{totp.token():06d}"


def virtual_authenticator(visit: Visit) -> CDPSession:
    """Give the window a platform authenticator that verifies its user."""
    session = visit.page.context.new_cdp_session(visit.page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


@dataclass
class Newcomer:
    """An operator that came by invitation, in one window."""

    visit: Visit
    name: str
    key: str = ""

    def accept(self) -> None:
        """Open the link and make the account."""
        page = self.visit.open(invitation(self.visit.live, self.name))
        page.fill("#id_username", self.name)
        page.fill("#id_password", PASSWORD)
        page.get_by_role("button", name="Make my account and join").click()
        page.get_by_text("What needs you").first.wait_for()

    def set_up_code(self) -> str:
        """Set up an authenticator; returns the recovery codes as shown."""
        page = self.visit.open("/admin/second-factor/")
        page.get_by_role("button", name="Set up an authenticator").click()
        self.key = page.locator("#shown-secret").inner_text()
        page.fill("#id_code", code_of(self.key))
        page.keyboard.press("Enter")
        page.get_by_text("Your second factor works").wait_for()
        return page.locator("#shown-secret").inner_text()

    def add_passkey(self) -> None:
        """Add a passkey of this window's authenticator."""
        page = self.visit.open("/admin/second-factor/")
        page.fill("#passkey-name", "this laptop")
        page.get_by_role("button", name="Add a passkey").click()
        page.get_by_text("The passkey “this laptop” works from now on").wait_for()

    def sign_out(self) -> None:
        """Leave, and open the sign-in page."""
        page = self.visit.open("/admin/")
        page.locator("#logout-form button").click()
        page.wait_for_load_state("networkidle")
        self.visit.open("/admin/login/")

    def give_password(self) -> None:
        """Sign in with name and password, up to the second factor."""
        page = self.visit.page
        page.fill("#id_username", self.name)
        page.fill("#id_password", PASSWORD)
        page.keyboard.press("Enter")
        page.locator("#id_factor_code").wait_for()

    def grow_stale(self) -> None:
        """Let the factor have been shown long ago."""
        aged = self.visit.live.manage("shell", "-v", "0", "-c", AGE_SESSIONS.format(name=self.name))
        assert aged.returncode == 0, aged.stderr
