"""One decision path, two doors: before Django's handler and behind it the answers are the same, byte for byte."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import override_settings

from authsvc.audit.models import AuditEvent
from authsvc.gate import quick_views
from authsvc.gate.door import QuickDoor
from authsvc.tenants.limits import get_tenant, set_limits
from authsvc.web.limit_store import bucket_store
from profiles import quick
from tests.world import FORM, JSON, Place, World

ID = re.compile(rb"(dec|req|jti|idt|lea)_[0-9A-Za-z]{22}|eyJ[0-9A-Za-z_.-]+|art_[0-9A-Za-z_-]+|[0-9-]{10}T[0-9:.+]+Z?")
MOMENT = re.compile(r"\bt=\d+")
Answer = tuple[str, list[tuple[str, str]], bytes]


@pytest.fixture(scope="module")
def doors() -> tuple[QuickDoor, WSGIHandler]:
    slow = WSGIHandler()
    return QuickDoor(slow, {**quick_views.API_VIEWS, **quick.API_VIEWS}), slow


@contextmanager
def connection_kept() -> Iterator[None]:
    """The test's transaction lives on this connection; Django's own test client keeps it open in the same way."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def environ(method: str, path: str, body: bytes = b"", kind: str = JSON, **headers: str) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": "", "RAW_URI": path,
        "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "testserver",
        "SERVER_NAME": "testserver", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(), "HTTP_X_REQUEST_ID": "the-same-request",
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }  # fmt: skip


def answer(door: Any, sent: dict[str, Any]) -> Answer:
    """Return status, header fields and body, without what is new in every answer."""
    told: list[Any] = []
    fresh = {**sent, "wsgi.input": io.BytesIO(sent["wsgi.input"].getvalue())}
    with connection_kept():
        body = b"".join(door(fresh, lambda status, headers, *_: told.extend((status, headers))))
    fields = sorted((name, MOMENT.sub("t=", ID.sub(b"<id>", value.encode()).decode())) for name, value in told[1])
    return told[0], [(name, value) for name, value in fields if name != "X-RateLimit-Reset"], ID.sub(b"<id>", body)


def decide(place: Place, bearer: str, question: Any, **headers: str) -> dict[str, Any]:
    body = question if isinstance(question, bytes) else json.dumps(question).encode()
    return environ("POST", "/api/v1/decide", body, authorization=f"Bearer {bearer}", **headers)


def post(place: Place, bearer: str, path: str, fields: Any) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    return environ("POST", f"/api/v1{path}", json.dumps(fields).encode(), **headers)


