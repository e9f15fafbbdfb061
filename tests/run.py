"""Runs every leg of the suite: SQLite, then PostgreSQL with Django's newest version where a newer Python is installed.

A leg that cannot run here prints one line; with ``CI=true`` it is a failure. ``make test`` is this file.
``AUTHSVC_TEST_SCALE=full`` leaves nothing out on PostgreSQL, and gives the long runs their full size.
Extra arguments go to pytest, e.g. ``make test ARGS="-k audit"``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

from tests.legs import Leg, legs
from tests.servers import ServerUnavailable, postgresql, redis

# Three for two cores: a browser, a gateway or a server that starts is waited for most of the time.
# Files go out in their order, so that the short unit tests come last and no process is left alone with a long one.
IN_ORDER = ["-n", str(3 * (os.cpu_count() or 1) // 2), "--dist", "loadfile", "--no-loadscope-reorder"]
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def main(arguments: list[str]) -> int:
    """Run the legs one after the other; 0 when all that could run passed.

    Compiled modules are kept: without them each test process, server and command would compile all sources anew.
    """
    failed: list[str] = []
    with contextlib.ExitStack() as servers:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["TEST_REDIS_URL"] = os.environ.get("TEST_REDIS_URL") or _start(servers, "redis", failed)
        database = os.environ.get("TEST_DATABASE_URL") or _start(servers, "postgresql", failed)
        found = legs(database)
        if not any("newest" in leg.name for leg in found):
            print("authsvc tests: no newer Python here, so Django's newest version is not tested", flush=True)  # noqa: T201
        for leg in found:
            if not _run(leg, environment, arguments):
                failed.append(leg.name)
    print(f"authsvc tests: {'failed: ' + ', '.join(failed) if failed else 'every leg passed'}", flush=True)  # noqa: T201
    return 1 if failed else 0


def _start(servers: contextlib.ExitStack, name: str, failed: list[str]) -> str:
    try:
        return servers.enter_context(postgresql() if name == "postgresql" else redis())
    except ServerUnavailable as reason:
        print(f"authsvc tests: the {name} leg is skipped: {reason}", flush=True)  # noqa: T201
        if IN_CI:
            failed.append(name)
        return ""


def _run(leg: Leg, environment: dict[str, str], arguments: list[str]) -> bool:
    print(f"authsvc tests: leg {leg.name}", flush=True)  # noqa: T201
    began = time.monotonic()
    settings = {**environment, "TEST_DATABASE_URL": leg.database_url}
    command = [leg.python, "-m", "pytest", "-q", *IN_ORDER, *leg.arguments, *arguments]
    result = subprocess.run(command, env=settings, check=False)
    print(f"authsvc tests: leg {leg.name} took {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    return result.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
