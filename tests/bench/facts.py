"""Facts beside the rates: how long the import takes, what a worker holds, how much an idle server asks."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from tests.live import ROOT

IDLE_SECONDS = 5
IMPORT = (
    "import os, time; os.environ['DJANGO_SETTINGS_MODULE'] = 'authsvc.settings'; began = time.perf_counter(); "
    "import authsvc.wsgi; print(time.perf_counter() - began)"
)


def import_seconds() -> float:
    """Return the seconds until the WSGI application can answer, the best of three."""
    return round(min(_import_once() for _ in range(3)), 2)


def resident_mebibytes(log: Path) -> list[int]:
    """Return what each worker of a gunicorn keeps resident, found by the process ids in its log."""
    workers = re.findall(r"Booting worker with pid: (\d+)", log.read_text())
    found = []
    for process in workers:
        status = Path(f"/proc/{process}/status")
        if status.exists():
            found.append(int(re.search(r"VmRSS:\s+(\d+)", status.read_text()).group(1)) // 1024)  # type: ignore[union-attr]
    return found


def idle_queries(database_url: str) -> float | None:
    """Return the statements per second that PostgreSQL sees while nobody asks; ``None`` on SQLite."""
    if not database_url.startswith("postgres"):
        return None
    before = _transactions(database_url)
    time.sleep(IDLE_SECONDS)
    # Our own look is one transaction of its own.
    return max(0.0, round((_transactions(database_url) - before - 1) / IDLE_SECONDS, 1))


def _transactions(database_url: str) -> int:
    import psycopg

    with psycopg.connect(database_url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        row = connection.execute(
            "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return int(row[0]) if row else 0


def _import_once() -> float:
    done = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
