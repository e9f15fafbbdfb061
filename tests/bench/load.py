"""Puts load on one address: wrk where it is installed, else threads of this interpreter, and says which."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Target:
    """One path that is measured. ``bodies`` and ``bearers`` are used in turn; ``contains`` is in every good answer."""

    name: str
    path: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    bodies: Sequence[str] = ()
    bearers: Sequence[str] = ()
    status: int = 200
    contains: str = ""
    is_cold: bool = False


@dataclass(frozen=True)
class Sample:
    """What one run measured; times in microseconds. ``wrong`` are answers with another status, or none at all."""

    per_second: float
    p50: int
    p99: int
    wrong: int
    requests: int


def generator() -> str:
    """Return the name of the load generator in use."""
    return "wrk" if shutil.which("wrk") else "python threads"


def run_load(
    target: Target, *, connections: int, seconds: int, folder: Path, start: int = 0, is_checked: bool = True
) -> Sample:
    """Load a target for some seconds; a probe beside it reads answers whole, and a wrong one counts."""
    probe = Probe(target)
    if is_checked:
        probe.begin()
    sample = (_wrk if generator() == "wrk" else _threads)(target, connections, seconds, folder, start)
    wrong = probe.end() if is_checked else 0
    return Sample(sample.per_second, sample.p50, sample.p99, sample.wrong + wrong, sample.requests)


def ask(target: Target, number: int = 0) -> tuple[int, str]:
    """Send one of the target's requests on a connection of its own; return status and body."""
    parts = urlsplit(target.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        return _send(connection, target, number)
    finally:
        connection.close()


class Probe:
    """Asks five times a second while the load runs and compares status and content."""

    def __init__(self, target: Target) -> None:
        self._target, self._over, self._wrong = target, threading.Event(), 0
        self._thread = threading.Thread(target=self._work, daemon=True)

    def begin(self) -> None:
        """Start asking."""
        self._thread.start()

    def end(self) -> int:
        """Stop, and return how many answers were wrong."""
        self._over.set()
        self._thread.join(30)
        return self._wrong

    def _work(self) -> None:
        number = 0
        while not self._over.wait(0.2):
            number += 1
            status, body = ask(self._target, -number)
            self._wrong += status != self._target.status or self._target.contains not in body


def _send(connection: http.client.HTTPConnection, target: Target, number: int) -> tuple[int, str]:
    parts = urlsplit(target.url)
    headers = dict(target.headers)
    if target.bearers:
        headers["Authorization"] = f"Bearer {target.bearers[number % len(target.bearers)]}"
    body = target.bodies[number % len(target.bodies)] if target.bodies else None
    place = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(target.method, place, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode("utf-8", "replace")


def _wrk(target: Target, connections: int, seconds: int, folder: Path, start: int) -> Sample:
    parts = urlsplit(target.url)
    files = {"HEADERS": [f"{name}: {value}" for name, value in target.headers.items()]}
    files |= {"BODIES": list(target.bodies), "BEARERS": list(target.bearers)}
    environment = {**os.environ, "BENCH_METHOD": target.method, "BENCH_START": str(start)}
    environment["BENCH_PATH"] = parts.path + (f"?{parts.query}" if parts.query else "")
    for name, lines in files.items():
        file = folder / f"{target.name.replace(' ', '-').replace('/', '-')}.{name.lower()}"
        if not file.exists():
            file.write_text("\n".join(lines))
        environment[f"BENCH_{name}"] = str(file) if lines else ""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT)]
    done = subprocess.run(
        [*command, f"{parts.scheme}://{parts.netloc}"],
        env=environment, capture_output=True, text=True, timeout=seconds + 60, check=True,
    )  # fmt: skip
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    refused = told["refused"] if target.status < 400 else told["requests"] - told["refused"]
    wrong = refused + told["broken"]
    return Sample(told["requests"] * 1e6 / told["microseconds"], told["p50"], told["p99"], wrong, told["requests"])


def _threads(target: Target, connections: int, seconds: int, _folder: Path, start: int) -> Sample:
    parts, deadline = urlsplit(target.url), time.monotonic() + seconds
    times: list[int] = []
    wrong: list[int] = []

    def work(offset: int) -> None:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        number = start + offset
        while time.monotonic() < deadline:
            began = time.perf_counter_ns()
            status, _ = _send(connection, target, number)
            times.append((time.perf_counter_ns() - began) // 1000)
            wrong.append(status != target.status)
            number += connections
        connection.close()

    workers = [threading.Thread(target=work, args=(offset,)) for offset in range(connections)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    times.sort()
    return Sample(len(times) / seconds, times[len(times) // 2], times[len(times) * 99 // 100], sum(wrong), len(times))
