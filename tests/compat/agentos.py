"""Starts a real AgentOS beside the tests: agno as the suite has it, or 2.9 from an environment made from a lock."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compat.installed import install_once
from tests.live import CERTIFICATES, ROOT, free_port

APP = Path(__file__).parent / "agentos_app.py"
OLDER = "2.9.0"
OLDER_LOCK = Path(__file__).parent / f"agno-{OLDER}.lock"
SECONDS_TO_START = 90
SECONDS_TO_END = 10


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
        return httpx.get(self._url(path), headers=_bearer(token), timeout=30, verify=CERTIFICATES)

    def run(self, agent: str, token: str) -> httpx.Response:
        """Run an agent."""
        form = {"message": "hello", "stream": "false"}
        url = self._url(f"/agents/{agent}/runs")
        return httpx.post(url, data=form, headers=_bearer(token), timeout=30, verify=CERTIFICATES)

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
    process = _fork(interpreter, {"log": str(log), "systems": [asdict(system) for system in systems]})
    try:
        for system in systems:
            _wait_until_ready(system, process, log)
        yield
    finally:
        _end(process)


@functools.cache
def _imported(interpreter: str) -> subprocess.Popen[str]:
    """Return a process that has imported this interpreter's agno; it ends with the tests', which close its input."""
    command = [interpreter, str(APP)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _fork(interpreter: str, order: dict[str, Any]) -> int:
    parent = _imported(interpreter)
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(json.dumps(order) + "\n")
    parent.stdin.flush()
    return int(parent.stdout.readline())


def _is_running(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def _end(process: int) -> None:
    """Ask a server to end, and end it when it is still there a while later."""
    deadline = time.monotonic() + SECONDS_TO_END
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.kill(process, 0)
            time.sleep(0.05)
        os.kill(process, signal.SIGKILL)


def on_free_port(jwks_file: Path, issuer: str, audience: str, algorithm: str = "RS256") -> AgentOS:
    """Return an AgentOS to start, on a port nobody uses."""
    return AgentOS(free_port(), str(jwks_file), issuer, audience, algorithm)


def fetch_jwks(issuer: str, file: Path) -> list[str]:
    """Write the key set of an issuer into a file, as an operator would; return its key ids."""
    answer = httpx.get(f"{issuer}/.well-known/jwks.json", verify=CERTIFICATES)
    assert answer.status_code == 200, answer.text
    file.write_bytes(answer.content)
    return [key["kid"] for key in answer.json()["keys"]]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _wait_until_ready(system: AgentOS, process: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if not _is_running(process):
            pytest.fail(f"AgentOS ended at once: {log.read_text()[-2000:]}")
        with contextlib.suppress(OSError, httpx.TransportError), socket.create_connection(("127.0.0.1", system.port)):
            if system.get("/health").status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"AgentOS did not start within {SECONDS_TO_START} seconds: {log.read_text()[-2000:]}")


def _older_environment() -> str:
    folder = ROOT / f".venv-agno-{OLDER}"
    command = [sys.executable, str(ROOT / "tests" / "environments.py"), sys.executable, str(folder), str(OLDER_LOCK)]
    install_once(f"agno {OLDER}", folder, OLDER_LOCK, [command])
    return str(folder / "bin" / "python")
