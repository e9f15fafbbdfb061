"""A key-encryption key is replaced while gateways read, and the replacing process is killed again and again."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import warm
from tests.live import ROOT, LiveServer, start_live_server
from tests.live_database import demo
from tests.scale import scaled

KILLS = scaled(quick=1, full=20)
KEYS_PER_KILL = 8
PROVIDERS = 6
PAUSE_SECONDS = scaled(quick=20, full=0) / 1000  # between two reads; a re-wrap of the quick size takes hundreds of them
MAKE_KEYS = """
from datetime import UTC, datetime
from authsvc.tenants.services import environment_caller, get_environment, system_caller
from authsvc.vault.services import rotate_data_key
from authsvc.web.secret_text import SecretText
from profiles.providers import Kind
from profiles.services.paste import PasteRequest, paste_credential
caller = environment_caller(system_caller(), get_environment(tenant="acme", environment="prod"))
now = datetime.now(UTC)
for number in range({keys}):
    rotate_data_key(caller, now=now)
    if number < {providers}:
        request = PasteRequest(f"kek-llm-{{number}}", "main", Kind.API_KEY)
        paste_credential(caller, request, SecretText(f"kek-secret-{{number}}"), now=now)
"""


def _key(name: str) -> str:
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


OLD, NEW = os.environ["AUTHSVC_KEKS"], _key("new-2026")  # the demo of all live servers is sealed under the old one


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield a server that seals under the old key and already knows the new one."""
    folder = tmp_path_factory.mktemp("keks")
    demo()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AUTHSVC_KEKS", f"{OLD},{NEW}")
        with start_live_server(folder, workers=1, PYTHONUNBUFFERED="1") as started:
            script = MAKE_KEYS.format(keys=KILLS * KEYS_PER_KILL, providers=PROVIDERS)
            made = _manage(started, f"{OLD},{NEW}", "shell", "-v", "0", "-c", script)
            assert made.returncode == 0, made.stderr
            yield started


class Reader(threading.Thread):
    """A gateway that leases every value in turn until it is told to stop; keeps whatever was not right."""

    def __init__(self, server: LiveServer) -> None:
        super().__init__()
        self.client = httpx.Client(
            base_url=f"{server.base_url}/api/v1",
            headers={"Authorization": f"Bearer {server.place('acme/prod')['api_key']}"},
            timeout=60,
        )
        self.told_to_stop = threading.Event()
        self.reads = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        """Read."""
        while not self.told_to_stop.wait(PAUSE_SECONDS):
            number = self.reads % PROVIDERS
            answer = self.client.post("/credentials/resolve", json={"provider": f"kek-llm-{number}"})
            if answer.status_code != 200 or answer.json()["value"] != f"kek-secret-{number}":
                self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
            self.reads += 1


def _environment(server: LiveServer, keks: str) -> dict[str, str]:
    return {**server.environment, "AUTHSVC_KEKS": keks}


def _manage(server: LiveServer, keks: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm.run(["manage.py", *arguments], _environment(server, keks))


def _rewrap_until_killed(server: LiveServer, dice: random.Random) -> int:
    """Start re-wrapping, kill it with -9 at a random moment, and return how many keys it told of."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "vault", "rewrap"],
        env=_environment(server, f"{NEW},{OLD}"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(dice.randint(1, KEYS_PER_KILL // 2))]
    time.sleep(dice.random() * 0.02)  # anywhere between two commits
    process.kill()
    rest = process.stdout.readlines()
    process.wait()
    assert process.returncode == -9, (told, rest)
    return sum("is wrapped by new-2026" in line for line in [*told, *rest])


def test_rewrap_killed_at_random_moments_resumes_and_frees_the_old_key(server: LiveServer, tmp_path: Path) -> None:
    dice = random.Random(20_260)
    reader = Reader(server)
    reader.start()
    try:
        progress = [_rewrap_until_killed(server, dice) for _ in range(KILLS)]
        finished = _manage(server, f"{NEW},{OLD}", "vault", "rewrap")
    finally:
        reader.told_to_stop.set()
        reader.join(120)
    assert min(progress) >= 1
    assert finished.returncode == 0, finished.stderr
    assert reader.wrong == []
    assert reader.reads > KILLS
    verified = _manage(server, NEW, "vault", "verify")
    assert verified.returncode == 0, verified.stdout
    path = tmp_path / "export.json"
    place = ("--tenant", "acme", "--env", "prod")
    exported = _manage(server, NEW, "profiles", "export", *place, "--secrets", "full", "--output", str(path))
    assert exported.returncode == 0, exported.stderr
    entries = json.loads(path.read_text())["profiles"]
    kept = {name: entry["key"] for name, entry in entries.items() if name.startswith("kek-llm-")}
    assert kept == {f"kek-llm-{number}:main": f"kek-secret-{number}" for number in range(PROVIDERS)}
