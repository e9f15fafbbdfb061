"""Another tenant, another environment or nobody gets from every route exactly what a made-up id gets.

Asked with each kind of proof, for each method of each route with an id; the owner's own request is the control.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Model

from authsvc.audit.models import AuditEvent
from authsvc.tenants.scoping import EnvironmentOwned
from tests.api.id_routes import CASES, Case, Ids
from tests.house.routes import walk
from tests.world import Api, Place, World

ACTORS = ("globex api key", "globex access token", "dev api key", "dev access token", "nobody")
LISTS = (
    "/tokens",
    "/audit",
    "/audit/export",
    "/audit/checkpoints",
    "/reviews",
    "/roles",
    "/grants",
    "/service-accounts",
    "/gateways",
    "/channels",
    "/devices",
    "/devices/inbox",
    "/devices/enrolment-codes",
    "/keys",
    "/profiles",
)


LISTS_OF_PEOPLE = {"/members", "/invitations"}  # for prod's administrators alone: test_members.py
PROOFS = ("/authenticate", "/prove")


def actor(world: World, name: str) -> Api:
    """Return a client that speaks as a stranger to acme/prod."""
    if name == "nobody":
        return Api()
    place = world.foreign if name.startswith("globex") else world.dev
    return Api(place.access_token() if name.endswith("access token") else place.api_key)


def made_up(ids: Ids) -> Ids:
    """Return ids of the same shape that no row has."""
    return {name: re.sub(r"(?<=_).*", lambda rest: "0" * len(rest.group()), value) for name, value in ids.items()}


def answer(api: Api, case: Case, ids: Ids, body: Any) -> tuple[int, bytes, dict[str, str]]:
    """Return status, bytes and headers; the id of the request differs by nature."""
    response = api.send(case.method, case.path(ids), body)
    headers = {name: value for name, value in response.headers.items() if name != "X-Request-Id"}
    return response.status_code, re.sub(rb'"nonce": ?"[^"]+"', b'"nonce": ""', response.content), headers


def rows(place: Place) -> dict[str, list[Any]]:
    """Return every row of the environment as it is stored, and what its audit says; asked often, so without the ORM."""
    environment_id = place.caller().environment_id
    found = {
        model.__name__: stored("*", model, environment_id)
        for model in apps.get_models()
        if issubclass(model, EnvironmentOwned)
    }
    return {**found, "audit": stored("id", AuditEvent, environment_id)}


def stored(columns: str, model: type[Model], environment_id: str) -> list[dict[str, Any]]:
    """Return the rows of an environment in one table, by column."""
    key = model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM {model._meta.db_table} WHERE environment_id = %s ORDER BY {key}",  # noqa: S608
            [environment_id],
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def shapes(paths: list[str]) -> set[str]:
    """Return paths with their parameters written alike."""
    return {re.sub(r"\{\w+\}|<\w+:\w+>", "{}", path) for path in paths}


def test_table_of_id_routes_equals_the_resolver() -> None:
    known = shapes([str(case) for case in CASES])
    routes = [route for route in walk() if route.is_api and "<id:" in route.path]
    real = shapes([f"{method} /{route.path[7:]}" for route in routes for method in route.methods])
    assert known == real


@pytest.mark.parametrize("case", CASES, ids=str)
def test_foreign_id_answers_like_a_made_up_one(world: World, case: Case) -> None:
    place = world.prod
    proves = case.route.endswith(PROOFS)  # the body is the proof: a stranger has only its own
    is_open = case.route.endswith("/challenge")  # a nonce for whichever id
    ids, body = case.ids(place), case.body_for(world.foreign if proves else place)
    before = rows(place)
    for name in ACTORS:
        if proves and name == "nobody":
            assert rows(place) == before
        api = actor(world, name)
        real, absent = answer(api, case, ids, body), answer(api, case, made_up(ids), body)
        assert real == absent, name
        assert real[0] == (200 if is_open else 401 if name == "nobody" or proves else 404), name
    if proves:
        assert_only_a_failed_proof(before, rows(place), ids["device_id"])
    else:
        assert rows(place) == before


def assert_only_a_failed_proof(before: dict[str, list[Any]], after: dict[str, list[Any]], device_id: str) -> None:
    """Nobody says in whose name it guesses, so its guess counts against the device: its counters and one event."""
    assert {name for name in after if after[name] != before[name]} == {"Device", "audit"}
    old = {row["id"]: row for row in before["Device"]}
    changed = {(row["id"], key) for row in after["Device"] for key in row if row[key] != old[row["id"]][key]}
    assert changed == {(device_id, "failed_proofs_at")}
    known = {row["id"] for row in before["audit"]}
    fresh = [row["id"] for row in after["audit"] if row["id"] not in known]
    assert [AuditEvent.objects.get(id=event).event_type for event in fresh] == ["device.authentication_failed"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_owner_with_the_same_request_is_served(world: World, case: Case) -> None:
    place = world.prod
    ids = case.ids(place)
    assert answer(place.api(), case, ids, case.body_for(place))[0] == case.owner


@pytest.mark.parametrize("name", ACTORS[:4])
def test_stolen_device_secret_behind_a_foreign_bearer_answers_like_a_made_up_device(world: World, name: str) -> None:
    place = world.prod
    case = next(case for case in CASES if case.route.endswith("/authenticate"))
    ids, body, api = case.ids(place), case.body_for(place), actor(world, name)
    real, absent = answer(api, case, ids, body), answer(api, case, made_up(ids), body)
    assert real == absent
    assert real[0] == 401


NESTED = [case for case in CASES if case.route.count("{") > 1]


@pytest.mark.parametrize("case", NESTED, ids=str)
def test_foreign_child_below_own_parent_answers_like_a_made_up_one(world: World, case: Case) -> None:
    foreign, own = case.ids(world.prod), case.ids(world.foreign)
    child = next(name for name in ("key_id", "credential_id", "pairing_id") if name in case.route)
    before = rows(world.prod)
    crossed = answer(world.foreign.api(), case, {**own, child: foreign[child]}, case.body_for(world.foreign))
    absent = answer(world.foreign.api(), case, {**own, child: made_up(foreign)[child]}, case.body_for(world.foreign))
    assert crossed == absent
    assert crossed[0] == 404
    assert rows(world.prod) == before


@pytest.mark.parametrize("path", LISTS)
def test_lists_show_nothing_foreign(world: World, path: str) -> None:
    place = world.prod
    place.access_token()
    secrets = {place.marker, *place.ids.values(), place.pending_device["id"], place.gateway["id"]}
    caller = place.caller()
    for name in ACTORS[:4]:
        response = actor(world, name).get(f"{path}?limit=200" if "export" not in path else path)
        assert response.status_code == 200
        body = response.getvalue().decode()
        assert [text for text in secrets if text in body] == []
        assert caller.environment_id not in body


LISTED_BELOW = {
    "/audit/checkpoints",
    "/reviews",
    "/tokens",
    "/keys",
    "/devices/enrolment-codes",
}  # the demo's ids are not in them


@pytest.mark.parametrize("path", [path for path in LISTS if path not in LISTED_BELOW])
def test_lists_show_the_owner_its_rows(world: World, path: str) -> None:
    response = world.prod.api().get(f"{path}?limit=200" if "export" not in path else path)
    body = response.getvalue().decode()
    assert world.prod.marker in body or any(value in body for value in world.prod.ids.values())


def test_list_of_tokens_shows_the_owner_its_tokens(world: World) -> None:
    world.prod.access_token()
    listed = world.prod.api().get("/tokens").json()["results"]
    assert world.prod.client_id in {token["principal_id"] for token in listed}


def test_list_of_keys_shows_the_owner_its_keys_and_nobody_elses(world: World) -> None:
    listed = {
        place.name: {key["kid"] for key in place.api().get("/keys").json()["results"]}
        for place in (world.prod, world.dev, world.foreign)
    }
    assert all(listed.values())
    assert len(set().union(*listed.values())) == sum(len(kids) for kids in listed.values())


def test_list_of_enrolment_codes_shows_the_owner_its_codes_and_nobody_elses(world: World) -> None:
    made = world.prod.api().post("/devices/enrolment-codes", {"name": "n"}).json()["id"]
    found = {
        place.name: [row["id"] for row in place.api().get("/devices/enrolment-codes").json()["results"]]
        for place in (world.prod, world.dev, world.foreign)
    }
    assert found == {world.prod.name: [made], world.dev.name: [], world.foreign.name: []}


def test_every_list_route_is_in_the_table() -> None:
    listing = {route.path[6:] for route in walk() if route.is_api and getattr(route.view, "lists", False)}
    assert {path for path in listing if "<" not in path} <= set(LISTS) | LISTS_OF_PEOPLE


BODY_IDS = [
    ("/grants", "principal_id", lambda p: {"principal_id": p.client_id, "role_id": p.ids["role"]}, "client_id"),
    ("/grants", "role_id", lambda p: {"principal_id": p.client_id, "role_id": p.ids["role"]}, "role"),
    (
        "/grants",
        "gateway_id",
        lambda p: {"principal_id": p.client_id, "role_id": p.ids["role"], "gateway_id": p.ids["gateway"]},
        "gateway",
    ),
    ("/tokens", "principal_id", lambda p: {"principal_id": p.client_id}, "client_id"),
    ("/channels", "gateway_id", lambda p: {"channel": "slack", "gateway_id": p.ids["gateway"]}, "gateway"),
    ("/channels/check", "gateway_id", lambda p: {"channel": "telegram", "gateway_id": p.ids["gateway"]}, "gateway"),
    (
        "/devices",
        "gateway_id",
        lambda p: {"name": "n", "device_type": "cli", "gateway_id": p.ids["gateway"]},
        "gateway",
    ),
    (
        "/decide",
        "gateway",
        lambda p: {"token": p.api_key, "scope": "agents:agent-1:run", "gateway": p.ids["gateway"]},
        "gateway",
    ),
]


@pytest.mark.parametrize(
    ("path", "field", "body", "source"), BODY_IDS, ids=lambda value: value if isinstance(value, str) else "body"
)
@pytest.mark.parametrize("other", ["globex/prod", "acme/dev"])
def test_foreign_id_in_a_body_answers_like_a_made_up_one(
    world: World, path: str, field: str, body: Any, source: str, other: str
) -> None:
    stranger = world.place(other)
    foreign = world.prod.client_id if source == "client_id" else world.prod.ids[source]
    absent = made_up({"id": foreign})["id"]
    before = rows(world.prod)
    answers = [stranger.api().post(path, {**body(stranger), field: value}) for value in (foreign, absent)]
    assert [reply.status_code for reply in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert rows(world.prod) == before
    assert stranger.api().post(path, body(stranger)).status_code < 300


@pytest.mark.parametrize("kind", ["api_key", "access_token", "gateway_token", "device_secret", "client_secret"])
def test_decide_about_a_foreign_proof_answers_like_garbage(world: World, kind: str) -> None:
    place = world.prod
    proof = {
        "api_key": place.api_key,
        "access_token": place.access_token(),
        "gateway_token": place.gateway["token"],
        "device_secret": place.device["secret"],
        "client_secret": place.client_secret,
    }[kind]
    for stranger in (world.foreign, world.dev):
        replies = [
            stranger.api().post("/decide", {"token": token, "scope": "profiles:read"}).json()
            for token in (proof, "garbage")
        ]
        assert [reply.pop("decision_id")[:4] for reply in replies] == ["dec_", "dec_"]
        assert replies[0] == replies[1]
        assert replies[0]["allowed"] is False
        assert replies[0]["principal"] is None


def test_decide_about_a_foreign_device_answers_like_a_made_up_one(world: World) -> None:
    stranger = world.foreign
    replies = []
    for device in (world.prod.ids["device"], "dev_" + "0" * 22):
        body = {"token": stranger.api_key, "scope": "profiles:read", "device": device}
        reply = stranger.api().post("/decide", body).json()
        reply.pop("decision_id")
        replies.append(reply)
    assert replies[0] == replies[1]
    assert replies[0]["reason"]["code"] == "device_not_active"


def test_resolve_names_no_profile_of_another_environment(world: World) -> None:
    wanted = {"provider": "mistral"}
    absent = {
        stranger.name: stranger.api().post("/credentials/resolve", wanted) for stranger in (world.foreign, world.dev)
    }
    created = world.prod.api().post(
        "/profiles", {"provider": "mistral", "name": "only-here", "kind": "api_key", "value": "m" * 40}
    )
    assert created.status_code == 201
    for stranger in (world.foreign, world.dev):
        found = stranger.api().post("/credentials/resolve", wanted)
        assert found.status_code == absent[stranger.name].status_code == 404
        assert found.content == absent[stranger.name].content
    assert world.prod.api().post("/credentials/resolve", {"provider": "mistral"}).status_code == 200


def test_resolve_with_a_foreign_gateway_answers_like_a_made_up_one(world: World) -> None:
    world.foreign.api().send("PATCH", f"/profiles/{world.foreign.ids['profile']}", {"allowed_gateways": []})
    replies = [
        world.foreign.api().post("/credentials/resolve", {"provider": "anthropic", "gateway": gateway})
        for gateway in (world.prod.ids["gateway"], "gwy_" + "0" * 22)
    ]
    assert replies[0].content == replies[1].content
    assert [reply.status_code for reply in replies] == [403, 403]


def test_dev_key_resolves_the_dev_value_alone(world: World) -> None:
    values = {
        place.name: place.api().post("/credentials/resolve", {"provider": "anthropic"}).json()["value"]
        for place in (world.prod, world.dev, world.foreign)
    }
    assert len(set(values.values())) == 3


@pytest.mark.parametrize("path", ["/order/anthropic", "/agents/agent-1/order/anthropic"])
def test_order_of_another_environment_is_neither_seen_nor_changed(world: World, path: str) -> None:
    key = world.prod.api().get("/profiles").json()["results"][0]["profile"]
    assert world.prod.api().send("PUT", path, {"profiles": [key]}).status_code == 200
    for stranger in (world.foreign, world.dev):
        assert stranger.api().get(path).json()["order"] is None
        assert stranger.api().send("DELETE", path).status_code == 204
        assert stranger.api().send("PUT", path, {"profiles": []}).status_code == 200
    assert world.prod.api().get(path).json()["order"] == [key]


def test_revoke_all_for_a_foreign_principal_ends_nothing(world: World) -> None:
    token = world.prod.access_token()
    for stranger in (world.foreign, world.dev):
        reply = stranger.api().post("/tokens/revoke-all", {"principal_id": world.prod.client_id})
        assert reply.json() == {"revoked": 0}
        assert stranger.api().post("/tokens/revoke-all", {}).status_code == 200
    assert Api(token).get("/me").status_code == 200


@pytest.mark.parametrize("endpoint", ["token", "introspect", "revoke"])
def test_foreign_client_at_an_oauth_endpoint_answers_like_an_unknown_one(world: World, endpoint: str) -> None:
    form = {"grant_type": "client_credentials", "token": "x"}
    unknown = {"client_id": "svc_" + "0" * 22, "client_secret": "acs_prod_" + "0" * 16 + "_" + "0" * 49}
    wrong = world.prod.form(f"/oauth/{endpoint}", {**form, **unknown})
    assert wrong.status_code == 401
    for stranger in (world.foreign, world.dev):
        mine = {"client_id": stranger.client_id, "client_secret": stranger.client_secret}
        reply = world.prod.form(f"/oauth/{endpoint}", {**form, **mine})
        assert (reply.status_code, reply.content) == (wrong.status_code, wrong.content)
        assert reply["WWW-Authenticate"] == wrong["WWW-Authenticate"]


@pytest.mark.parametrize("name", ["globex api key", "globex access token", "dev api key", "dev access token"])
def test_foreign_bearer_may_not_introspect_here(world: World, name: str) -> None:
    headers = actor(world, name).headers
    reply = world.prod.form("/oauth/introspect", {"token": world.prod.api_key}, **headers)
    assert reply.status_code == 401
    assert reply.json()["error"] == "invalid_client"


def test_introspection_of_a_foreign_token_is_inactive_and_no_more(world: World) -> None:
    client = {"client_id": world.prod.client_id, "client_secret": world.prod.client_secret}
    for stranger in (world.foreign, world.dev):
        for token in (stranger.api_key, stranger.access_token(), stranger.gateway["token"]):
            reply = world.prod.form("/oauth/introspect", {**client, "token": token})
            assert reply.status_code == 200
            assert reply.json() == {"active": False}


def test_revocation_of_a_foreign_token_changes_nothing(world: World) -> None:
    client = {"client_id": world.prod.client_id, "client_secret": world.prod.client_secret}
    for stranger in (world.foreign, world.dev):
        for token in (stranger.api_key, stranger.access_token()):
            reply = world.prod.form("/oauth/revoke", {**client, "token": token})
            assert (reply.status_code, reply.content) == (200, b"")
            assert Api(token).get("/me").status_code == 200


def test_unknown_environment_answers_like_no_route(world: World) -> None:
    nowhere = Api().get("/t/acme/nowhere/.well-known/jwks.json")
    nobody = Api().get("/t/nobody/prod/.well-known/jwks.json")
    absent = Api().get("/api/v1/nothing-here")
    assert nowhere.status_code == nobody.status_code == absent.status_code == 404
    assert nowhere.content == nobody.content == absent.content
