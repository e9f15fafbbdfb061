"""Hostile input: each kind of bad body, path, method and header is a 4xx in JSON, never a 5xx, with our headers."""

from __future__ import annotations

import base64
import json
import urllib.parse
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.house.routes import METHODS, walk
from tests.house.test_routes import example
from tests.live import LiveServer
from tests.world import Api, World

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
MEBIBYTE = 1024 * 1024


def assert_house(reply: Any) -> None:
    """Assert the headers every answer has."""
    assert reply.headers["X-Request-Id"]
    assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
    assert {name: reply.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert reply.headers["Cache-Control"]


def assert_problem(reply: Any, status: int, code: str = "") -> dict[str, Any]:
    """Assert a problem document and return it."""
    assert reply.status_code == status, reply.content[:300]
    assert reply.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert body["status"] == status
    assert body["type"] == f"urn:authsvc:problem:{body['code']}"
    if code:
        assert body["code"] == code
    assert "Traceback" not in reply.content.decode()
    assert_house(reply)
    return body


def send(world: World, body: bytes, media_type: str = "application/json", path: str = "/api/v1/roles") -> Any:
    """POST raw bytes as the owner."""
    return Client().generic("POST", path, body, content_type=media_type, headers=world.prod.api().headers)


ROLE = b'{"name": "n", "scopes": ["audit:read"]%s}'
BODIES: list[tuple[str, bytes, int, str]] = [
    ("one byte over", b'{"name": "' + b"a" * (MEBIBYTE - 11) + b'"}', 413, "payload_too_large"),
    ("exactly one mebibyte", b'{"name": "' + b"a" * (MEBIBYTE - 12) + b'"}', 400, "validation_failed"),
    ("NUL escaped", ROLE % b', "description": "a\\u0000b"', 400, "malformed_json"),
    ("NUL raw", ROLE % b', "description": "a\x00b"', 400, "malformed_json"),
    ("NUL in a key", ROLE % b', "a\\u0000b": 1', 400, "malformed_json"),
    ("lone surrogate", ROLE % b', "description": "\\ud800"', 400, "malformed_json"),
    ("surrogate in a key", ROLE % b', "\\udfff": 1', 400, "malformed_json"),
    ("duplicate key", ROLE % b', "name": "m"', 400, "malformed_json"),
    ("duplicate escaped key", ROLE % b', "\\u006eame": "m"', 400, "malformed_json"),
    ("deep list", b"[" * 100_000 + b"]" * 100_000, 400, "malformed_json"),
    ("deep object", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400, "malformed_json"),
    ("33 levels", b"[" * 33 + b"]" * 33, 400, "malformed_json"),
    ("unclosed", b"[" * 20, 400, "malformed_json"),
    ("NaN", ROLE % b', "description": NaN', 400, "malformed_json"),
    ("Infinity", ROLE % b', "description": -Infinity', 400, "malformed_json"),
    ("number beyond a double", ROLE % b', "description": 1e999', 400, "malformed_json"),
    ("5000 digits", ROLE % (b', "description": ' + b"9" * 5000), 400, "malformed_json"),
    ("not JSON", b"name=n", 400, "malformed_json"),
    ("trailing", ROLE % b"" + b"x", 400, "malformed_json"),
    ("UTF-16", '{"name": "n"}'.encode("utf-16"), 400, "malformed_json"),
    ("BOM", b"\xef\xbb\xbf{}", 400, "malformed_json"),
    ("bad UTF-8", b'{"name": "\xff\xfe"}', 400, "malformed_json"),
    ("overlong UTF-8", b'{"name": "\xc0\xaf"}', 400, "malformed_json"),
    ("a list", b"[]", 400, "validation_failed"),
    ("a text", b'"x"', 400, "validation_failed"),
    ("null", b"null", 400, "validation_failed"),
    ("a number", b"1", 400, "validation_failed"),
    ("empty", b"", 400, "validation_failed"),
]


@pytest.mark.parametrize(("body", "status", "code"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_bad_body_is_refused_with_its_reason(world: World, body: bytes, status: int, code: str) -> None:
    document = assert_problem(send(world, body), status, code)
    assert ("errors" in document) is (code == "validation_failed")


@pytest.mark.parametrize("length", [str(MEBIBYTE + 1), "9" * 40])
def test_declared_length_over_the_limit_is_413_before_anything_is_read(world: World, length: str) -> None:
    from io import BytesIO

    from authsvc.web.body_limit import BodyLimit

    called: list[object] = []
    statuses: list[str] = []
    limit = BodyLimit(lambda _environ, _start: called.append(1) or [])  # type: ignore[func-returns-value]
    environ = {"CONTENT_LENGTH": length, "wsgi.input": BytesIO(b"")}
    body = b"".join(limit(environ, lambda status, _headers: statuses.append(status)))
    assert statuses == ["413 Content Too Large"]
    assert json.loads(body)["code"] == "payload_too_large"
    assert called == []


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=utf-7",
        "application/json; charset=nope",
        'application/json; charset="utf-16"',
        "application/json5",
        "text/json",
    ],
)
def test_other_media_type_or_charset_is_415(world: World, media_type: str) -> None:
    assert_problem(send(world, ROLE % b"", media_type), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_in_utf_8_is_taken(world: World, media_type: str) -> None:
    assert send(world, ROLE % b"", media_type).status_code == 201


@pytest.mark.parametrize("method", ["BREW", "PROPFIND", "TRACE", "CONNECT", "PUT", "X" * 200])
def test_unknown_method_is_405(world: World, method: str) -> None:
    assert_problem(world.prod.api().send(method, "/roles"), 405, "method_not_allowed")


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_method_is_not_overridden_by_a_header(world: World, name: str) -> None:
    path = f"/roles/{world.prod.ids['role']}"
    assert world.prod.api().get(path, **{name: "DELETE"}).status_code == 200
    assert world.prod.api().post(f"{path}?_method=DELETE", {}).status_code == 405
    assert world.prod.api().get(path).status_code == 200


SPELLINGS = [
    "/api/v1/roles/../roles",
    "/api/v1/roles/%2e%2e/roles",
    "/api/v1/roles/..%2froles",
    "/api/v1/roles/a%00b",
    "/api/v1/roles/abc%0a",
    "/api/v1/roles/abc%0d%0aX: y",
    "/api/v1/roles/" + "a" * 129,
    "/api/v1/roles/" + "a" * 5000,
    "/api/v1/roles/%D9%A1%D9%A2",
    "/api/v1/roles/a%20b",
    "/api/v1/roles/a%2fb",
    "/api/v1/roles/a;b",
    "/api/v1/roles/%ff",
    "/api/v1/roles/%",
    "/api/v1//roles",
    "/api//v1/roles",
    "/api/v1/roles/",
    "/api/v1/ROLES",
    "/API/v1/roles",
    "/api/v1/roles.json",
    "/api/v1/./roles",
    "/api/v1/roles%00",
    "/api/v1/roles%0a",
    "/api/v2/roles",
]


@pytest.mark.parametrize("path", SPELLINGS, ids=lambda path: path[8:40])
def test_odd_path_is_404_or_400_in_json_and_opens_nothing(world: World, path: str) -> None:
    for api in (Api(), world.prod.api()):
        reply = api.client.generic("GET", urllib.parse.quote(path, safe="/%;:.?= "), headers=api.headers)
        assert reply.status_code in {400, 404}, reply.content[:200]
        assert_problem(reply, reply.status_code)


@pytest.mark.parametrize("identifier", ["a" * 128, "-", "_", "0"])
def test_longest_and_oddest_good_id_is_a_missing_row(world: World, identifier: str) -> None:
    assert_problem(world.prod.api().get(f"/roles/{identifier}"), 404, "not_found")


@pytest.mark.parametrize(
    "segment", ["t/acme/..%2fprod", "t/%00/prod", "t/acme/prod%0a", "t/" + "a" * 5000 + "/prod", "t/ACME/prod"]
)
def test_odd_issuer_is_404_or_400(world: World, segment: str) -> None:
    for rest in ("/.well-known/jwks.json", "/oauth/token"):
        reply = Client().generic(
            "POST" if rest.endswith("token") else "GET",
            f"/{segment}{rest}",
            content_type="application/x-www-form-urlencoded",
        )
        assert reply.status_code in {400, 404}, reply.content[:200]
        assert_house(reply)


CURSORS = {
    "not base64": "%%%",
    "text": base64.b64encode(b"p=abc").decode(),
    "NUL": base64.b64encode(b"p=%00").decode(),
    "huge number": base64.b64encode(b"p=" + b"9" * 40).decode(),
    "minus": base64.b64encode(b"p=-1&o=-5").decode(),
    "offset": base64.b64encode(b"o=" + b"9" * 30).decode(),
    "reverse": base64.b64encode(b"r=1&p=0000-00-00").decode(),
    "not utf-8": base64.b64encode(b"\xff\xfe").decode(),
}
LISTS = sorted({"/" + route.path[7:] for route in walk() if route.is_api and getattr(route.view, "lists", False)})
QUERIES = (
    *(f"cursor={urllib.parse.quote(cursor)}" for cursor in CURSORS.values()),
    *(f"limit={limit}" for limit in ("0", "201", "-1", "x", "1e3", "%00", "%D9%A1", "9" * 30, "")),
    *(f"{name}=%00" for name in ("status", "provider", "agent", "profile", "state", "event_type", "after", "unknown")),
    *(f"after={value}" for value in ("x", "9999-99-99", "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59")),
    "status=" + "x" * 2000,
    "state=nonsense",
    "a=1&" * 1500,
)


@pytest.mark.parametrize("path", [path for path in LISTS if "<" not in path])
def test_odd_query_never_yields_a_5xx(world: World, path: str) -> None:
    api = world.prod.api()
    for query in QUERIES:
        with transaction.atomic():  # PostgreSQL refuses a transaction after a bad value; each request is its own
            reply = api.get(f"{path}?{query}")
            transaction.set_rollback(True)
        assert reply.status_code in {200, 400}, f"{path}?{query[:80]}: {reply.status_code}"
        assert_house(reply)


AUTHORIZATIONS = ["Bearer", "Bearer ", "Bearer  x", "bearer x", "Basic x", "x", "Bearer a b", "Bearer " + "a" * 20_000,
                  "Bearer é", "Token x", "Bearer ask_prod_x", "Bearer a.b.c", "Bearer ..", ", Bearer x"]  # fmt: skip


def test_every_bad_proof_is_the_same_401(world: World) -> None:
    replies = [Api().get("/me", Authorization=value) for value in AUTHORIZATIONS]
    for reply in replies:
        assert_problem(reply, 401, "unauthenticated")
        assert reply["WWW-Authenticate"].startswith('Bearer realm="authsvc"')
    assert len({reply.content for reply in replies}) == 1


def test_proof_in_the_query_or_a_cookie_is_not_read(world: World) -> None:
    key = world.prod.api_key
    for name in ("access_token", "token", "api_key", "key"):
        assert Api().get(f"/me?{name}={key}").status_code == 401
    client = Client()
    client.cookies["Authorization"] = client.cookies["access_token"] = key
    assert client.get("/api/v1/me").status_code == 401
    assert Api().get("/me", **{"X-Api-Key": key}).status_code == 401


@pytest.mark.parametrize("offered", ["short", "a b" * 5, "x" * 65, "new\tline-here", "é" * 10])
def test_request_id_of_an_odd_shape_is_replaced(offered: str, world: World) -> None:
    reply = Api().get("/health", **{"X-Request-Id": offered})
    assert reply["X-Request-Id"].startswith("req_")


def test_request_id_of_a_harmless_shape_is_kept(world: World) -> None:
    assert Api().get("/health", **{"X-Request-Id": "abcdefgh-1"})["X-Request-Id"] == "abcdefgh-1"


def test_every_route_has_the_house_headers_on_every_answer(world: World) -> None:
    for route in walk():
        if route.path.startswith("admin/") and ("<" in route.path or "(" in route.path):
            continue
        for method in METHODS:
            reply = (
                world.prod.api().send(method, example(route))
                if route.is_api
                else Client().generic(method, example(route))
            )
            assert reply.status_code < 500, f"{method} {route.path}"
            assert_house(reply)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "", "x" * 5000, ",".join(["a/b"] * 500)])
def test_accept_header_changes_nothing_and_never_fails(world: World, accept: str) -> None:
    reply = world.prod.api().get("/me", Accept=accept)
    assert reply.status_code in {200, 415}
    assert "text/html" not in reply["Content-Type"]


def test_chunked_body_over_the_limit_is_413_from_a_real_server(live: LiveServer) -> None:
    import httpx

    def chunks() -> Any:
        for _ in range(20):
            yield b"a" * 65_536

    headers = {"Authorization": f"Bearer {live.place('acme/prod')['api_key']}", "Content-Type": "application/json"}
    reply = httpx.post(f"{live.base_url}/api/v1/roles", content=chunks(), headers=headers, timeout=20)
    assert reply.status_code == 413
    assert reply.json()["code"] == "payload_too_large"


def test_script_name_header_opens_nothing_on_a_real_server(live: LiveServer) -> None:
    import httpx

    for value in ("/t", "/x", "/api"):
        reply = httpx.get(f"{live.base_url}/t/health", headers={"SCRIPT_NAME": value, "Script-Name": value}, timeout=20)
        assert reply.status_code == 404
