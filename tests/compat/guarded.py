"""What the tests of real proxies share: the guarded gateway, a WebSocket echo server behind it, and its callers."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.server import Server, ServerConnection, serve

from tests.live import LiveServer, start_live_server

# From the folder, the live server and the upstream's address to the address the proxy listens at.
StartsProxy = Callable[[Path, LiveServer, str], AbstractContextManager[str]]


@dataclass(frozen=True)
class Guarded:
    """A gateway behind a proxy: the authsvc that guards it, and where the proxy listens."""

    live: LiveServer
    address: str

    @property
    def place(self) -> dict[str, Any]:
        """Return acme/prod of the demo."""
        return self.live.place("acme/prod")


@contextlib.contextmanager
def guarded_by(folder: Path, proxy: StartsProxy) -> Iterator[Guarded]:
    """Yield a proxy between a WebSocket echo server and a live authsvc that trusts it."""
    with (
        start_live_server(folder, AUTHSVC_TRUSTED_PROXIES="127.0.0.1") as live,
        echo_server() as upstream,
        proxy(folder, live, upstream) as address,
    ):
        yield Guarded(live, address)


def bearer(token: str) -> dict[str, str]:
    """Return the header field of a bearer, or none."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def service_token(guarded: Guarded, *, audience: str | None = None) -> str:
    """Return an access token of the demo client that may read and run agents; for our own API if so asked."""
    place = guarded.place
    wanted = place["gateway"]["audience"] if audience is None else audience
    form = {"grant_type": "client_credentials"}
    if wanted:
        form |= {"audience": wanted, "scope": "agents:read agents:run"}
    answer = httpx.post(f"{place['issuer']}/oauth/token", data=form, auth=(place["client_id"], place["client_secret"]))
    return str(answer.json()["access_token"])


@contextlib.contextmanager
def echo_server() -> Iterator[str]:
    """Serve WebSockets: first the header fields that arrived, then everything back."""

    def echo(socket: ServerConnection) -> None:
        assert socket.request is not None
        socket.send(json.dumps(list(socket.request.headers.raw_items())))
        for message in socket:
            socket.send(message)

    server: Server = serve(echo, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        host, port = server.socket.getsockname()
        yield f"{host}:{port}"
    finally:
        server.shutdown()
        thread.join(5)
