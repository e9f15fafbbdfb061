"""``make screenshots``: a picture of every page in every look, written to the git-ignored folder ``screenshots/``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import VIEWS, open_window, place_to_look_at, profile, sign_in
from tests.browser.looks import pages_of
from tests.chromium import FLAGS, chromium
from tests.live import LiveServer, start_live_server

FOLDER = Path(__file__).resolve().parents[2] / "screenshots"


def take_all(views: list[str]) -> int:
    """Start a server of its own, take the pictures, and say where they are."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as state, start_live_server(Path(state)) as live, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        taken = sum(take(browser, live, view) for view in views)
        browser.close()
    sys.stdout.write(f"{taken} pictures in {FOLDER.name}/\n")
    return 0


def take(browser: Browser, live: LiveServer, view: str) -> int:
    """Take the pictures of one look; returns how many."""
    seen = open_window(profile(browser, view, sign_in(browser, live)), live, view)
    place = place_to_look_at(live)
    pages = pages_of(place)
    for name, path in pages.items():
        shoot(seen.open(path), f"{view}-{name}")
    page = seen.open(f"/admin/authsvc/issuedtoken/add/?account={place['client_id']}&picked=profiles:read")
    page.click("button[name=preview]")
    page.wait_for_load_state("networkidle")
    shoot(page, f"{view}-preview")
    page.locator("input[name=confirmed]").check() if page.locator("input[name=confirmed]").count() else None
    page.click("input[type=submit]")
    page.wait_for_load_state("networkidle")
    shoot(page, f"{view}-shown-once")
    for problem in seen.problems:
        sys.stdout.write(f"{view}: {problem}\n")
    seen.page.context.close()
    return len(pages) + 2


def shoot(page: Page, name: str) -> None:
    """Write one picture."""
    page.screenshot(path=str(FOLDER / f"{name}.png"), full_page=True)


if __name__ == "__main__":
    raise SystemExit(take_all(sys.argv[1:] or list(VIEWS)))
