"""Our own application under granian, on the same database and with the same settings as under gunicorn."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace

from tests.bench.extras import python_path
from tests.bench.load import Target
from tests.bench.revoked import check_revocation
from tests.bench.running import THREADS, WORKERS, Peer, Scene, running
from tests.bench.targets import our_targets
from tests.live import free_port

NAMES = {
    f"granian {name}": name.partition(" ")[0]
    for name in ("P1 decide warm", "P1 decide cold", "P2 opaque key, no cache", "P6 device authenticate ES256")
}


@contextlib.contextmanager
def granian_started(scene: Scene) -> Iterator[list[Target]]:
    """Yield the paths whose goals name it, sent to granian; a revoked token must be refused by each worker."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--blocking-threads", str(THREADS), "--no-ws", "--log-level", "warning"]
    # gunicorn's configuration says how many processes there are; here nobody else does.
    settings = python_path({**scene.environment, "AUTHSVC_PROCESSES": str(WORKERS)})
    base_url = f"http://127.0.0.1:{port}"
    with running("granian", [*command, "authsvc.wsgi:application"], settings, scene.folder, f"{base_url}/health/ready"):
        check_revocation(replace(scene.bench, base_url=base_url))
        named = [replace(target, name=f"granian {target.name}") for target in our_targets(scene.bench, scene.pool)]
        yield [
            replace(target, url=target.url.replace(scene.bench.base_url, base_url, 1))
            for target in named
            if target.name in NAMES
        ]


GRANIAN = Peer("granian", NAMES, granian_started)
