"""``make bench``: the service beside a bare Django view, DRF + simplejwt and agno, as ratios of the same run.

Starts the real server (gunicorn, 2 workers of 4 threads) on PostgreSQL with every commit on disk, and on SQLite with
``--database sqlite``; alternates the targets in a shuffled order; checks answers before, during and after. Options:
``--seconds``, ``--alternations``, ``--connections 16,64``, ``--only P1,P4``, ``--strict``, ``--out FILE``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.facts import idle_queries, import_seconds, resident_mebibytes
from tests.bench.load import Target, generator, run_load
from tests.bench.peers import THREADS, WORKERS, agno_peer, django_peers
from tests.bench.revoked import check_answers, check_revocation, move_changes
from tests.bench.table import REFERENCE, Run, document, lines_of, printed
from tests.bench.targets import Bench, our_targets, peer_targets, pool_of
from tests.live import ROOT, LiveServer, start_live_server
from tests.servers import postgresql

WARM_UP_SECONDS = 1


def main(arguments: list[str]) -> int:
    """Measure, print the table, write the JSON; 1 when an answer was wrong."""
    options = _options(arguments)
    connections = [int(text) for text in options.connections.split(",")]
    with tempfile.TemporaryDirectory(prefix="authsvc-bench-") as text:
        folder = Path(text)
        folder.chmod(0o755)
        with measured_server(folder, options.database, is_strict=options.strict) as (server, bench):
            facts = _facts(options)
            pool = pool_of(bench, options.seconds + WARM_UP_SECONDS)
            pem = folder / "public.pem"
            pem.write_bytes(bench.public_pem())
            known = {"BENCH_PEM": str(pem), "BENCH_AUDIENCE": str(bench.place["gateway"]["audience"])}
            with django_peers(folder, known) as django, agno_peer(folder, known) as agno:
                targets = _chosen([*peer_targets(bench, django, agno, pool), *our_targets(bench, pool)], options.only)
                check_answers(targets)
                facts["idle queries per second"] = idle_queries(server.environment["DATABASE_URL"])
                facts["seconds until every worker refused"] = check_revocation(bench)
                runs = list(_measure(bench, targets, connections, options, folder))
                facts["seconds until every worker refused, after"] = check_revocation(bench)
                facts["MiB per worker"] = resident_mebibytes(server.log)
    print(printed(lines_of(runs)))  # noqa: T201
    for name, value in facts.items():
        print(f"{name}: {value}")  # noqa: T201
    Path(options.out).write_text(json.dumps(document(runs, facts), indent=1))
    return 1 if any(run.sample.wrong for run in runs) else 0


@contextlib.contextmanager
def measured_server(folder: Path, database: str, *, is_strict: bool = False) -> Iterator[tuple[LiveServer, Bench]]:
    """Yield a running server with the demo and the seed; on PostgreSQL each commit is on disk when it answers."""
    with contextlib.ExitStack() as stack:
        os.environ.pop("TEST_DATABASE_URL", None)
        if database == "postgresql":
            os.environ["TEST_DATABASE_URL"] = stack.enter_context(postgresql(is_durable=True))
        settings = {"AUTHSVC_STRICT_REVOCATION": "on"} if is_strict else {}
        server = stack.enter_context(start_live_server(folder, workers=WORKERS, **settings))
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
                else:
                    run_load(target, connections=count, seconds=WARM_UP_SECONDS, folder=folder, is_checked=False)
                sample = run_load(target, connections=count, seconds=options.seconds, folder=folder)
                print(f"  {alternation + 1} c={count} {target.name}: {sample.per_second:.0f}/s", file=sys.stderr)  # noqa: T201
                yield Run(target.name, count, alternation, sample)


def _chosen(targets: list[Target], only: str) -> list[Target]:
    wanted = {name for name in only.split(",") if name}
    return [one for one in targets if not wanted or one.path in wanted or one.name == REFERENCE or one.name in wanted]


def _facts(options: argparse.Namespace) -> dict[str, object]:
    return {
        "load": f"{generator()}, {options.alternations} alternations of {options.seconds:g} s",
        "servers": f"gunicorn gthread, {WORKERS} workers of {THREADS} threads, rate limits lifted",
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
