"""Strict mode: the count of changes is read once in every request; and a count that may be rolled back is nobody's."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, transaction
from django.db.models import F
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from authsvc.audit.changes import POLL_SECONDS, Remembered, current_changes, note_change
from authsvc.audit.models import AuditHead
from authsvc.gate import quick_views
from authsvc.gate.door import QuickDoor
from tests.api.test_two_doors import answer, requests_of
from tests.world import World

COUNT = 'SELECT "authsvc_audithead"."changes"'


@pytest.fixture
def door() -> QuickDoor:
    return QuickDoor(WSGIHandler(), quick_views.API_VIEWS)


@pytest.mark.parametrize("strict", [True, False])
def test_the_count_is_read_in_every_request_or_four_times_a_second(world: World, door: Any, strict: bool) -> None:
    sent = requests_of(world.prod)["allowed"]
    answer(door, sent)
    with override_settings(AUTHSVC_STRICT_REVOCATION=strict):
        answer(door, sent)
        began = time.monotonic()
        with CaptureQueriesContext(connection) as queries:
            for _ in range(3):
                answer(door, sent)
        polls = 1 + int((time.monotonic() - began) / POLL_SECONDS)
    counts = [query for query in queries if query["sql"].startswith(COUNT)]
    assert len(counts) == 3 if strict else len(counts) <= min(3, polls)


def test_strict_sees_the_change_of_another_process_in_the_next_request(world: World) -> None:
    tenant_id = world.prod.caller().tenant_id
    with override_settings(AUTHSVC_STRICT_REVOCATION=True):
        before = current_changes(tenant_id)
        AuditHead.objects.filter(tenant_id=tenant_id).update(changes=F("changes") + 1)  # nobody tells this process
        assert current_changes(tenant_id) == before + 1


def test_a_transaction_that_moves_the_count_remembers_nothing(world: World) -> None:
    tenant_id, memory = world.prod.caller().tenant_id, Remembered[str, str](10)
    with transaction.atomic():
        note_change(tenant_id)
        memory.put("key", tenant_id, current_changes(tenant_id), "worked out inside")
        assert memory.find("key") is None


def test_a_count_inside_a_transaction_is_not_shown_to_other_threads(world: World) -> None:
    tenant_id = world.prod.caller().tenant_id
    committed = current_changes(tenant_id)
    with transaction.atomic():
        AuditHead.objects.filter(tenant_id=tenant_id).update(changes=F("changes") + 1)
        note_change(tenant_id)
        assert current_changes(tenant_id) == committed + 1
        elsewhere: list[int | None] = []
        from authsvc.audit import changes

        thread = threading.Thread(target=lambda: elsewhere.append((changes._seen.get(tenant_id) or (0, None))[1]))
        thread.start()
        thread.join()
    assert elsewhere == [None]
