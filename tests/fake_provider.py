"""A provider on loopback: a token endpoint that counts, delays, fails and rotates (each refresh token works once), and
an address where a credential is tried.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class FakeProvider:
    """What the endpoint does and saw; a GET is answered with ``probe``: a status and a message.

    ``mode``: rotate, answer_lost, invalid_grant, unavailable, hang_up, redirect, nonsense.
    """

    url: str = ""
    mode: str = "rotate"
    delay_seconds: float = 0.0
    requests: list[dict[str, str]] = field(default_factory=list)
    probe: tuple[int, str] = (200, "")
    probes: list[dict[str, str]] = field(default_factory=list)
    good: str = "refresh-0"
    issued: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    """Yield a running endpoint."""
    provider = FakeProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            fields = _fields(body, self.headers.get("Content-Type", ""))
            with provider.lock:
                provider.requests.append(fields)
                answer = _answer(provider, fields)
            time.sleep(provider.delay_seconds)
            if answer is None:
                self.connection.close()
                return
            status, document = answer
            text = json.dumps(document).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", provider.url)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            provider.probes.append({name.lower(): value for name, value in self.headers.items()})
            status, message = provider.probe
            text = json.dumps({"error": {"message": message}}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}/oauth/token"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _fields(body: str, content_type: str) -> dict[str, str]:
    if content_type.startswith("application/json"):
        found: dict[str, str] = json.loads(body)
        return found
    return {name: values[0] for name, values in parse_qs(body).items()}


def _answer(provider: FakeProvider, fields: dict[str, str]) -> tuple[int, dict[str, Any]] | None:
    if provider.mode == "hang_up":
        return None
    if provider.mode == "unavailable":
        return 503, {"error": "server_error"}
    if provider.mode == "redirect":
        return 302, {}
    if provider.mode == "nonsense":
        return 200, {"access_token": 7}
    if provider.mode == "invalid_grant":
        return 400, {"error": "invalid_grant", "error_description": "revoked"}
    if fields.get("refresh_token") != provider.good:
        return 401, {"error": {"code": "refresh_token_reused"}}
    provider.issued += 1
    provider.good = f"refresh-{provider.issued}"
    if provider.mode == "answer_lost":
        return None
    return 200, {"access_token": f"access-{provider.issued}", "refresh_token": provider.good, "expires_in": 3600}
