"""The first page of a tenant that has grown large: few queries, and on PostgreSQL no scan of a large table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.scale import scaled
from tests.world import World

MOST_QUERIES = 14
SIZES = {
    "authsvc_principal": 10_000,
    "devices_device": 10_000,
    "authsvc_apikey": scaled(15_000, 100_000),
    "authsvc_issuedtoken": scaled(15_000, 100_000),
    "authsvc_auditevent": scaled(20_000, 1_000_000),
}
# One row of the demo is repeated, with these columns made anew; twenty devices still wait.
FRESH: dict[str, dict[str, str]] = {
    "authsvc_principal": {"id": "'dev_seed' || n", "name": "'Lamp ' || n"},
    "devices_device": {
        "id": "'dev_seed' || n",
        "principal_id": "'dev_seed' || n",
        "user_code_hash": "CASE WHEN mod(n, 500) = 0 THEN 'code' || n ELSE '' END",
        "status": "CASE WHEN mod(n, 500) = 0 THEN 'pending' ELSE 'active' END",
        "address": "'10.0.' || mod(n, 250) || '.' || mod(n, 199)",
        "key_fingerprint": "''",
    },
    "authsvc_apikey": {"id": "'key_seed' || n", "secret_hash": "'hash' || n"},
    "authsvc_issuedtoken": {"id": "'seed' || n"},
    "authsvc_auditevent": {"id": "'evt_seed' || n", "sequence": "1000000 + n"},
}
CHOSEN = {
    "authsvc_principal": "kind = 'device'",
    "devices_device": "status = 'active'",
    "authsvc_apikey": "kind = 'api_key'",
}


@pytest.fixture
def grown(world: World) -> None:
    """Let acme grow, on PostgreSQL; SQLite counts the same queries over the demo."""
    if connection.vendor != "postgresql":
        return
    world.prod.access_token()
    tenant_id = world.prod.environment().tenant_id
    with connection.cursor() as cursor:
        for table, size in SIZES.items():
            names = [column.name for column in connection.introspection.get_table_description(cursor, table)]
            values = ", ".join(FRESH[table].get(name, f'"{name}"') for name in names)
            columns = ", ".join(f'"{name}"' for name in names)
            one = f"SELECT * FROM {table} WHERE tenant_id = %s AND {CHOSEN.get(table, 'true')} LIMIT 1"  # noqa: S608
            many = f"INSERT INTO {table} ({columns}) SELECT {values} FROM ({one}) AS one"  # noqa: S608
            cursor.execute(f"{many}, generate_series(1, %s) AS n", [tenant_id, size])
        for table in SIZES:
            cursor.execute(f"ANALYZE {table}")


def plans(queries: list[dict[str, str]]) -> Iterator[tuple[str, Any]]:
    """Yield each query that reads with PostgreSQL's plan for it."""
    with connection.cursor() as cursor:
        for query in queries:
            if query["sql"].lstrip().upper().startswith("SELECT"):
                cursor.execute("EXPLAIN (FORMAT JSON) " + query["sql"].replace("%", "%%"), [])
                found = cursor.fetchone()[0]
                yield query["sql"], (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def scans_in(plan: Any) -> Iterator[str]:
    """Yield the tables a plan reads from one end to the other."""
    if plan["Node Type"].endswith("Seq Scan"):
        yield plan["Relation Name"]
    for below in plan.get("Plans", []):
        yield from scans_in(below)


def test_dashboard_of_a_large_tenant_takes_few_queries_and_scans_nothing(
    world: World, grown: None, signed_in: Any
) -> None:
    for who, place in product(("acme", "platform"), ("", world.prod.environment().id)):
        client: Client = signed_in(who)
        client.post("/admin/place/", {"place": place})
        with CaptureQueriesContext(connection) as seen:
            page = client.get("/admin/")
        assert page.status_code == 200
        assert len(seen) <= MOST_QUERIES, "\n".join(query["sql"][:300] for query in seen.captured_queries)
        if connection.vendor == "postgresql":
            found = plans(seen.captured_queries)
            scanned = [f"{table}: {sql}" for sql, plan in found for table in scans_in(plan) if table in SIZES]
            assert not scanned, "\n".join(scanned)
