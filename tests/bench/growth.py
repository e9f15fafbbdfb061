"""``make bench-growth``: the hot paths with the demo's few rows, then with many tenants and a million rows a table.

The rows are written by COPY, as copies of the demo's own with other ids. Prints the rate and the waiting times of each
path, and the first pages of the admin, before and after, and fails when a prepared query reads a table whole.
``--tenants``, ``--rows``, ``--audit``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from tests.bench.load import Sample, Target, run_load
from tests.bench.revoked import check_answers, move_changes
from tests.bench.run import measured_server
from tests.bench.targets import TOKENS_A_SECOND, Bench, our_targets, pool_of
from tests.live import ROOT

PATHS = ("P1 decide cold", "P2 opaque key, no cache", "P3 resolve", "P4 client_credentials ES256",
         "P6 device authenticate ES256")  # fmt: skip
CONNECTIONS = 16
LEAST_PLANS = 20  # there are more prepared queries than this
SHARED = {"tenant_id": "ten_g{tenant}", "environment_id": "env_g{tenant}"}
# Table: which of a copied row's columns become others. {tenant} counts tenants, {row} rows.
TABLES: Mapping[str, Mapping[str, str]] = {
    "authsvc_tenant": {"id": "ten_g{row}", "slug": "growth-{row}"},
    "authsvc_environment": {"id": "env_g{row}", "tenant_id": "ten_g{row}"},
    "authsvc_audithead": {"tenant_id": "ten_g{row}"},
    "authsvc_principal": {**SHARED, "id": "dev_g{row}"},
    "devices_device": {**SHARED, "id": "dev_g{row}", "principal_id": "dev_g{row}", "user_code_hash": ""},
    "authsvc_apikey": {**SHARED, "id": "key_g{row}", "principal_id": "dev_g{row}"},
    "rbac_grant": {**SHARED, "id": "grt_g{row}", "principal_id": "dev_g{row}"},
    "profiles_profile": {**SHARED, "id": "prf_g{row}", "key": "anthropic:g{row}"},
    "profiles_credential": {**SHARED, "id": "crd_g{row}", "profile_id": "prf_g{row}"},
    "authsvc_auditevent": {"tenant_id": "ten_g{tenant}", "id": "evt_g{row}", "sequence": "{row}"},
}
PER_TENANT = ("authsvc_tenant", "authsvc_environment", "authsvc_audithead")
PLANS = """
import gc, json, os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsvc.settings")
import authsvc.wsgi, authsvc.urls
from django.db import transaction
from authsvc.web.prepared import Prepared
gc.unfreeze()
with transaction.atomic():
    plans = [each.queryset().explain() for each in gc.get_objects() if type(each) is Prepared]
