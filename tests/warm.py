"""Runs a program of ours in a fork of a process that has loaded what others wrote: half of a start is that.

For tests of what a command says and does, and of servers. One process of this kind is started for each test process
that asks.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
SECONDS_AT_MOST = 300


class Program:
    """A program that runs: of what ``subprocess.Popen`` can do, what is needed."""

    def __init__(self, arguments: list[str], environment: dict[str, str], files: list[IO[bytes]]) -> None:
        """Start ``python`` with these arguments, environment and files at the root of the project."""
        asked = {"arguments": arguments, "environment": environment, "folder": str(ROOT)}
        reading, telling = os.pipe()
        socket.send_fds(_starter(), [json.dumps(asked).encode()], [*(file.fileno() for file in files), telling])
        os.close(telling)
        self.arguments, self._told = arguments, os.fdopen(reading)
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def wait(self, seconds: float) -> int:
        """Return its code once it has ended; raises ``subprocess.TimeoutExpired``."""
        if self.returncode is None:
            if not select.select([self._told], [], [], seconds)[0]:
                raise subprocess.TimeoutExpired(self.arguments, seconds)
            with self._told:
                self.returncode = int(self._told.read())
        return self.returncode

    def poll(self) -> int | None:
        """Return its code, or ``None`` while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def start(arguments: list[str], environment: dict[str, str], output: IO[bytes]) -> Program:
    """Start ``python`` with these arguments and this environment; what it writes goes to the file."""
    with Path(os.devnull).open("rb") as nothing:
        return Program(arguments, environment, [nothing, output, output])


def run(arguments: list[str], environment: dict[str, str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``python`` with these arguments and this environment to its end; returns its code and what it wrote."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        given.write(stdin.encode())
        given.seek(0)
        code = Program(arguments, environment, [given, output, errors]).wait(SECONDS_AT_MOST)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output.read().decode(), errors.read().decode())


@functools.cache
def _starter() -> socket.socket:
    """Return a socket to the process that forks; it ends when this process does."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        starter = subprocess.Popen([sys.executable, "-m", "tests.warm_start"], stdin=its.fileno(), cwd=ROOT)
    atexit.register(_end, ours, starter)
    return ours


def _end(ours: socket.socket, starter: subprocess.Popen[bytes]) -> None:
    ours.close()
    starter.wait(30)
