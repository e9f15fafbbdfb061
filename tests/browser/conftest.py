"""A real browser against the live server: every page is watched for errors, policy violations and foreign requests."""

from __future__ import annotations

import functools
import json
import os
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.chromium import FLAGS, chromium
from tests.live import LiveServer, start_live_server
from tests.scale import scaled

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
VIEWS = {
    "desk-light": ((1280, 800), "light"),
    "desk-dark": ((1280, 800), "dark"),
    "phone-light": ((390, 844), "light"),
    "phone-dark": ((390, 844), "dark"),
}
WATCH = "document.addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the browser tests on one worker; without a chromium leave them out, and fail in CI."""
    mine = [item for item in items if item.get_closest_marker("browser")]
    for item in mine:
        item.add_marker(pytest.mark.xdist_group("browser"))
    if not chromium():
        leave_out(config, items, mine, "no chromium found")
    elif not AXE.exists():
        checks = [item for item in mine if item.get_closest_marker("axe")]
        leave_out(config, items, checks, "axe-core is not installed (npm install axe-core)")


def leave_out(config: pytest.Config, items: list[pytest.Item], which: list[pytest.Item], why: str) -> None:
    """Take tests out of this run and say so in one line; in CI that is an error."""
    if not which:
        return
    if os.environ.get("CI") == "true":
        raise pytest.UsageError(f"browser tests cannot run: {why}")
    config.get_terminal_writer().line(f"{why}: {len(which)} browser tests are left out")
    config.hook.pytest_deselected(items=which)
    items[:] = [item for item in items if item not in which]


@dataclass
class Visit:
    """One operator's window, and everything that went wrong in it."""

    page: Page
    live: LiveServer
    view: str
    problems: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of the service and wait until it is quiet."""
        self.page.goto(self.live.base_url + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def watch(self) -> None:
        """Note errors, policy violations, refused requests and requests to another host."""
        self.page.add_init_script(WATCH)
        self.page.on("console", lambda seen: self._note(seen.text) if seen.type == "error" else None)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("request", lambda request: self._check_host(request.url))
        self.page.on("framenavigated", lambda frame: self.addresses.append(frame.url))
        self.page.on("response", lambda answer: self._note(f"{answer.status} {answer.url}") if _bad(answer) else None)

    def _check_host(self, url: str) -> None:
        if not url.startswith((self.live.base_url, "data:", "about:")):
            self._note(f"outside: {url}")

    def _note(self, text: str) -> None:
        self.problems.append(text)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield one running chromium."""
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def signed_in_state(browser: Browser, live: LiveServer) -> Any:
    """Return a browser state signed in as the platform operator, made once through the login page."""
    return sign_in(browser, live)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield a server of our own: what other tests leave behind would change what the pages say."""
    with start_live_server(tmp_path_factory.mktemp("browser"), host="localhost") as server:  # passkeys need a name
        yield server


@pytest.fixture(scope="session")
def profiles(browser: Browser, signed_in_state: Any) -> Callable[[str], BrowserContext]:
    """Return a function from a look to the signed-in profile of it, which keeps its cache from window to window."""
    return functools.cache(lambda view: profile(browser, view, signed_in_state))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test its looks: pages are seen on desk and phone, a flow is gone through on one; at full size all."""
    if "visit" not in metafunc.fixturenames:
        return
    looks = list(VIEWS)[:: scaled(3, 1)]
    if scaled(1, 0) and not metafunc.definition.get_closest_marker("axe"):
        looks = [looks[zlib.crc32(metafunc.function.__name__.encode()) % len(looks)]]
    metafunc.parametrize("visit", looks, indirect=True)


@pytest.fixture
def visit(
    request: pytest.FixtureRequest, live: LiveServer, profiles: Callable[[str], BrowserContext]
) -> Iterator[Visit]:
    """Yield a window in one size and colour scheme; at the end nothing may have gone wrong in it."""
    seen = open_window(profiles(request.param), live, request.param)
    yield seen
    seen.page.close()
    assert seen.problems == []


def profile(browser: Browser, view: str, state: Any) -> BrowserContext:
    """Return a profile whose windows have this size and scheme."""
    (width, height), scheme = VIEWS[view]
    return browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        storage_state=state,
        permissions=["clipboard-read", "clipboard-write"],
    )


def open_window(context: BrowserContext, live: LiveServer, view: str) -> Visit:
    """Return a watched window of a profile."""
    seen = Visit(context.new_page(), live, view)
    seen.watch()
    return seen


def sign_in(browser: Browser, live: LiveServer, who: str = "platform") -> Any:
    """Sign in through the login page by keyboard; returns the state of that browser."""
    operator = live.document["operators"][who]
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{live.base_url}/admin/")
    page.fill("#id_username", operator["username"])
    page.fill("#id_password", operator["password"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live.base_url}/admin/")
    state = context.storage_state()
    context.close()
    return state


def enrol(live: LiveServer, name: str) -> dict[str, str]:
    """Let a device ask to join over the API; returns its id and the code it shows."""
    body = {"name": "Lab sensor", "device_type": "esp32", "requested_scopes": ["status:read"]}
    made: dict[str, str] = call(live, name, "POST", "/devices", body)
    return made


def place_to_look_at(live: LiveServer) -> dict[str, Any]:
    """Return acme/prod with a request that still waits, a review to decide about, and the id pages are asked with."""
    place = {**live.place("acme/prod"), "pending_device": enrol(live, "acme/prod")}
    call(live, "acme/prod", "POST", "/reviews", {"act": "relaxation", "fields": {"acts": ["trust"]}})
    for number in range(3):
        call(live, "acme/prod", "POST", "/decide", {"token": "x" * (number + 1), "scope": "profiles:read"})
    call(live, "acme/prod", "POST", "/credentials/resolve", {"provider": "anthropic"})
    event = call(live, "acme/prod", "GET", "/audit?limit=1")["results"][0]
    return {**place, "environment_id": event["environment_id"]}


def call(live: LiveServer, name: str, method: str, path: str, body: Any = None) -> Any:
    """Ask the API as an environment's administrator."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{live.base_url}/api/v1{path}", data, method=method)  # noqa: S310
    request.add_header("Authorization", f"Bearer {live.place(name)['api_key']}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def _bad(answer: Any) -> bool:
    return bool(answer.status >= 400)
