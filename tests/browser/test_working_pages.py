"""The pages an administrator works in, in a real browser: set up, import, order, grant, find, and ask a second one.

And every page in every look: no page scrolls sideways, and no serious accessibility fault by axe-core.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import AXE, Visit, open_window, place_to_look_at, profile, sign_in
from tests.browser.looks import pages_of
from tests.browser.test_flows import PLACES, assert_nowhere
from tests.live import LiveServer
from tests.scale import scaled

pytestmark = pytest.mark.browser
KEY = "sk-ant-api03-" + "Qx7" * 30
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
LOOKS_THAT_SHARE = scaled(2, 1)  # the light and the dark look ask axe about every other page each, or about all
# Only faults are described node by node: what passes is most of a page, and is thrown away.
OPTIONS = json.dumps({"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": TAGS}})


def submit(page: Page, name: str) -> None:
    """Press a button by its name and wait for the answer."""
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_load_state("networkidle")


def store(visit: Visit, provider: str, name: str, value: str) -> None:
    """Store a credential through its page."""
    page = visit.open("/admin/profiles/profile/add/")
    page.select_option("#id_environment", label=PLACES[visit.view])
    page.fill("#id_provider", provider)
    page.fill("#id_name", name)
    page.select_option("#id_kind", "api_key")
    page.fill("#id_value", value)
    page.locator("#outlook .verdict").wait_for()
    page.locator("input[type=submit].default").click()
    page.get_by_text("is stored; only its fingerprint").wait_for()


def test_empty_tenant_is_led_to_a_working_lease(visit: Visit) -> None:
    page = visit.open("/admin/authsvc/tenant/onboard/")
    page.select_option("#id_environment", "")
    page.fill("#id_tenant", f"new-{visit.view}")
    page.fill("#id_provider", "anthropic")
    page.fill("#id_value", "sk-or-v1-" + "a" * 64)
    page.locator("#outlook .verdict-no").wait_for()
    page.fill("#id_value", KEY)
    page.locator("#outlook .verdict-yes").wait_for()
    submit(page, "Set up")
    lease_key = page.locator("#shown-secret").inner_text()
    assert "lea_" in page.locator(".facts").inner_text()
    visit.open("/admin/")
    assert_nowhere(visit, lease_key)
    assert_nowhere(visit, KEY)


def test_foreign_file_is_previewed_and_imported(visit: Visit) -> None:
    page = visit.open("/admin/profiles/profile/import/")
    page.select_option("#id_environment", label=PLACES[visit.view])
    page.select_option("#id_format", "dotenv")
    page.fill("#id_agent", f"agent-{visit.view}")
    page.fill("#id_content", "GROQ_API_KEY=gsk_" + "v" * 52)
    page.locator("#id_content").blur()
    page.locator("#outlook").get_by_text("Would happen").wait_for()
    assert "groq:" in page.locator("#outlook").inner_text()
    submit(page, "Import")
    assert page.locator("#result_list").get_by_text("groq:").count() >= 1


def test_order_is_changed_by_keyboard_and_by_dragging(visit: Visit) -> None:
    for name in ("one", "two"):
        store(visit, "mistral", name, f"key-{name}-" + "m" * 32)
    page = visit.open("/admin/profiles/profile/outlook/")
    page.select_option("#id_environment", label=PLACES[visit.view])
    page.fill("#id_provider", "mistral")
    submit(page, "Show")
    first = page.locator("[data-key]").first
    assert (first.get_attribute("data-key") or "").endswith("one")
    page.get_by_role("button", name="Move mistral:two up").focus()
    page.keyboard.press("Enter")
    page.get_by_text("mistral:two is number 1 now").wait_for()
    assert page.locator("[data-key]").first.get_attribute("data-key") == "mistral:two"
    page.locator("[data-key='mistral:one'] span").drag_to(
        page.locator("[data-key='mistral:two'] span"), target_position={"x": 5, "y": 1}
    )
    page.get_by_text("The order is changed").wait_for()
    assert page.locator("[data-key]").first.get_attribute("data-key") == "mistral:one"


def test_role_is_edited_and_granted_from_the_matrix(visit: Visit) -> None:
    place = visit.live.place(PLACES[visit.view])
    page = visit.open("/admin/rbac/role/add/")
    page.select_option("#id_environment", label=PLACES[visit.view])
    page.fill("#id_name", f"Watcher {visit.view}")
    page.fill("#scope-filter", "audit:read")
    page.locator("#scope-filter").press("Enter")
    assert page.locator(".chip").all_inner_texts() == ["audit:read remove"]
    page.locator("input[type=submit].default").click()
    page.get_by_text("is created").wait_for()
    page = visit.open("/admin/rbac/role/matrix/")
    page.select_option("#matrix-place", label=PLACES[visit.view])
    submit(page, "Show")
    who = f"Reader {place['marker']}"
    page.get_by_role("link", name=f"Grant Watcher {visit.view} to {who}").click()
    page.locator("input[type=submit].default").click()
    page.get_by_text("Granted:").wait_for()
    page = visit.open("/admin/rbac/role/matrix/")
    page.select_option("#matrix-place", label=PLACES[visit.view])
    submit(page, "Show")
    assert page.get_by_role("link", name=f"{who} holds Watcher {visit.view}").inner_text() == "✓"


def test_route_is_typed_tried_moved_by_keyboard_and_made_public_on_purpose(visit: Visit) -> None:
    gateway = visit.live.place(PLACES[visit.view])["ids"]["gateway"]
    page = visit.open(f"/admin/rbac/gateway/{gateway}/routes/")
    page.fill("#id_rule_1_pattern", "/lamps/{id}")
    page.fill("#id_rule_1_scopes", "agents:read")
    page.fill("#id_rule_2_pattern", "/health")
    page.fill("#id_asked_path", "/lamps/7")
    page.press("#id_asked_path", "Enter")
    page.locator("#answer .verdict").get_by_text("agents:read").wait_for()
    page.get_by_role("button", name="Move rule 2 up").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Move rule 1 down'")
    assert page.locator("#id_rule_1_pattern").input_value() == "/health"
    submit(page, "Save")
    page.get_by_label("Yes, make it public").check()
    submit(page, "Save")
    page.get_by_text("are set. 2 rules of its own").wait_for()


def test_place_is_switched_and_things_are_found_with_ctrl_k(visit: Visit) -> None:
    place = visit.live.place(PLACES[visit.view])
    page = visit.open("/admin/")
    page.select_option("#house-place", label=PLACES[visit.view].replace("/", " / "))
    submit(page, "Go")
    tenant, _, name = PLACES[visit.view].partition("/")
    assert page.locator(".place").inner_text() == f"{tenant} / {name.upper()}"
    page.keyboard.press("Control+k")
    page.keyboard.type(place["ids"]["gateway"])
    page.keyboard.press("Enter")
    page.get_by_role("link", name=f"AgentOS {place['marker']}").first.click()
    page.get_by_text("Keys the gateway says it has").wait_for()
    page.select_option("#house-place", "")
    submit(page, "Go")


@pytest.fixture
def second(visit: Visit, browser: Browser, owner_state: Any) -> Iterator[Visit]:
    """Yield a window of the same look in which the tenant's owner is signed in."""
    seen = open_window(profile(browser, visit.view, owner_state), visit.live, visit.view)
    yield seen
    seen.page.context.close()
    assert seen.problems == []


