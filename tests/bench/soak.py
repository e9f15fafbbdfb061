"""Twenty minutes of a server that is asked a little: does a worker grow, does an idle one ask the database more?

``python -m tests.bench.soak`` (``--minutes``, ``--database sqlite``). Each minute every path is asked for a second,
then nobody asks anything. Prints what each worker holds and how many statements an idle second sees; 1 when an answer
was wrong, or when either is more in the last quarter than in the second one by over a tenth.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.facts import idle_queries, resident_mebibytes
from tests.bench.load import run_load
from tests.bench.run import measured_server
from tests.bench.targets import our_targets, pool_of

CONNECTIONS = 8
SECONDS_EACH = 1
COLD_TOKENS = 2_000
LEAST_GROWTH_MEBIBYTES, LEAST_GROWTH_STATEMENTS = 4, 0.5  # what is less is noise


def main(arguments: list[str]) -> int:
    """Ask, wait, print a line a minute; 1 when something drifts or was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    options = parser.parse_args(arguments)
    held: list[float] = []
    asked: list[float] = []
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="authsvc-soak-") as text:
        folder = Path(text)
        folder.chmod(0o755)
        with measured_server(folder, options.database) as (server, bench):
            targets = our_targets(bench, pool_of(bench, COLD_TOKENS))
            for minute in range(1, options.minutes + 1):
                began = time.monotonic()
                for target in targets:
                    sample = run_load(target, connections=CONNECTIONS, seconds=SECONDS_EACH, folder=folder)
                    wrong += sample.wrong
                idle = idle_queries(server.environment["DATABASE_URL"])
                workers = resident_mebibytes(server.log)
                held.append(max(workers))
                asked.append(idle or 0.0)
                print(f"minute {minute}: {workers} MiB, {idle} statements an idle second", flush=True)  # noqa: T201
                time.sleep(max(0.0, began + 60 - time.monotonic()))
    drifts = [
        name
        for name, values, least in (
            ("memory", held, LEAST_GROWTH_MEBIBYTES),
            ("statements", asked, LEAST_GROWTH_STATEMENTS),
        )
        if grew(values, least)
    ]
    print(f"drift: {', '.join(drifts) or 'none'}; wrong answers: {wrong}")  # noqa: T201
    return 1 if drifts or wrong else 0


def grew(values: Sequence[float], least: float) -> bool:
    """True when the last quarter is more than the second one by a tenth and ``least``."""
    quarter = max(1, len(values) // 4)
    before, after = (statistics.median(part) for part in (values[quarter : 2 * quarter] or values, values[-quarter:]))
    return after - before > max(least, before / 10)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
