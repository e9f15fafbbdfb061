"""No room left: reads go on, every change and every reveal is 503 and leaves nothing half done, and it ends by itself.

The database refuses each write with the error it has for a full disk; what was read stays readable.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.core.management import call_command
from django.db import OperationalError, connection

from authsvc.audit.models import AuditEvent
from tests.world import Place, World

FULL = {
    "sqlite": "database or disk is full",
    "postgresql": "could not extend file: No space left on device",
}


def _refuse_writes(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
    if sql.startswith(("INSERT", "UPDATE", "DELETE")):
        raise OperationalError(FULL[connection.vendor])
    return execute(sql, parameters, many, context)


def store(place: Place) -> Any:
    body = {"provider": "groq", "name": f"n{secrets.token_hex(6)}", "kind": "api_key", "value": "gsk_" + "a" * 52}
    return place.api().post("/profiles", {**body, "description": "d"})


def reveal(place: Place) -> Any:
    return place.api().post("/credentials/resolve", {"provider": "anthropic"})


def test_disk_full_closes_changes_and_reveals_and_keeps_reads(world: World) -> None:
    place, before = world.prod, AuditEvent.objects.count()
    with connection.execute_wrapper(_refuse_writes):
        refused = [store(place), reveal(place), place.token_request(), store(place)]
        assert {answer.status_code for answer in refused} == {503}
        assert {answer["Retry-After"] for answer in refused} == {"5"}
        assert not [answer for answer in refused if b"sk-ant" in answer.content or b"disk" in answer.content]
        assert place.api().get("/profiles").status_code == 200
        assert place.api().get("/me").status_code == 200
        assert place.api().get(place.path("/.well-known/jwks.json")).status_code == 200
        assert AuditEvent.objects.count() == before
    assert (store(place).status_code, reveal(place).status_code) == (201, 200)
    call_command("audit", "verify")
