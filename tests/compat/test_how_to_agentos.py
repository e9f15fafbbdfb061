"""``docs/how-to/connect-agentos.md``, followed to the letter by somebody who has only an issuer and an API key."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.compat.conftest import Tenancy
from tests.live import ROOT, free_port

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("compat")]
PAGE = (ROOT / "docs" / "how-to" / "connect-agentos.md").read_text()
DOCUMENTED_ADDRESS = "127.0.0.1:7777"
SECONDS_TO_START = 90
RESEARCH = """
from agentos_app import make_agents

agents = make_agents("agent-1", "agent-2")
"""


@pytest.fixture(scope="module")
def page(prod: Tenancy, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Return the page with a folder to follow it in."""
    return Page(prod, tmp_path_factory.mktemp("how-to"))


class Page:
    """The page's blocks, run in one folder with the live server's values in place of the examples."""

    def __init__(self, prod: Tenancy, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.commands = folder / "bin"
        self.commands.mkdir()
        for program in ("authsvc-jwks", "authsvc-sync"):
            (self.commands / program).symlink_to(ROOT / "deploy" / "gateway" / program)
        restart = self.commands / "systemctl"
        restart.write_text('#!/bin/sh\necho "$@" >> restarts\n')
        restart.chmod(0o700)
        search = f"{self.commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        values = {"BASE": prod.base_url, "ISSUER": prod.issuer, "API_KEY": str(prod.document["api_key"])}
        self.environment = {**os.environ, **values, "PATH": search}

    def follow(self, *blocks: str) -> str:
        """Run blocks of the page in one shell; return what the last command prints."""
        script = "\n".join(["set -u", *blocks]).replace(DOCUMENTED_ADDRESS, f"127.0.0.1:{self.port}")
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()[-1] if done.stdout else ""

    @contextlib.contextmanager
    def agentos(self) -> Iterator[None]:
        """Serve the page's AgentOS."""
        (self.folder / "my_agents.py").write_text(_blocks("python")[0])
        (self.folder / "research.py").write_text(RESEARCH)
        command = [sys.executable, "-m", "uvicorn", "my_agents:app", "--host", "127.0.0.1", "--port", str(self.port)]
        log = self.folder / "agentos.log"
        with log.open("wb") as output:
            offline = {**self.environment, "PYTHONPATH": str(Path(__file__).parent)}
            process = subprocess.Popen(command, cwd=self.folder, env=offline, stdout=output, stderr=output)
        try:
            _wait_until_ready(f"http://127.0.0.1:{self.port}/health", process, log)
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def test_page_followed_in_order_lists_the_granted_agent_alone(page: Page) -> None:
    _, register, account, fetch, use, *_ = _blocks("bash")
    keep = 'printf "%s\\n" "CLIENT_ID=$CLIENT_ID" "CLIENT_SECRET=$CLIENT_SECRET" "GATEWAY=$GATEWAY" > client'
    page.follow(register, account, f"{fetch}[ $? -eq 10 ]", keep)
    with page.agentos():
        listed = json.loads(page.follow(register.partition("GATEWAY=")[0], ". ./client", use))
    assert [agent["id"] for agent in listed] == ["agent-1"]


def test_page_rotation_restarts_only_when_the_file_changed(page: Page) -> None:
    rotation = _blocks("bash")[-3]
    file, restarts = page.folder / "jwks.json", page.folder / "restarts"
    file.write_text("old")
    page.follow(rotation)
    assert restarts.read_text() == "restart agentos\n"
    page.follow(rotation)
    assert restarts.read_text() == "restart agentos\n"


def test_page_acknowledges_the_keys_after_the_restart(page: Page) -> None:
    functions = _blocks("bash")[1].partition("GATEWAY=")[0]
    token, sync = _blocks("bash")[-2:]
    (page.folder / "jwks.json").write_text("old")
    (page.folder / "restarts").unlink(missing_ok=True)
    page.follow(functions, ". ./client", token, sync)
    shown = 'curl -s -H "Authorization: Bearer $API_KEY" "$BASE/api/v1/gateways/$GATEWAY" | field acknowledged_kids'
    kids = [key["kid"] for key in json.loads((page.folder / "jwks.json").read_text())["keys"]]
    assert page.follow(functions, ". ./client", shown) == str(sorted(kids))
    assert (page.folder / "restarts").read_text() == "restart agentos\n"


def test_page_installs_what_its_program_needs() -> None:
    install = next(line for line in PAGE.splitlines() if line.startswith("pip install"))
    assert {'"agno[os]==3.1.10"', "cryptography"} <= set(install.split())


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"AgentOS ended at once: {log.read_text()[-2000:]}")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address).status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"AgentOS did not start within {SECONDS_TO_START} seconds: {log.read_text()[-2000:]}")
