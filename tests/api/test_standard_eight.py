"""Each endpoint has the eight: works, 401, 403, other tenant 404, other environment 404, 400, 429, audited.

Most stand in ``test_areas.py`` and ``test_tenancy_matrix.py``, asked of two tables; here what they leave is asked, and
the walk over the URL resolver says that no endpoint is missing from any of the eight.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.web.api_docs import described
from authsvc.web.limit_store import bucket_store
from authsvc.web.scope_rules import ANY_CALLER, PROOF_IN_BODY
from tests.api.area_calls import COLLECTIONS, Call
from tests.api.id_routes import CASES, Case
from tests.api.test_areas import EVENTS, EVERY_CALL, NEEDS_PROOF, rule_of, send
from tests.api.test_tenancy_matrix import ACTORS, actor, rows
from tests.house.routes import walk
from tests.world import Api, Place, World

# Posts that ask or try, and change nothing that an event would tell of.
ASKS = {
    "POST /decide": "the decision itself is an event where it denies",
    "POST /decide/batch": "as /decide",
    "POST /filter": "reads",
    "POST /explain": "reads",
    "POST /tokens/diagnose": "reads",
    "POST /channels/check": "reads",
    "POST /devices/{device_id}/challenge": "a nonce for whichever id; nothing is written",
    "DELETE /order/anthropic": "there is none to clear; PUT and test_credentials_pins.py have the events",
    "DELETE /agents/agent-1/order/anthropic": "as above",
}
# Endpoints whose owner's plain request is refused in prod, and which test sees them work.
WORKS_ELSEWHERE = {
    "POST /gateways/{gateway_id}/shared-secret": "dev alone: test_keys.py",
    "POST /devices/{device_id}/rotate-secret": "the device alone: test_devices.py",
}
# What reaches the whole tenant on purpose; the other tenant is still nobody's business.
TENANT_WIDE = {"PUT /limits", "PUT /four-eyes", "POST /tenant/suspend", "POST /invitations"}
OAUTH = ("token", "introspect", "revoke", "device_authorization")


def operations() -> set[str]:
    """Return each method of each API route, with its parameters written alike."""
    return {f"{method} /{route.path[7:]}" for route in walk() if route.is_api for method in route.methods}


def alike(path: str) -> str:
    """Return a path of the tables or the resolver without the names of its parameters and examples."""
    parts = []
    for part in path.split("/"):
        is_example = part in {"s1", "anthropic", "own-llm", "agent-1", "dev"}
        parts.append("{}" if is_example or part.startswith(("{", "<")) else part)
    return "/".join(parts)


def covered(names: Iterator[str] | set[str]) -> set[str]:
    """Return the endpoints these calls ask."""
    return {alike(name) for name in names}


def test_every_endpoint_is_asked_for_each_of_the_eight() -> None:
    every = {alike(name) for name in operations()}
    assert len(every) >= 130
    calls = {str(call): call for call in EVERY_CALL}
    works = {name for name, call in calls.items() if _wanted(call) < 400} | set(WORKS_ELSEWHERE)
    guarded = {name for name, call in calls.items() if rule_of(call) not in {ANY_CALLER, PROOF_IN_BODY}}
    open_to_any = {name for name, call in calls.items() if rule_of(call) in {ANY_CALLER, PROOF_IN_BODY}}
    audited = {*EVENTS, *ASKS, *WORKS_ELSEWHERE, *(str(call) for call in COLLECTIONS if call.event)}
    changes = {name for name in calls if not name.startswith("GET ")}
    assert every - covered(works) == set()
    assert every - covered({str(call) for call in NEEDS_PROOF}) == covered({"POST /devices/{device_id}/challenge"})
    assert every - covered(guarded) == covered(open_to_any)
    assert every - covered({str(case) for case in CASES}) == covered({str(call) for call in COLLECTIONS})
    assert covered(changes) - covered(audited) == set()


def _wanted(call: Call | Case) -> int:
    return call.owner if isinstance(call, Case) else call.status


WRITES = [call for call in COLLECTIONS if call.method != "GET"]
READS = [call for call in COLLECTIONS if call.method == "GET"]


@pytest.mark.parametrize("call", WRITES, ids=str)
def test_call_without_an_id_changes_nothing_of_another_tenant_or_environment(world: World, call: Call) -> None:
    others = [world.foreign, *([] if str(call) in TENANT_WIDE else [world.dev])]
    body = call.body(world.prod) if callable(call.body) else call.body  # what it prepares is prod's
    before = [rows(other) for other in others]
    assert send(world.prod.api(), call, world.prod, body).status_code == call.status
    assert [rows(other) for other in others] == before


@pytest.mark.parametrize("call", READS, ids=str)
def test_reading_call_without_an_id_shows_nothing_of_another_tenant_or_environment(world: World, call: Call) -> None:
    place = world.prod
    caller = place.caller()
    hidden = {place.marker, *place.ids.values(), place.pending_device["id"], caller.environment_id}
    for name in ACTORS[:4]:
        reply = send(actor(world, name), call, world.foreign if name.startswith("globex") else world.dev)
        shown = reply.getvalue().decode()
        assert reply.status_code in {200, 400, 403, 404}
        assert [text for text in hidden if text in shown] == []
        assert not name.startswith("globex") or caller.tenant_id not in shown


def with_a_body() -> list[Call | Case]:
    """Return the calls whose operation describes a body."""
    paths = described()["paths"]
    takes = {
        alike(f"{method.upper()} {path.removeprefix('/api/v1')}")
        for path, item in paths.items()
        for method, operation in item.items()
        if path.startswith("/api/v1/") and isinstance(operation, dict) and "requestBody" in operation
    }
    return [call for call in EVERY_CALL if alike(str(call)) in takes]


def test_every_body_with_an_unknown_field_is_400_that_names_it(world: World) -> None:
    asked, faults = with_a_body(), []
    assert len(asked) >= 60
    for call in asked:
        reply = send(world.prod.api(), call, world.prod, {"no_such_field": "secret-here"})
        named = reply.status_code == 400 and "no_such_field" in reply.json().get("errors", {})
        faults += [] if named and b"secret-here" not in reply.content else [f"{call}: {reply.status_code}"]
    assert faults == []


def test_every_list_with_a_bad_limit_is_400_that_names_it(world: World) -> None:
    lists = [route.path for route in walk() if route.is_api and getattr(route.view, "lists", False)]
    plain = [path for path in lists if "<" not in path]
    assert len(plain) >= 14
    replies = {path: world.prod.api().get(f"/{path}?limit=none".replace("/api/v1", "")) for path in plain}
    assert {path: reply.status_code for path, reply in replies.items() if reply.status_code != 400} == {}
    assert all("limit" in reply.json()["errors"] for reply in replies.values())


def addresses(world: World) -> Iterator[tuple[str, str]]:
    """Yield each method and an address of every route that counts requests."""
    for call in EVERY_CALL:
        yield call.method, "/api/v1" + (call.path(call.ids(world.prod)) if isinstance(call, Case) else call.route)
    for name in OAUTH:
        yield "POST", world.prod.path(f"/oauth/{name}")
    for path in (".well-known/jwks.json", "jwks.pem", ".well-known/oauth-authorization-server"):
        yield "GET", world.prod.path(f"/{path}")


def test_every_endpoint_is_limited(world: World, settings: Any) -> None:
    asked = list(addresses(world))
    settings.AUTHSVC_DEMO_LIMITS, settings.API_RATE_LIMIT = "on", "1/min"
    faults = []
    for method, path in asked:
        bucket_store.cache_clear()
        first, second = (Client().generic(method, path) for _ in range(2))
        is_limited = first.status_code != 429 and second.status_code == 429 and int(second["Retry-After"]) >= 1
        is_problem = second["Content-Type"] == "application/problem+json"
        faults += [] if is_limited and is_problem else [f"{method} {path}: {first.status_code} {second.status_code}"]
    assert faults == []


def good(place: Place, name: str) -> dict[str, str]:
    """Return a form that works at an OAuth endpoint."""
    client = {"client_id": place.client_id, "client_secret": place.client_secret}
    return {
        "token": {"grant_type": "client_credentials", **client},
        "introspect": {"token": place.access_token(), **client},
        "revoke": {"token": place.access_token(), **client},
        "device_authorization": {"client_id": "authsvc-device"},
    }[name]


@pytest.mark.parametrize("name", OAUTH)
def test_oauth_endpoint_works_refuses_strangers_and_bad_input_and_is_audited(world: World, name: str) -> None:
    place, path = world.prod, f"/oauth/{name}"
    form = good(place, name)
    before = AuditEvent.objects.count()
    assert place.form(path, form).status_code == 200
    assert (AuditEvent.objects.count() > before) is (name != "introspect")  # a look changes nothing
    assert place.form(path, {}).status_code in {400, 401}
    twice = Client().post(place.path(path), "client_id=a&client_id=a", content_type="application/x-www-form-urlencoded")
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    assert Client().post(place.path(path), "{}", content_type="application/json").json()["error"] == "invalid_request"
    if name == "device_authorization":  # anybody may begin; a person approves
        return
    bare = {key: value for key, value in form.items() if not key.startswith("client_")}
    refused = [place.form(path, bare), *(other.form(path, form) for other in (world.foreign, world.dev))]
    assert {(reply.status_code, reply.content) for reply in refused} == {(401, refused[0].content)}
    assert refused[0].json()["error"] == "invalid_client"


def test_scope_that_a_client_lacks_is_refused_at_the_token_endpoint(world: World) -> None:
    reader = {"client_id": world.prod.reader["client_id"], "client_secret": world.prod.reader["client_secret"]}
    refused = world.prod.token_request(**reader, scope="profiles:write")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    assert Api(world.prod.access_token(**reader)).post("/roles", {"name": "n"}).status_code == 403
