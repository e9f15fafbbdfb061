"""How much the hot paths ask of the database: statements are counted, and each prepared one uses an index."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from authsvc.audit.changes import forget_everything
from authsvc.gate import quick_views
from authsvc.gate.authentication import admit
from authsvc.gate.door import QuickDoor
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.services import revoke_token, verify_access_token
from authsvc.web.prepared import Prepared
from profiles import quick
from tests.api.test_two_doors import decide, requests_of
from tests.world import Place, World

OWN_PAPERWORK = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN")


@pytest.fixture
def door() -> QuickDoor:
    return QuickDoor(WSGIHandler(), {**quick_views.API_VIEWS, **quick.API_VIEWS})


@pytest.fixture
def place(world: World) -> Place:
    return world.prod


@pytest.fixture
def statements(door: QuickDoor, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], list[str]]:
    """Return what a request asks of the database, but for the count of changes, which is read four times a second."""

    def ask(sent: dict[str, Any]) -> list[str]:
        sent["wsgi.input"].seek(0)
        told: list[str] = []
        with CaptureQueriesContext(connection) as queries:
            b"".join(door(sent, lambda status, *_: told.append(status)))
        assert told[0].startswith("200"), told
        texts = [query["sql"] for query in queries if not query["sql"].startswith(OWN_PAPERWORK)]
        return [text for text in texts if not text.startswith('SELECT "authsvc_audithead"."changes"')]

    return ask


@pytest.mark.parametrize(
    "name",
    ["allowed", "allowed by route", "introspect by key", "forward", "scope not held", "made-up token"],
)
def test_a_warm_answer_asks_nothing(place: Place, statements: Any, name: str) -> None:
    sent = requests_of(place)[name]
    statements(sent)
    assert statements(sent) == []


def test_a_new_token_of_a_known_principal_asks_nothing(place: Place, statements: Any) -> None:
    gateway = place.gateway
    for number in range(2):
        token = place.access_token(audience=gateway["audience"])
        asked = {"token": token, "gateway": gateway["id"], "scope": "agents:agent-1:run"}
        found = statements(decide(place, place.api_key, asked))
        assert len(found) <= (0 if number else 10), found


@pytest.mark.parametrize("fault", ["expired", "tampered", "revoked"])
def test_a_token_refused_for_good_is_not_looked_at_again(
    place: Place, statements: Any, now: datetime, fault: str
) -> None:
    token = place.access_token(audience=place.gateway["audience"])
    verified = verify_access_token(token, now=now)
    if fault == "revoked":
        revoke_token(place.caller(), jti=verified.claims.jti, reason="test", now=now)
        forget_everything()  # as if the revoking transaction were over
    if fault == "tampered":
        token = token[:-6] + ("AAAAAA" if not token.endswith("AAAAAA") else "BBBBBB")
    later = now + timedelta(hours=25) if fault == "expired" else now
    for first in (True, False):
        with CaptureQueriesContext(connection) as queries, pytest.raises(TokenRefused) as refused:
            verify_access_token(token, now=later)
        texts = [query["sql"] for query in queries if '"changes"' not in query["sql"]]
        assert first or texts == []
    assert refused.value.reason == {"expired": "exp", "tampered": "signature", "revoked": "revoked"}[fault]
    if fault == "expired":
        assert verify_access_token(token, now=now).claims == verified.claims, "the refusal holds from its moment on"
    asked = {"token": token, "gateway": place.gateway["id"], "scope": "agents:agent-1:run"}
    sent = decide(place, place.api_key, asked)
    statements(sent)
    assert statements(sent) == []


def test_refused_tokens_push_no_accepted_one_out(place: Place, now: datetime) -> None:
    good = place.access_token(audience=place.gateway["audience"])
    admit(good, audience=None, now=now)
    for number in range(20):
        with pytest.raises(TokenRefused):
            admit(f"{good[:-6]}AAAA{number:02d}", audience=None, now=now)
    with CaptureQueriesContext(connection) as queries:
        admit(good, audience=None, now=now)
    assert [query["sql"] for query in queries if '"changes"' not in query["sql"]] == []


def test_another_made_up_token_asks_nothing(place: Place, statements: Any) -> None:
    for number in range(3):
        asked = {"token": f"made-up-{number}", "gateway": place.gateway["id"], "scope": "agents:read"}
        found = statements(decide(place, place.api_key, asked))
    assert found == []


@pytest.mark.parametrize(("name", "most"), [("token", 4), ("resolve", 7), ("device", 10)])
def test_a_path_that_writes_stays_within_its_statements(place: Place, statements: Any, name: str, most: int) -> None:
    sent = requests_of(place)[name]
    statements(sent)
    found = statements(sent)
    assert len(found) <= most, "\n".join(found)


def test_a_key_that_is_never_remembered_asks_for_its_row_alone(place: Place, statements: Any) -> None:
    account = place.ids["service_account"]
    made = place.api().post(f"/service-accounts/{account}/keys", {"name": "x", "address_ranges": ["127.0.0.0/8"]})
    assert made.status_code == 201, made.content
    asked = {"token": place.access_token(), "scope": "profiles:read"}
    sent = decide(place, made.json()["secret"], asked)
    statements(sent)
    found = statements(sent)
    assert len(found) == 1, found


def every_prepared() -> list[Prepared[Any]]:
    """Return every prepared query of the service, found where they are kept."""
    gc.unfreeze()  # what is loaded is frozen, and not listed then
    return [thing for thing in gc.get_objects() if type(thing) is Prepared]  # isinstance would follow dead proxies


def plan_of(prepared: Prepared[Any]) -> str:
    """Return how the database would run a query; rows that a test's few could be read whole for count as found."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    return str(prepared.queryset().explain())


def test_every_prepared_query_finds_its_rows_by_index(world: World) -> None:
    found = every_prepared()
    whole = "Seq Scan" if connection.vendor == "postgresql" else "SCAN "
    with transaction.atomic():
        plans = {str(prepared.queryset().query): plan_of(prepared) for prepared in found}
    assert len(plans) >= 20
    assert {text: plan for text, plan in plans.items() if whole in plan} == {}
