"""Runs a program of ours in a fork of a process that has loaded what others wrote: half of a start is that.

For tests of what a command says and does. One process of this kind is started for each test process that asks.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(
    arguments: list[str], environment: dict[str, str], *, stdin: str = "", folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run ``python`` with these arguments and this environment to its end; returns its code and what it wrote."""
    asked = {"arguments": arguments, "environment": environment, "folder": str(folder)}
    ended, ending = os.pipe()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        given.write(stdin.encode())
        given.seek(0)
        files = [given.fileno(), output.fileno(), errors.fileno(), ending]
        socket.send_fds(_starter(), [json.dumps(asked).encode()], files)
        os.close(ending)
        with open(ended) as reading:  # noqa: PTH123 - by number
            code = reading.read()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, int(code), output.read().decode(), errors.read().decode())


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
