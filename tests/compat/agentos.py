"""Starts a real AgentOS beside the tests: agno as the suite has it, or 2.9 from an environment made from a lock."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import pytest

from tests.compat.installed import install_once
from tests.live import ROOT, free_port

APP = Path(__file__).parent / "agentos_app.py"
OLDER = "2.9.0"
OLDER_LOCK = Path(__file__).parent / f"agno-{OLDER}.lock"
SECONDS_TO_START = 90


@dataclass(frozen=True, slots=True)
class AgentOS:
    """One AgentOS: what it was told to trust, and where it listens."""

    port: int
    jwks_file: str
    issuer: str
    audience: str
    algorithm: str = "RS256"

    def get(self, path: str, token: str = "") -> httpx.Response:
        """GET with a bearer, or without one."""
        return httpx.get(self._url(path), headers=_bearer(token), timeout=30)

    def run(self, agent: str, token: str) -> httpx.Response:
        """Run an agent."""
        form = {"message": "hello", "stream": "false"}
        return httpx.post(self._url(f"/agents/{agent}/runs"), data=form, headers=_bearer(token), timeout=30)

    def agents(self, token: str) -> list[str]:
        """Return the ids that the list shows to this token."""
        answer = self.get("/agents", token)
        assert answer.status_code == 200, answer.text
        return sorted(agent["id"] for agent in answer.json())

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


def interpreter_of(version: str) -> str:
    """Return the Python that has this agno; the older one's environment is made once, from its lock file."""
    return sys.executable if version != OLDER else _older_environment()


@contextlib.contextmanager
def running(interpreter: str, folder: Path, *systems: AgentOS) -> Iterator[None]:
    """Run every given AgentOS in one process of its own."""
    log = folder / f"agentos-{systems[0].port}.log"
    command = [interpreter, str(APP), json.dumps([asdict(system) for system in systems])]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    try:
        for system in systems:
            _wait_until_ready(system, process, log)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def on_free_port(jwks_file: Path, issuer: str, audience: str, algorithm: str = "RS256") -> AgentOS:
    """Return an AgentOS to start, on a port nobody uses."""
    return AgentOS(free_port(), str(jwks_file), issuer, audience, algorithm)


def fetch_jwks(issuer: str, file: Path) -> list[str]:
    """Write the key set of an issuer into a file, as an operator would; return its key ids."""
    answer = httpx.get(f"{issuer}/.well-known/jwks.json")
    assert answer.status_code == 200, answer.text
    file.write_bytes(answer.content)
    return [key["kid"] for key in answer.json()["keys"]]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _wait_until_ready(system: AgentOS, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"AgentOS ended at once: {log.read_text()[-2000:]}")
        with contextlib.suppress(httpx.TransportError):
            if system.get("/health").status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"AgentOS did not start within {SECONDS_TO_START} seconds: {log.read_text()[-2000:]}")


def _older_environment() -> str:
    folder = ROOT / f".venv-agno-{OLDER}"
    interpreter = str(folder / "bin" / "python")
    install = [interpreter, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
    commands = ([sys.executable, "-m", "venv", str(folder)], [*install, "-r", str(OLDER_LOCK)])
    install_once(f"agno {OLDER}", folder, OLDER_LOCK, commands)
    return interpreter
