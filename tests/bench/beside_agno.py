"""agno's own JWT middleware before a FastAPI route, under uvicorn."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from tests.bench.load import Target
from tests.bench.running import WORKERS, Peer, Scene, running
from tests.live import free_port

WARM, COLD = "agno middleware", "agno middleware cold"


@contextlib.contextmanager
def agno_started(scene: Scene) -> Iterator[list[Target]]:
    """Yield the guarded route with one token and with a new one each time."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench.peer_agno:app", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--no-access-log", "--log-level", "warning"]
    url = f"http://127.0.0.1:{port}/guarded"
    bearer = {"Authorization": f"Bearer {scene.bench.token(-6)}"}
    with running("agno", command, {**os.environ, **scene.key()}, scene.folder, url):
        yield [
            Target(WARM, "P1", url, headers=bearer, contains='"ok"'),
            Target(COLD, "P1", url, bearers=scene.pool, contains='"ok"'),
        ]


AGNO = Peer("agno", {WARM: "P1", COLD: "P1"}, agno_started)
