"""A process that has loaded other people's modules, and of ours the pure ones; what is started in it is a fork of it.

Started by ``tests/warm.py``, whose socket it reads until it closes. Each message is one command line with its
environment and folder; beside it come the files of input, output and errors, and one for the ending. The fork takes
them for its own, forgets this program, and runs ``manage.py``, ``-c`` or ``-m`` as the interpreter would: the settings
and every module of ours that could read them are loaded in it afresh.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import sys
import tomllib
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20
# What needs no settings to be loaded; the rest of Django and its kin is loaded by each fork.
LOADED = (
    "django.contrib.admin.decorators",
    "django.contrib.admindocs.views",
    "django.contrib.messages.middleware",
    "django.contrib.postgres.search",
    "django.contrib.sessions.backends.db",
    "django.contrib.staticfiles.storage",
    "django.core.management",
    "django.core.wsgi",
    "django.db.backends.sqlite3.base",
    "django.test.signals",
    "corsheaders.middleware",
    "cryptography.x509",
    "django_otp.oath",
    "drf_spectacular.checks",
    "environ.compat",
    "fido2.server",
    "httpx",
    "jwt",
    "psycopg",
    "rest_framework.authentication",
    "rest_framework.metadata",
    "rest_framework.serializers",
    "rest_framework_simplejwt.utils",
    "structlog",
    "whitenoise.middleware",
)


def main() -> None:
    """Fork for each message; return in the fork once it is what it was asked to be."""
    for name in (*LOADED, *pure_modules()):
        importlib.import_module(name)
    gc.freeze()
    asking = socket.socket(fileno=0)
    while True:
        message, files, *_ = socket.recv_fds(asking, MOST_BYTES, 4)
        if not message:
            forget_ended(options=0)
            return
        if os.fork() == 0:
            asking.detach()
            run(json.loads(message), files)
            return
        for file in files:
            os.close(file)
        forget_ended()


def pure_modules() -> list[str]:
    """Return what the contract on pure modules names: none of them can read a setting."""
    written = tomllib.loads(Path("pyproject.toml").read_text())
    contracts = written["tool"]["importlinter"]["contracts"]
    pure = next(contract for contract in contracts if contract["name"].startswith("Pure modules"))
    packages = [(name, importlib.import_module(name)) for name in pure["source_modules"]]
    below = (
        f"{name}.{inner.name}"
        for name, package in packages
        for inner in pkgutil.iter_modules(getattr(package, "__path__", []))
    )
    return [*pure["source_modules"], *below]


def forget_ended(options: int = os.WNOHANG) -> None:
    """Let the forks that have ended go; with no options wait for all of them."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


def run(asked: dict[str, Any], files: list[int]) -> None:
    """Tell the program's number and wait for it in one process, be the program in another."""
    child = os.fork()
    if child:
        os.write(files[3], f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(files[3], str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    os.close(files.pop())
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    become(asked["arguments"], asked["environment"], asked["folder"])


def become(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """Run the program these arguments name, as ``python`` would."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - by number
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.path[0] = folder
    if arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as python -c
    elif arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
