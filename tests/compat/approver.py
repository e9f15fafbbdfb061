"""A person with a real browser, signed in as an operator of acme, who approves devices on the ``/device`` page.

The browser lives in a thread of its own, because another browser's event loop may run in the tests'.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import Page, sync_playwright

from tests.chromium import FLAGS, chromium
from tests.compat.installed import cannot_run
from tests.live import LiveServer


class Approver:
    """Types a code, compares it with the card, chooses verified, and presses Approve."""

    def __init__(self, live: LiveServer) -> None:
        self.live = live
        self.thread = ThreadPoolExecutor(1)
        self.page: Page = self.thread.submit(self._sign_in).result(60)

    def approve(self, user_code: str) -> None:
        """Approve what shows this code, as verified."""
        self.thread.submit(self._approve, user_code).result(60)

    def close(self) -> None:
        """End the browser."""
        self.thread.submit(self._end).result(60)
        self.thread.shutdown()

    def _sign_in(self) -> Page:
        binary = chromium()
        if binary is None:
            cannot_run("approving in a browser needs chromium, and none is installed")
        self.driver = sync_playwright().start()
        self.browser = self.driver.chromium.launch(executable_path=binary, args=FLAGS)
        operator = self.live.document["operators"]["acme"]
        page = self.browser.new_page()
        page.goto(f"{self.live.base_url}/device")
        page.fill("#id_username", operator["username"])
        page.fill("#id_password", operator["password"])
        page.press("#id_password", "Enter")
        page.wait_for_selector("#user_code")
        return page

    def _approve(self, user_code: str) -> None:
        self.page.goto(f"{self.live.base_url}/device")
        self.page.fill("#user_code", user_code)
        self.page.click("button:has-text('Continue')")
        assert self.page.inner_text(".code") == user_code
        self.page.check("input[name=trust_level][value='2']")
        self.page.click("button[value=approve]")
        assert "is now active" in self.page.inner_text("[role=status]")

    def _end(self) -> None:
        self.browser.close()
        self.driver.stop()
