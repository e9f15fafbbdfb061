"""``make bench``: the service beside a bare Django view and other software, as ratios of the same run.

Starts the real server (gunicorn, 2 workers of 4 threads) on PostgreSQL with every commit on disk, and on SQLite with
``--database sqlite``; alternates the targets in a shuffled order; checks answers before, during and after. Options:
``--seconds``, ``--alternations``, ``--connections 16,64``, ``--only P1,P4,granian`` (paths, names of targets or of
peers; only what they need is started), ``--strict``, ``--out FILE``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.facts import idle_queries, import_seconds, resident_mebibytes
from tests.bench.goals import HEADING, judged
from tests.bench.load import Target, generator, run_load
from tests.bench.peers import is_wanted, peers_started, wanted_names
from tests.bench.revoked import check_answers, check_revocation, move_changes
from tests.bench.running import THREADS, WORKERS, Scene
from tests.bench.table import Run, document, lines_of, printed
from tests.bench.targets import TOKENS_A_SECOND, TOKENS_A_SECOND_GRANIAN, Bench, our_targets, pool_of
from tests.live import ROOT, LiveServer, start_live_server
from tests.servers import postgresql

WARM_UP_SECONDS = 1
SECONDS_TO_FORGET = 0.3  # a worker asks for the count of changes at most every 250 ms


def main(arguments: list[str]) -> int:
    """Measure, print the table, write the JSON; 1 when an answer was wrong."""
    options = _options(arguments)
    connections = [int(text) for text in options.connections.split(",")]
    wanted = frozenset(name for name in options.only.split(",") if name)
    with tempfile.TemporaryDirectory(prefix="authsvc-bench-") as text:
        folder = Path(text)
        folder.chmod(0o755)
        with measured_server(folder, options.database, is_strict=options.strict) as (server, bench):
            facts = _facts(options)
            pool = pool_of(bench, _tokens_needed(bench, wanted, options.seconds))
            ours = [one for one in our_targets(bench, pool) if is_wanted(one.name, one.path, wanted)]
            check_answers(ours)
            facts["idle queries per second"] = idle_queries(server.environment["DATABASE_URL"])
            with peers_started(Scene(bench, pool, folder, server.environment), wanted) as (theirs, left_out):
                check_answers(theirs)
                facts["seconds until every worker refused"] = check_revocation(bench)
                targets = [*theirs, *ours]
                order = [target.name for target in targets]
                runs = list(_measure(bench, targets, connections, options, folder))
                runs.sort(key=lambda run: order.index(run.target))
                facts["seconds until every worker refused, after"] = check_revocation(bench)
                facts["MiB per worker"] = resident_mebibytes(server.log)
    facts |= {f"left out: {name}": why for name, why in left_out.items()}
    if met := _met_twice(runs, len(pool)):
        facts["cold, yet met a token twice"] = ", ".join(met)
    print(printed(lines_of(runs)))  # noqa: T201
    print("\n".join([HEADING, *judged(runs, is_strict=options.strict)]))  # noqa: T201
    for name, value in facts.items():
        print(f"{name}: {value}")  # noqa: T201
    Path(options.out).write_text(json.dumps(document(runs, facts), indent=1))
    return 1 if any(run.sample.wrong for run in runs) else 0


@contextlib.contextmanager
def measured_server(folder: Path, database: str, *, is_strict: bool = False) -> Iterator[tuple[LiveServer, Bench]]:
    """Yield a running server with the demo and the seed; on PostgreSQL each commit is on disk when it answers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave every context: nothing keeps running
    with contextlib.ExitStack() as stack:
        os.environ.pop("TEST_DATABASE_URL", None)
        if database == "postgresql":
            os.environ["TEST_DATABASE_URL"] = stack.enter_context(postgresql(is_durable=True))
        settings = {"GUNICORN_REUSE_PORT": "on", **({"AUTHSVC_STRICT_REVOCATION": "on"} if is_strict else {})}
        server = stack.enter_context(start_live_server(folder, workers=WORKERS, is_warm=False, **settings))
        place = server.place("acme/prod")
        command = [sys.executable, "-m", "tests.bench.seed"]
        made = subprocess.run(
            command,
            env=server.environment,
            cwd=ROOT,
            input=json.dumps(place),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(made.stderr[-2000:])
        yield server, Bench(server.base_url, place, json.loads(made.stdout))


def _measure(
    bench: Bench, targets: list[Target], connections: list[int], options: argparse.Namespace, folder: Path
) -> Iterator[Run]:
    for alternation in range(options.alternations):
        for count in connections:
            order = random.sample(targets, len(targets))
            for target in order:
                if target.is_cold:
                    move_changes(bench)
                    time.sleep(SECONDS_TO_FORGET)
                else:
                    run_load(target, connections=count, seconds=WARM_UP_SECONDS, folder=folder, is_checked=False)
                sample = run_load(target, connections=count, seconds=options.seconds, folder=folder)
                print(f"  {alternation + 1} c={count} {target.name}: {sample.per_second:.0f}/s", file=sys.stderr)  # noqa: T201
                yield Run(target.name, count, alternation, sample)


def _tokens_needed(bench: Bench, wanted: frozenset[str], seconds: int) -> int:
    """Return how many distinct tokens the cold runs use; without one of them, none is signed."""
    ours = [one.name for one in our_targets(bench, []) if is_wanted(one.name, one.path, wanted)]
    cold = [name for name in (*ours, *wanted_names(wanted)) if name.endswith("cold")]
    rates = [TOKENS_A_SECOND_GRANIAN if name.startswith("granian") else TOKENS_A_SECOND for name in cold]
    return max(rates, default=0) * seconds


def _met_twice(runs: list[Run], tokens: int) -> list[str]:
    return sorted({run.target for run in runs if run.target.endswith("cold") and run.sample.requests > tokens})


def _facts(options: argparse.Namespace) -> dict[str, object]:
    return {
        "load": f"{generator()}, {options.alternations} alternations of {options.seconds:g} s",
        "servers": f"gunicorn gthread, {WORKERS} workers of {THREADS} threads, a queue each, rate limits lifted",
        "database": options.database + (" with the count read on every request" if options.strict else ""),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "seconds to import": import_seconds(),
    }


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--alternations", type=int, default=3)
    parser.add_argument("--connections", default="16,64")
    parser.add_argument("--only", default="")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--out", default=str(ROOT / "var" / "bench.json"))
    options = parser.parse_args(arguments)
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
