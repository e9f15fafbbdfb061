"""Runs a program of ours in a fork of a process that has loaded what others wrote: half of a start is that.

For tests of what a command says and does. One process of this kind is started for each test process that asks.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
SECONDS_AT_MOST = 300


def run(arguments: list[str], environment: dict[str, str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``python`` with these arguments and this environment to its end; returns its code and what it wrote."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        given.write(stdin.encode())
        given.seek(0)
        code = _code(arguments, environment, [given, output, errors])
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output.read().decode(), errors.read().decode())


def _code(arguments: list[str], environment: dict[str, str], files: list[IO[bytes]]) -> int:
    """Start ``python`` with these arguments, environment and files at the root of the project; wait for its code."""
    asked = {"arguments": arguments, "environment": environment, "folder": str(ROOT)}
    reading, telling = os.pipe()
    socket.send_fds(_starter(), [json.dumps(asked).encode()], [*(file.fileno() for file in files), telling])
    os.close(telling)
    with os.fdopen(reading) as told:
        if not select.select([told], [], [], SECONDS_AT_MOST)[0]:
            raise subprocess.TimeoutExpired(arguments, SECONDS_AT_MOST)
        return int(told.read())


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
