"""``make profile``: where the time of each hot path goes, in one process, without a network.

Starts the measured server for its database, calls the WSGI application itself, and prints per path the microseconds
and statements of one request and the functions that cost most. Words after it choose paths; ``--database sqlite``.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.load import Target
from tests.bench.run import measured_server
from tests.bench.targets import our_targets, pool_of

WARM_UP, REQUESTS, LINES = 20, 200, 25
TOKENS = 2 * (WARM_UP + REQUESTS) + 1
Application = Callable[..., Any]


def main(arguments: list[str]) -> int:
    """Print the profile of every chosen path."""
    parser = argparse.ArgumentParser(prog="make profile")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="authsvc-profile-") as folder:
        Path(folder).chmod(0o755)
        with measured_server(Path(folder), options.database, is_strict=options.strict) as (server, bench):
            os.environ.update(server.environment)
            from authsvc.wsgi import application

            print(f"== bare Django view: {bare_microseconds():.0f} µs of this process")  # noqa: T201
            for target in our_targets(bench, pool_of(bench, TOKENS)):
                if all(word.lower() in target.name.lower() for word in options.words):
                    print(report(application, target, options.lines))  # noqa: T201
            from django.db import connections

            connections.close_all()
    return 0


def bare_microseconds() -> float:
    """Return what a JSON view without any middleware costs here, to compare with."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import JsonResponse
    from django.test import override_settings
    from django.urls import path

    class Routes:
        urlpatterns = [path("bare", lambda _request: JsonResponse({"ok": True}))]

    with override_settings(MIDDLEWARE=[], ROOT_URLCONF=Routes):
        application, target = WSGIHandler(), Target("bare", "ref", "http://127.0.0.1:1/bare")
        return microseconds_of(application, target, 0)


def microseconds_of(application: Application, target: Target, first: int) -> float:
    """Return the processor time of one request, of several."""
    began = time.process_time()
    for number in range(REQUESTS):
        call(application, target, first + number)
    return (time.process_time() - began) / REQUESTS * 1e6


def report(application: Application, target: Target, lines: int) -> str:
    """Return what one path costs."""
    for number in range(1 if target.is_cold else WARM_UP):
        call(application, target, number)
    statements = statements_of(application, target, WARM_UP)
    each = microseconds_of(application, target, WARM_UP + 1)
    profile = cProfile.Profile()
    profile.enable()
    for number in range(REQUESTS):
        call(application, target, WARM_UP + 1 + REQUESTS + number)
    profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(lines)
    shown = "\n".join(line for line in text.getvalue().splitlines() if line.strip())
    return f"== {target.name}: {each:.0f} µs of this process, {len(statements)} statements\n" + "\n".join(
        [f"   {statement[:170]}" for statement in statements] + [shown if lines else ""]
    )


def statements_of(application: Application, target: Target, number: int) -> list[str]:
    """Return the SQL of one request."""
    from django.db import connection

    found: list[str] = []

    def note(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        found.append(sql)
        return execute(sql, parameters, many, context)

    connection.ensure_connection()
    with connection.execute_wrapper(note):
        call(application, target, number)
    return found


def call(application: Application, target: Target, number: int) -> bytes:
    """Send one request of a target to the application, as gunicorn would; raises when the status is another."""
    statuses: list[str] = []
    answer = application(environ_of(target, number), lambda status, _headers, *_: statuses.append(status))
    try:
        body = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    if not statuses[0].startswith(str(target.status)):
        raise AssertionError(f"{target.name}: {statuses[0]} {body[:200]!r}")
    return body


def environ_of(target: Target, number: int) -> Mapping[str, Any]:
    """Return the WSGI environ of one request."""
    parts = urlsplit(target.url)
    body = target.bodies[number % len(target.bodies)].encode() if target.bodies else b""
    headers = {**target.headers, "Host": parts.netloc}
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    environ |= {"CONTENT_TYPE": environ.pop("HTTP_CONTENT_TYPE", "")}
    return environ | {
        "REQUEST_METHOD": target.method, "PATH_INFO": parts.path, "QUERY_STRING": parts.query, "SCRIPT_NAME": "",
        "RAW_URI": parts.path, "CONTENT_LENGTH": str(len(body)) if body else "", "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": str(parts.port), "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
