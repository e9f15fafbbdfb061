"""What the service is compared with: a bare Django view, DRF with simplejwt, and agno's own middleware.

They run beside the service in the same session, with as many workers and the same tokens, and write nothing.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.live import ROOT, free_port

SECONDS_TO_START = 40
WORKERS, THREADS = 2, 4


@dataclass(frozen=True)
class Peer:
    """A running peer."""

    name: str
    base_url: str


@contextlib.contextmanager
def django_peers(folder: Path, settings: dict[str, str]) -> Iterator[Peer]:
    """Yield the bare view (``/bare``, ``/echo``) and DRF + simplejwt (``/simplejwt``), under the service's gunicorn."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "-w", str(WORKERS), "--threads", str(THREADS)]
    command += [
        "-b",
        f"127.0.0.1:{port}",
        "--keep-alive",
        "30",
        "--no-control-socket",
        "tests.bench.peer_django:application",
    ]
    environment = {**os.environ, **settings, "DJANGO_SETTINGS_MODULE": "tests.bench.peer_django"}
    with _running("django", command, environment, folder, port) as peer:
        yield peer


@contextlib.contextmanager
def agno_peer(folder: Path, settings: dict[str, str]) -> Iterator[Peer]:
    """Yield agno's JWT middleware before a FastAPI route (``/agents``), under uvicorn."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench.peer_agno:app", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--no-access-log", "--log-level", "warning"]
    with _running("agno", command, {**os.environ, **settings}, folder, port) as peer:
        yield peer


@contextlib.contextmanager
def _running(name: str, command: list[str], environment: dict[str, str], folder: Path, port: int) -> Iterator[Peer]:
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        _wait(f"http://127.0.0.1:{port}/bare", process, log)
        yield Peer(name, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"a peer did not start: {log.read_text()[-1000:]}")