print(json.dumps(plans))
"""


def main(arguments: list[str]) -> int:
    """Measure, fill, measure again; 1 when a plan reads a large table whole."""
    parser = argparse.ArgumentParser(prog="make bench-growth")
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--audit", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--alternations", type=int, default=3)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="authsvc-growth-") as text:
        folder = Path(text)
        folder.chmod(0o755)
        with measured_server(folder, "postgresql") as (server, bench):
            small, few = measured(bench, options, folder), first_pages(server.environment)
            fill(server.environment["DATABASE_URL"], options)
            large, many = measured(bench, options, folder), first_pages(server.environment)
            whole = read_whole(server.environment)
    print(f"{'path':<32} {'req/s':>14} {'x':>5} {'p50 ms':>14} {'x':>5} {'p99 x':>6} wrong")  # noqa: T201
    for name in PATHS:
        print(line(name, small[name], large[name]))  # noqa: T201
    print(f"{'first page of a list of the admin':<44} {'ms':>7} {'ms':>8} {'x':>6}")  # noqa: T201
    for name, before in few.items():
        print(f"{name:<44} {before:>7.1f} {many[name]:>8.1f} {many[name] / before:>6.2f}")  # noqa: T201
    print(f"plans that read a large table whole: {whole or 'none'}")  # noqa: T201
    return (
        1 if whole or any(sample.wrong for runs in (small, large) for each in runs.values() for sample in each) else 0
    )


def measured(bench: Bench, options: argparse.Namespace, folder: Path) -> dict[str, list[Sample]]:
    """Return the samples of each path."""
    pool = pool_of(bench, TOKENS_A_SECOND * options.seconds)
    targets: list[Target] = [target for target in our_targets(bench, pool) if target.name in PATHS]
    check_answers(targets)
    found: dict[str, list[Sample]] = {target.name: [] for target in targets}
    for _ in range(options.alternations):
        for target in targets:
            move_changes(bench)
            (folder / f"{target.name.replace(' ', '-')}.bodies").unlink(missing_ok=True)
            sample = run_load(target, connections=CONNECTIONS, seconds=options.seconds, folder=folder)
            found[target.name].append(sample)
    return found


def fill(database_url: str, options: argparse.Namespace) -> None:
    """Write the rows by COPY and let the planner know."""
    with psycopg.connect(database_url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        for table, changed in TABLES.items():
            columns, template = _template(connection, table)
            count = options.tenants if table in PER_TENANT else options.rows
            count = options.audit if table == "authsvc_auditevent" else count
            with connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in _rows(columns, template, changed, count, options.tenants):
                    copy.write(row)
            print(f"  {table}: {count} rows", file=sys.stderr)  # noqa: T201
        connection.execute("ANALYZE")


def first_pages(environment: Mapping[str, str]) -> dict[str, float]:
    """Return the milliseconds of the first page of each large list, by operator and page."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.admin_lists"],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def read_whole(environment: Mapping[str, str]) -> list[str]:
    """Return the plans of prepared queries that read a table from end to end although it is large."""
    known = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", PLANS], env=known, cwd=ROOT, capture_output=True, text=True, check=True
    )
    plans: list[str] = json.loads(done.stdout.splitlines()[-1])
    if len(plans) < LEAST_PLANS:
        raise RuntimeError(f"only {len(plans)} prepared queries were found")
    return [plan for plan in plans if any(f"Seq Scan on {table} " in plan for table in TABLES)]


def line(name: str, small: list[Sample], large: list[Sample]) -> str:
    """Return one line of the table: medians before and after, and their ratios."""
    rate, p50, p99 = (
        [sorted(getattr(sample, what) for sample in each)[len(each) // 2] for each in (small, large)]
        for what in ("per_second", "p50", "p99")
    )
    wrong = sum(sample.wrong for sample in (*small, *large))
    return (
        f"{name:<32} {rate[0]:>6.0f} {rate[1]:>7.0f} {rate[1] / rate[0]:>5.2f} {p50[0] / 1000:>6.1f} "
        f"{p50[1] / 1000:>7.1f} {p50[1] / p50[0]:>5.2f} {p99[1] / p99[0]:>6.2f} {wrong}"
    )


def _template(connection: psycopg.Connection, table: str) -> tuple[list[str], list[str]]:
    """Return the columns of a table and one of its rows as COPY spells it; devices that are active go first."""
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position", [table]
    )
    columns = [str(row[0]) for row in found]
    where = "WHERE status = 'active'" if "status" in columns else ""
    query = f"COPY (SELECT {', '.join(columns)} FROM {table} {where} LIMIT 1) TO STDOUT"  # noqa: S608 - our tables
    with connection.cursor().copy(query) as copy:
        text = b"".join(bytes(block) for block in copy).decode().rstrip("\n")
    return columns, text.split("\t")


def _rows(
    columns: list[str], template: list[str], changed: Mapping[str, str], count: int, tenants: int
) -> Iterator[str]:
    parts = [
        changed[name] if name in changed else value.replace("{", "{{").replace("}", "}}")
        for name, value in zip(columns, template, strict=True)
    ]
    pattern = "\t".join(parts) + "\n"
    for row in range(1, count + 1):
        yield pattern.format(row=row, tenant=(row - 1) % tenants + 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
