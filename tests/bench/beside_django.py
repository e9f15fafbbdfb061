"""The bare Django view, which everything is measured against, and DRF with simplejwt in the same process."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from tests.bench.load import Target
from tests.bench.running import Peer, Scene, gunicorn
from tests.bench.table import REFERENCE
from tests.bench.targets import FILTER_IDS, JSON

WARM, COLD, ECHO = "DRF + simplejwt", "DRF + simplejwt cold", "bare parse and dump 100k"


@contextlib.contextmanager
def django_started(scene: Scene) -> Iterator[list[Target]]:
    """Yield the bare view (``/bare``, ``/echo``) and DRF + simplejwt (``/simplejwt``), under the service's gunicorn."""
    ids = json.dumps({"ids": [f"{number:06d}" for number in range(FILTER_IDS)]}, separators=(",", ":"))
    bearer = {"Authorization": f"Bearer {scene.bench.token(-5)}"}
    with gunicorn("django", "tests.bench.peer_django", scene, scene.key()) as base_url:
        yield [
            Target(REFERENCE, "ref", f"{base_url}/bare", contains='"ok"'),
            Target(WARM, "P1", f"{base_url}/simplejwt", headers=bearer, contains='"ok"'),
            Target(COLD, "P1", f"{base_url}/simplejwt", bearers=scene.pool, contains='"ok"'),
            Target(ECHO, "P5", f"{base_url}/echo", "POST", JSON, [ids], contains="099999"),
        ]


DJANGO = Peer("Django", {REFERENCE: "ref", WARM: "P1", COLD: "P1", ECHO: "P5"}, django_started)
