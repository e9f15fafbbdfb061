"""The whole OpenAPI description against the service: no request it can describe yields a 5xx or an undocumented answer.

Requests are generated from the schema, good and bad ones, and sent in this process with full rights and with no proof.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from authsvc.audit.changes import forget_everything
from authsvc.web.api_docs import described
from tests.house.routes import METHODS
from tests.scale import scaled
from tests.world import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = scaled(1, 25)  # for each operation, proof and kind of request
EAGER = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@lru_cache(maxsize=1)
def operations() -> list[Any]:
    """Return every operation of the description the service itself serves."""
    document = json.loads(Client().get("/api/schema/", headers={"Accept": "application/json"}).content)
    schema = schemathesis.openapi.from_dict(document)
    schema.app = get_wsgi_application()
    return [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr] # else it raises


def known_ids(world: World) -> dict[str, str]:
    """Return, by parameter, an id that exists."""
    ids = world.prod.ids
    return {
        "role_id": ids["role"],
        "grant_id": ids["grant"],
        "account_id": ids["service_account"],
        "key_id": ids["api_key"],
        "gateway_id": ids["gateway"],
        "channel_id": ids["channel"],
        "device_id": ids["device"],
        "profile_id": ids["profile"],
        "credential_id": ids["credential"],
        "provider": "anthropic",
        "agent": "main",
    }


def ask(operation: Any, mode: Any, headers: dict[str, str], known: dict[str, str]) -> int:
    """Send requests of one operation, each undone, and check every answer; return how many were sent."""
    sent = 0

    @EAGER
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def send(case: Any, is_known: bool) -> None:
        nonlocal sent
        sent += 1
        if is_known:
            replaced = {name: known.get(name, value) for name, value in (case.path_parameters or {}).items()}
            case.path_parameters = replaced
        with transaction.atomic():
            answer = case.call(headers=headers)
            transaction.set_rollback(True)
        forget_everything()
        case.validate_response(answer, checks=CHECKS)

    send()
    return sent


RUNS = [(mode, proof) for mode in schemathesis.GenerationMode for proof in ("full rights", "no proof")]


@pytest.mark.parametrize("run", range(len(RUNS)), ids=lambda run: f"{RUNS[run][0]}-{RUNS[run][1]}")
def test_every_answer_to_a_described_request_is_a_described_one(world: World, run: int) -> None:
    mode, proof = RUNS[run]
    headers = {"Authorization": f"Bearer {world.prod.api_key}"} if proof == "full rights" else {}
    assert len(operations()) >= 100
    found = operations()[run % scaled(len(RUNS), 1) :: scaled(len(RUNS), 1)]
    faults = []
    for operation in found:
        try:
            ask(operation, mode, headers, known_ids(world))
        except BaseExceptionGroup as group:
            faults += [f"{operation.label}: {fault}" for fault in group.exceptions]
        except Exception as fault:  # noqa: BLE001 - every fault of every operation is told at once
            faults.append(f"{operation.label}: {type(fault).__name__} {str(fault)[:800]}")
    assert not faults, "\n\n".join(faults)


def test_description_is_made_without_a_warning() -> None:
    GENERATOR_STATS.reset()
    described.cache_clear()
    assert described()["openapi"].startswith("3.")
    assert (dict(GENERATOR_STATS._warn_cache), dict(GENERATOR_STATS._error_cache)) == ({}, {})


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/", "/api/docs/?script="])
@pytest.mark.django_db
def test_pages_of_the_description_are_read_and_nothing_else(path: str) -> None:
    client = Client(raise_request_exception=False)
    statuses = {method: client.generic(method, path).status_code for method in (*METHODS, "HEAD", "OPTIONS", "TRACE")}
    assert statuses == dict.fromkeys(statuses, 405) | {"GET": 200, "HEAD": 200}
