"""The page where people approve, in a real browser at phone width: sign in, compare the code, choose, approve."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.chromium import FLAGS, chromium
from tests.live import LiveServer

PHONE = {"width": 360, "height": 740}
pytestmark = pytest.mark.browser


def test_person_approves_on_a_phone_and_the_device_gets_its_token(live: LiveServer) -> None:
    place, operator = live.place("acme/prod"), live.document["operators"]["acme"]
    client = {"client_id": "authsvc-device"}
    form = {**client, "scope": "status:read", "device_name": "Hall lamp " + "x" * 60}
    asked = httpx.post(f"{place['issuer']}/oauth/device_authorization", data=form, timeout=30).json()
    with ThreadPoolExecutor(1) as own_thread:  # another browser's event loop may run in this one
        complaints = own_thread.submit(approve_on_a_phone, asked, operator).result()
    poll = {**client, "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": asked["device_code"]}
    token = httpx.post(f"{place['issuer']}/oauth/token", data=poll, timeout=30).json()
    assert token["scope"] == "status:read"
    assert [text for text in complaints if "Content Security Policy" in text] == []


def approve_on_a_phone(asked: dict[str, Any], operator: dict[str, str]) -> list[str]:
    """Sign in, compare, approve; return what the console said."""
    complaints: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport=PHONE)  # type: ignore[arg-type]
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(asked["verification_uri_complete"])
        page.fill("#id_username", operator["username"])
        page.fill("#id_password", operator["password"])
        page.press("#id_password", "Enter")
        page.click("button:has-text('Continue')")
        assert page.inner_text(".code") == asked["user_code"]
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.check("input[name=trust_level][value='2']")
        page.click("button[value=approve]")
        assert "is now active" in page.inner_text("[role=status]")
        browser.close()
    return complaints
