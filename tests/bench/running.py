"""How a peer runs beside the service: on a port of its own, in a process group of its own, ended with its context."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.extras import LeftOut
from tests.bench.load import Target
from tests.bench.targets import Bench
from tests.live import ROOT, free_port

SECONDS_TO_START, SECONDS_TO_STOP = 40, 15
WORKERS, THREADS = 2, 4


@dataclass(frozen=True)
class Scene:
    """What a peer may build on: the measured server and its settings, distinct tokens, the folder of this run."""

    bench: Bench
    pool: Sequence[str]
    folder: Path
    environment: Mapping[str, str]

    def key(self) -> dict[str, str]:
        """Return where a peer reads the public key and the audience of the tokens."""
        pem = self.folder / "public.pem"
        pem.write_bytes(self.bench.public_pem())
        return {"BENCH_PEM": str(pem), "BENCH_AUDIENCE": str(self.bench.place["gateway"]["audience"])}


@dataclass(frozen=True)
class Peer:
    """Something to compare with. ``paths`` names its targets and the paths they are measured for."""

    name: str
    paths: Mapping[str, str]
    started: Callable[[Scene], AbstractContextManager[list[Target]]]


@contextlib.contextmanager
def gunicorn(name: str, module: str, scene: Scene, environment: Mapping[str, str]) -> Iterator[str]:
    """Run a module that is settings, routes and application in one under the service's gunicorn; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "-w", str(WORKERS), "--threads", str(THREADS)]
    command += ["-b", f"127.0.0.1:{port}", "--keep-alive", "30", "--no-control-socket"]
    command += ["--reuse-port", f"{module}:application"]
    known = {**os.environ, **environment, "DJANGO_SETTINGS_MODULE": module}
    base_url = f"http://127.0.0.1:{port}"
    with running(name, command, known, scene.folder, f"{base_url}/bare"):
        yield base_url


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, ready: str, cwd: Path = ROOT
) -> Iterator[None]:
    """Run a server until the context ends; it has started when ``ready`` answers, whatever the status."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(ready, process, log)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_STOP)
        with contextlib.suppress(ProcessLookupError):  # workers that outlived their master
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
    raise LeftOut(f"it did not start: {' '.join(log.read_text(errors='replace').split())[-300:]}")