def requests_of(place: Place) -> dict[str, dict[str, Any]]:
    key, gateway = place.api_key, place.gateway["id"]
    token = place.access_token(audience=place.gateway["audience"])
    asked = {"token": token, "gateway": gateway, "scope": "agents:agent-1:run"}
    basic = "Basic " + base64.b64encode(f"{place.client_id}:{place.client_secret}".encode()).decode()
    listed = {"token": token, "resource": "agents", "action": "run", "ids": ["agent-2", "agent-1", "agent-1"]}
    about = urlencode({"token": token}).encode()
    form: dict[str, Any] = {"method": "POST", "kind": FORM, "authorization": basic}
    forward, introspect = place.path(f"/gateways/{gateway}/forward-auth"), place.path("/oauth/introspect")
    device = f"/devices/{place.device['id']}/authenticate"
    grant = urlencode({"grant_type": "client_credentials", "scope": "profiles:read"}).encode()
    in_form = grant + f"&client_id={place.client_id}&client_secret={place.client_secret}".encode()

    def granted(body: bytes, **more: str) -> dict[str, Any]:
        return environ("POST", place.path("/oauth/token"), body, **{"kind": FORM, "authorization": basic, **more})

    return {
        "allowed": decide(place, key, asked),
        "allowed by route": decide(
            place, key, {"token": token, "gateway": gateway, "method": "POST", "path": "/agents/agent-1/runs"}
        ),
        "scope not held": decide(place, key, {**asked, "scope": "sessions:delete"}),
        "made-up token": decide(place, key, {**asked, "token": "x"}),
        "foreign origin": decide(place, key, asked, origin="https://evil.example"),
        "allowed origin": decide(place, key, asked, origin="http://localhost:5173"),
        "origin of the tenant": decide(place, key, asked, origin="https://console.acme.test"),
        "made-up bearer": decide(place, "nothing", asked),
        "no bearer at all": environ("POST", "/api/v1/decide", json.dumps(asked).encode()),
        "another scheme": environ("POST", "/api/v1/decide", json.dumps(asked).encode(), authorization="Basic eDp5"),
        "caller without the scope": decide(place, place.access_token(scope="profiles:read"), asked),
        "gateway elsewhere": decide(place, key, {**asked, "gateway": "gwy_0000000000000000000000"}),
        "two questions": decide(place, key, {**asked, "method": "GET", "path": "/"}),
        "no question": decide(place, key, {"token": token}),
        "unknown field": decide(place, key, {**asked, "more": 1}),
        "number for a text": decide(place, key, {**asked, "scope": 7}),
        "repeated key": decide(place, key, b'{"token": "a", "token": "b", "scope": "a:b"}'),
        "no json": decide(place, key, b"{"),
        "xml": environ("POST", "/api/v1/decide", b"<a/>", "text/xml", authorization=f"Bearer {key}"),
        "wants html": decide(place, key, asked, accept="text/html"),
        "get": environ("GET", "/api/v1/decide", authorization=f"Bearer {key}"),
        "another host": {**decide(place, key, asked), "HTTP_HOST": "evil.example"},
        "introspect by client": environ(path=introspect, body=about, **form),
        "introspect by key": environ("POST", introspect, about, FORM, authorization=f"Bearer {key}"),
        "introspect nothing": environ(path=introspect, **form),
        "introspect unknown": environ(path=introspect, body=b"token=x", **form),
        "introspect by nobody": environ("POST", introspect, about, FORM),
        "introspect by get": environ("GET", introspect),
        "introspect nowhere": environ("POST", "/t/no/where/oauth/introspect", about, FORM),
        "forward": environ("GET", forward, authorization=f"Bearer {token}"),
        "forward for envoy": environ("POST", f"{forward}?contract=envoy", b"body", authorization=f"Bearer {token}"),
        "forward without": environ("GET", forward),
        "forward elsewhere": environ("GET", place.path("/gateways/none/forward-auth"), authorization=f"Bearer {token}"),
        "token": environ(path=place.path("/oauth/token"), body=grant, **form),
        "batch": post(place, key, "/decide/batch", {"questions": [asked, {**asked, "scope": "sessions:delete"}]}),
        "batch of nothing": post(place, key, "/decide/batch", {"questions": []}),
        "batch with a bad one": post(place, key, "/decide/batch", {"questions": [asked, {"token": 1}]}),
        "batch with two in one": post(place, key, "/decide/batch", {"questions": [asked, {"token": token}]}),
        "filter": post(place, key, "/filter", {**listed, "gateway": gateway}),
        "filter at the token's gateway": post(place, key, "/filter", listed),
        "filter of nothing": post(place, key, "/filter", {**listed, "ids": []}),
        "filter odd texts": post(place, key, "/filter", {**listed, "ids": ["agent-1", "\u2028", "", "ü", '"']}),
        "filter for nobody": post(place, key, "/filter", {**listed, "token": "x"}),
        "filter numbers": post(place, key, "/filter", {**listed, "ids": [1]}),
        "filter without ids": post(place, key, "/filter", {"token": token}),
        "filter elsewhere": post(place, key, "/filter", {**listed, "gateway": "gwy_0000000000000000000000"}),
        "filter with more": post(place, key, "/filter", {**listed, "more": 1}),
        "filter by nobody": post(place, "x", "/filter", listed),
        "filter without the scope": post(place, place.access_token(scope="profiles:read"), "/filter", listed),
        "resolve": post(place, key, "/credentials/resolve", {"provider": "anthropic"}),
        "resolve with all": post(
            place, key, "/credentials/resolve", {"provider": "Anthropic", "view": "full", "session": "s"}
        ),
        "resolve nothing": post(place, key, "/credentials/resolve", {"provider": "nobody"}),
        "resolve by nobody": post(place, "x", "/credentials/resolve", {"provider": "anthropic"}),
        "resolve without the scope": post(
            place, place.access_token(scope="profiles:read"), "/credentials/resolve", {"provider": "anthropic"}
        ),
        "resolve badly": post(place, key, "/credentials/resolve", {"provider": "anthropic", "view": "no"}),
        "device": post(place, "", device, {"secret": place.device["secret"]}),
        "device with a bearer": post(place, key, device, {"secret": place.device["secret"]}),
        "device with a wrong secret": post(place, "", device, {"secret": "wrong"}),
        "device elsewhere": post(place, "", "/devices/dev_none/authenticate", {"secret": place.device["secret"]}),
        "device pending": post(
            place, "", f"/devices/{place.pending_device['id']}/authenticate", {"secret": place.device["secret"]}
        ),
        "device without": post(place, "", device, {}),
        "device with more": post(place, "", device, {"secret": "x", "more": 1}),
        "token of nobody": environ("POST", place.path("/oauth/token"), grant, FORM),
        "token in every spelling": granted(
            b"grant_type=client%5Fcredentials&scope=profiles:read+&empty&&x=%C3%BC%FF;y&resource=authsvc&resource=authsvc"
        ),
        "token of another media type": granted(grant, kind=f"{FORM}; charset=utf-8"),
        "token in latin 1": granted(grant, kind=f"{FORM}; charset=latin-1"),
        "token with a query": {**granted(grant), "QUERY_STRING": "grant_type=refresh_token"},
        "token of nothing": granted(b""),
        "token with a repeat": granted(grant + b"&scope=x:y"),
        "token with NUL": granted(grant + b"&x=%00"),
        "token beyond ASCII": granted(grant + "&x=\u00fc".encode()),
        "token of many fields": granted(grant + b"&x=1" * 1001),
        "token of a scope not held": granted(grant + b"%20secrets:write"),
        "token of no grant": granted(b"scope=profiles:read"),
        "token of an unknown grant": granted(b"grant_type=password"),
        "token elsewhere": {**granted(grant), "PATH_INFO": "/t/no/where/oauth/token"},
        "token with a wrong secret": {**granted(grant), "HTTP_AUTHORIZATION": "Basic eDp5"},
        "token with a broken header": {**granted(grant), "HTTP_AUTHORIZATION": "Basic"},
        "token with two proofs": granted(grant + b"&client_secret=x"),
        "token with the secret in the form": environ("POST", place.path("/oauth/token"), in_form, FORM),
        "token for a browser": granted(grant, origin="http://localhost:5173"),
        "token refreshed with nothing": granted(b"grant_type=refresh_token&refresh_token=x"),
        "token by get": environ("GET", place.path("/oauth/token")),
    }  # fmt: skip


