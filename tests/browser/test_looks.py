"""Every page in every look: no page scrolls sideways, and no serious accessibility fault by axe-core."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.conftest import AXE, Visit, place_to_look_at
from tests.browser.looks import pages_of

pytestmark = pytest.mark.browser
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Only faults are described node by node: what passes is most of a page, and is thrown away.
OPTIONS = json.dumps({"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": TAGS}})


def place_of(visit: Visit) -> dict[str, Any]:
    """Return acme/prod with a request that still waits."""
    return place_to_look_at(visit.live)


@pytest.mark.axe
def test_no_page_is_wider_than_the_window_or_has_a_serious_accessibility_fault(visit: Visit) -> None:
    faults = []
    for name, path in pages_of(place_of(visit)).items():
        page = visit.open(path)
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        faults += [f"{name}: {width} wider than the window"] if width > 1 else []
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
