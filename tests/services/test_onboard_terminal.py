"""``onboard`` typed by a person: it asks for what is missing, hides the key, and ends with a working lease."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import httpx

from tests.live import ROOT, LiveServer

KEY = "sk-ant-api03-TYPED-" + "A" * 90
ANSWERS = (("Tenant", "typed-tenant"), ("Environment", "prod"), ("Provider", "anthropic"), ("Name of", "front"))


def _typed(live: LiveServer) -> str:
    """Answer each question when it is asked; return all that was on the screen."""
    ours, theirs = pty.openpty()
    starter = [sys.executable, str(Path(__file__).parent / "at_terminal.py"), sys.executable, "manage.py", "onboard"]
    process = subprocess.Popen(starter, cwd=ROOT, env=live.environment, stdin=theirs, stdout=theirs, stderr=theirs,
                               start_new_session=True)  # fmt: skip
    os.close(theirs)
    screen = ""
    waiting = [*ANSWERS, ("api_key for", KEY)]
    while True:
        try:
            screen += os.read(ours, 4096).decode()
        except OSError:  # the other side has closed
            break
        if waiting and re.search(rf"{waiting[0][0]}[^\n]*: $", screen):
            os.write(ours, f"{waiting.pop(0)[1]}\n".encode())
    os.close(ours)
    assert process.wait(60) == 0, screen
    assert waiting == []
    return screen


def test_onboard_at_a_terminal_asks_hides_the_key_and_leads_to_a_lease(live: LiveServer) -> None:
    screen = _typed(live)
    assert KEY not in screen
    found = re.search(r"Key to lease credentials with \(shown once\): (\S+)", screen)
    assert found is not None
    answer = httpx.post(
        f"{live.base_url}/api/v1/credentials/resolve",
        json={"provider": "anthropic"},
        headers={"Authorization": f"Bearer {found[1]}"},
        timeout=30,
    )
    assert (answer.json()["value"], answer.json()["tenant"]) == (KEY, "typed-tenant")