QUICK = {
    "allowed",
    "allowed by route",
    "scope not held",
    "made-up token",
    "made-up bearer",
    "forward",
    "token",
    "resolve",
    "device",
}


@pytest.mark.parametrize("limits", ["off", "on"])
def test_both_doors_give_the_same_bytes(world: World, doors: Any, limits: str) -> None:
    quick, slow = doors
    with override_settings(AUTHSVC_DEMO_LIMITS=limits, AUTHSVC_PROCESSES=1):
        bucket_store.cache_clear()
        different = {}
        for name, sent in requests_of(world.prod).items():
            bucket_store.cache_clear()
            first = answer(slow, sent)
            for _ in range(3):  # the last time from memory, where there is one
                bucket_store.cache_clear()
                second = answer(quick, sent)
            if second != first:
                different[name] = (first[0], second[0], set(first[1]) ^ set(second[1]))
        bucket_store.cache_clear()
    assert different == {}


def test_the_quick_door_takes_the_hot_requests_and_leaves_the_odd_ones(world: World, doors: Any) -> None:
    find_view = doors[0].find_view
    sent = requests_of(world.prod)
    hot = (*QUICK, "token", "device", "introspect by key", "batch")
    assert {name for name in hot if find_view(sent[name]) is None} == set()
    odd = ("no bearer at all", "unknown field", "no json", "xml", "wants html", "get", "another host")
    assert {name for name in odd if find_view(sent[name]) is not None} == set()


def test_long_body_is_read_by_the_quick_door_only_from_somebody_known(world: World, doors: Any) -> None:
    door, sent = doors[0], requests_of(world.prod)["filter"]
    assert door.find_view(sent) is None
    assert sent["wsgi.input"].tell() == 0
    assert answer(door, sent)[0] == "200 OK"
    assert door.find_view(sent) is not None


def test_a_denial_through_the_quick_door_is_audited_as_behind_it(world: World, doors: Any) -> None:
    sent = requests_of(world.prod)["caller without the scope"]
    for door in doors:
        answer(door, sent)
    events = AuditEvent.objects.filter(event_type="access.denied").order_by("-sequence")[:2]
    first, second = ({**event.as_row().detail, "actor": event.actor_id} for event in events)
    assert first == second
    assert first["route"] == "Decide"


@pytest.mark.parametrize("own_limit", [None, 1])
def test_over_the_limit_both_doors_refuse_alike(world: World, doors: Any, now: datetime, own_limit: int | None) -> None:
    """With a limit of its own a tenant is refused by that, from memory too."""
    sent, inside = requests_of(world.prod)["allowed"], world.prod.caller()
    set_limits(inside, tenant=get_tenant(inside), general_limit=own_limit, sensitive_limit=None, now=now)
    with override_settings(AUTHSVC_DEMO_LIMITS="on", AUTHSVC_PROCESSES=1, API_RATE_LIMIT="2/min"):
        found = []
        for door in doors:
            answer(door, sent)  # so that the quick door answers from memory
            bucket_store.cache_clear()
            found.append([answer(door, sent) for _ in range(3)])
        bucket_store.cache_clear()
    assert [set(one[1]) ^ set(other[1]) for one, other in zip(*found, strict=True)] == [set()] * 3
    assert found[0] == found[1]
    assert [one[0][:3] for one in found[0]] == (["200", "429", "429"] if own_limit else ["200", "200", "429"])
