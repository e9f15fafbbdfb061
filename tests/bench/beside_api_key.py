"""djangorestframework-api-key before a DRF view, with its row in a database of the measured engine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.extras import LeftOut, python_path
from tests.bench.load import Target
from tests.bench.revoked import check_answers
from tests.bench.running import Peer, Scene, gunicorn
from tests.live import ROOT
from tests.live_database import fresh_database

NAME, MODULE = "djangorestframework-api-key", "tests.bench.peer_api_key"


@contextlib.contextmanager
def api_key_started(scene: Scene) -> Iterator[list[Target]]:
    """Yield the view with a good key; one that was never made must be refused."""
    folder = scene.folder / "api-key"
    folder.mkdir()
    with fresh_database(folder) as database_url:
        known = python_path({"DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": MODULE})
        command = [sys.executable, "-m", MODULE]
        made = subprocess.run(command, env=known, cwd=ROOT, capture_output=True, text=True, check=False)
        if made.returncode:
            raise LeftOut(f"its table was not made: {' '.join(made.stderr.split())[-200:]}")
        key = made.stdout.split()[-1]
        with gunicorn("api-key", MODULE, scene, known) as base_url:

            def asked(text: str, **more: int) -> Target:
                url = f"{base_url}/guarded"
                return Target(NAME, "P2", url, headers={"Authorization": f"Api-Key {text}"}, **more)  # type: ignore[arg-type]

            check_answers([asked(key[:-1] + ("a" if key[-1] != "a" else "b"), status=403)])
            yield [asked(key)]


API_KEY = Peer(NAME, {NAME: "P2"}, api_key_started)
