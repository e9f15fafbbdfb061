"""``deploy/compose/agentos.yaml``: what it names exists, and the program of its image runs beside a live server."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.live import ROOT, LiveServer, free_port

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("compat")]
COMPOSE = ROOT / "deploy" / "compose"
PROGRAM = COMPOSE / "agentos"
SECONDS = 90
PLACE = "globex/dev"
AGENTS = (
    "from agentos_app import make_agents as made\n\n\ndef make_agents(_db):\n    return made('agent-1', 'agent-2')\n"
)


def service(name: str) -> dict[str, Any]:
    """Return a service of the example."""
    found: dict[str, Any] = yaml.safe_load((COMPOSE / "agentos.yaml").read_text())["services"][name]
    return found


def test_example_names_what_exists_and_sets_what_its_program_reads() -> None:
    agentos, image = service("agentos"), (PROGRAM / "Dockerfile").read_text()
    copied = [source for line in re.findall(r"^COPY (.+) \S+$", image, re.MULTILINE) for source in line.split()]
    assert [source for source in copied if not (ROOT / source).is_file()] == []
    assert (ROOT / agentos["build"]["dockerfile"]).is_file()
    assert os.access(PROGRAM / "start", os.X_OK)
    read = re.findall(r'environ\["(\w+)"\]', "".join(file.read_text() for file in PROGRAM.glob("*.py")))
    read += re.findall(r"\$(AGENTOS_\w+)", (PROGRAM / "start").read_text())
    assert set(read) - set(agentos["environment"]) == set()
    assert {"AUTHSVC_URL", "AUTHSVC_GATEWAY_TOKEN_FILE"} <= set(agentos["environment"])


def test_example_has_the_documented_topology() -> None:
    agentos, database = service("agentos"), service("agentos-database")
    both = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    assert agentos["ports"] == ["127.0.0.1:7777:7777"]
    assert database["image"].startswith("postgres:")
    assert "ports" not in database
    assert set(agentos["depends_on"]) == {"web", "agentos-database"}
    assert set(agentos["networks"]) <= set(both["networks"])
    assert agentos["environment"]["AGENTOS_DATABASE_URL"].startswith("postgresql+psycopg://agentos@agentos-database/")
    assert "cryptography" in (PROGRAM / "Dockerfile").read_text()


class Example:
    """The image's program, in a folder of its own, with agents that need no network."""

    def __init__(self, live: LiveServer, folder: Path, **settings: str) -> None:
        self.place, self.folder, self.port = live.place(PLACE), folder, free_port()
        for name in ("app.py", "start"):
            shutil.copy(PROGRAM / name, folder)
        (folder / "research.py").write_text(AGENTS)
        commands = folder / "bin"
        commands.mkdir()
        (commands / "authsvc-sync").symlink_to(ROOT / "deploy" / "gateway" / "authsvc-sync")
        token = folder / "gateway_token"
        token.touch(mode=0o600)
        token.write_text(self.place["gateway"]["token"])
        self.environment = {
            **os.environ,
            "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parent),
            "AUTHSVC_URL": live.base_url,
            "AUTHSVC_GATEWAY_TOKEN_FILE": str(token),
            "AGENTOS_ISSUER": self.place["issuer"],
            "AGENTOS_AUDIENCE": self.place["gateway"]["audience"],
            "AGENTOS_JWKS_FILE": str(folder / "jwks.json"),
            "AGENTOS_ORIGINS": "http://localhost:3000,https://os.agno.com",
            "AGENTOS_DATABASE_URL": "postgresql+psycopg://agentos@127.0.0.1:9/agentos",  # asked for sessions alone
            "AGENTOS_HOST": "127.0.0.1",
            "AGENTOS_PORT": str(self.port),
            **settings,
        }

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run ``start`` until AgentOS answers."""
        log = self.folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(self.folder / "start")],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + SECONDS
            while not self._is_up():
                assert process.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < deadline, log.read_text()[-2000:]
                time.sleep(0.1)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            process.wait(15)

    def _is_up(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.port}/health").status_code == 200
        return False

    def agents(self, **headers: str) -> httpx.Response:
        """Ask AgentOS for its agents."""
        return httpx.get(f"http://127.0.0.1:{self.port}/agents", headers=headers)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask authsvc."""
        base = self.place["issuer"].partition("/t/")[0]
        headers = {"Authorization": f"Bearer {self.place['api_key']}"}
        reply = httpx.request(method, f"{base}/api/v1{path}", headers=headers, json=body)
        assert reply.status_code < 300, reply.text
        return reply.json()


def test_example_serves_our_tokens_and_ends_when_the_keys_change(live: LiveServer, tmp_path: Path) -> None:
    example = Example(live, tmp_path, AGENTOS_SYNC_SECONDS="0.5")
    form = {
        "grant_type": "client_credentials",
        "audience": example.place["gateway"]["audience"],
        "scope": "agents:agent-1:read",
        "client_id": example.place["client_id"],
        "client_secret": example.place["client_secret"],
    }
    with example.started() as process:
        token = httpx.post(f"{example.place['issuer']}/oauth/token", data=form).json()["access_token"]
        listed = example.agents(Authorization=f"Bearer {token}", Origin="http://localhost:3000")
        assert [agent["id"] for agent in listed.json()] == ["agent-1"]
        assert listed.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "access-control-allow-origin" not in example.agents(Origin="https://evil.example").headers
        assert example.agents().status_code == 401
        staged = example.api("POST", "/keys/rotate", {})
        assert process.wait(SECONDS) in {0, -15}
    gateway = example.api("GET", f"/gateways/{example.place['gateway']['id']}")
    assert staged["kid"] in gateway["acknowledged_kids"]
