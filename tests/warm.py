"""Runs a program of ours in a fork of a process that has loaded what others wrote: half of a start is that.

For tests of what a command says and does. One process of this kind is started for each test process that asks.
"""

from __future__ import annotations

import atexit
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


def run(arguments: list[str], environment: dict[str, str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``python`` with these arguments and this environment to its end; returns its code and what it wrote."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        given.write(stdin.encode())
        given.seek(0)
        code = start(arguments, environment, given, output, errors).wait()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output.read().decode(), errors.read().decode())


class Started:
    """A program that was started; read like a ``subprocess.Popen``."""

    def __init__(self, reading: int) -> None:
        self.reading = reading
        self.returncode: int | None = None
        self.pid = int(os.read(reading, 10))

    def poll(self) -> int | None:
        """Return the code it ended with, or ``None`` while it runs."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises ``subprocess.TimeoutExpired``."""
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self.reading], [], [], seconds)[0]:
            self.returncode = int(os.read(self.reading, 20))
            os.close(self.reading)
        return self.returncode


def start(
    arguments: list[str], environment: dict[str, str], stdin: IO[bytes], output: IO[bytes], errors: IO[bytes]
) -> Started:
    """Start ``python`` with these arguments, environment and files, at the root of the project."""
    asked = {"arguments": arguments, "environment": environment, "folder": str(ROOT)}
    reading, telling = os.pipe()
    files = [stdin.fileno(), output.fileno(), errors.fileno(), telling]
    socket.send_fds(_starter(), [json.dumps(asked).encode()], files)
    os.close(telling)
    return Started(reading)


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