@pytest.fixture(scope="session")
def owner_state(browser: Browser, live: LiveServer) -> Any:
    """Return a browser state signed in as acme's owner."""
    return sign_in(browser, live, "acme")


def test_promotion_is_asked_for_and_approved_by_a_second_operator(visit: Visit, second: Visit) -> None:
    page = visit.open("/admin/authsvc/tenant/?q=acme")
    page.locator("#result_list tbody a").first.click()
    page.get_by_role("link", name="Second operator").click()
    page.get_by_label("Take roles, routes").check()
    page.locator("input[type=submit].default").click()
    page.get_by_text("A second operator is needed for: promotion").wait_for()
    page = visit.open("/admin/rbac/role/add/")
    page.select_option("#id_environment", label="acme/dev")
    page.fill("#id_name", f"Keeper {visit.view}")
    page.fill("#id_scopes", "audit:read")
    page.locator("input[type=submit].default").click()
    page.get_by_text("is created").wait_for()
    page = visit.open("/admin/authsvc/review/promote/")
    page.select_option("#id_environment", label="acme/prod")
    page.fill("#id_source", "dev")
    submit(page, "Compare")
    for box in page.locator("input[name=item]").all():
        box.set_checked((box.get_attribute("value") or "") == f"role:Keeper {visit.view}")
    page.fill("#id_reason", f"release {visit.view}")
    submit(page, "Ask a second operator")
    page.get_by_text("A second operator was asked").wait_for()
    other = second.open("/admin/")
    other.get_by_role("link", name="wait for a second operator").click()
    other.locator("#result_list tbody a").first.click()
    other.get_by_role("link", name="Approve").click()
    assert f"role Keeper {visit.view}" in other.locator(".diff").inner_text()
    other.locator("input[type=submit].default").click()
    other.get_by_text("Approved and applied").wait_for()


def place_of(visit: Visit) -> dict[str, Any]:
    """Return acme/prod with a request that still waits."""
    return place_to_look_at(visit.live)


@pytest.mark.axe
def test_no_page_is_wider_than_the_window_or_has_a_serious_accessibility_fault(visit: Visit) -> None:
    faults, mine = [], visit.view.endswith("dark")
    for number, (name, path) in enumerate(pages_of(place_of(visit)).items()):
        page = visit.open(path)
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        faults += [f"{name}: {width} wider than the window"] if width > 1 else []
        if number % LOOKS_THAT_SHARE != mine % LOOKS_THAT_SHARE:
            continue
        page.evaluate(AXE.read_text())
        found = page.evaluate(f"axe.run({OPTIONS}).then(r => r.violations)")
        visit.problems = [text for text in visit.problems if "inline style" not in text and "CSP" not in text]  # axe's
        faults += [
            f"{name}: {item['id']} {node['target']} {node['failureSummary'][:200]}"
            for item in found
            if item["impact"] in {"serious", "critical"}
            for node in item["nodes"][:3]
        ]
    assert not faults, "\n".join(faults)
