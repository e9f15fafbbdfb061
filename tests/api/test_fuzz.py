"""Hostile requests over every route: no 5xx, every 400 says a field or a code, and a large one is answered in time.

Each example is one request, drawn by hypothesis: a route, a method, ids, a query, header fields and a body from the
values that break services; it is sent in this process and undone.
"""

from __future__ import annotations

import json
import time
from functools import cache
from typing import Any
from urllib.parse import quote

from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from authsvc.audit.changes import forget_everything
from tests.api.test_fields import BASES
from tests.house.routes import Route, walk
from tests.scale import scaled
from tests.world import World

REQUESTS = scaled(200, 20_000)
LARGE = 100_000
SECONDS_FOR_ANY = 3.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "x" * 50)
PEOPLES_PAGES = ("/admin", "/device")
TEXTS = (
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\u202e\u2066abc", "\ufeff", "\u0661\u0662", "\uff41dmin",
    "../../etc/passwd", "..%2f", "%00", "%0a", "a\n", "\r\nX: y", "' OR 1=1 --", "{{7*7}}", "${jndi:ldap://x}",
    "<script>", "null", "-1", "1e400", "NaN", "9" * 400, "*", "a:b:c:d", "agents:*:read", "x" * 129, "y" * 5000,
    "z" * LARGE, "é" * (LARGE // 2), "https://[::1", "http://a@b#c", "__proto__", "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59", "2026-11-22", "P1D", "10.0.0.0/33", "::/0", "\U0010ffff", "a" * 256 + "." * 10,
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 1.5, -0.0, 1e308, 5e-324)
HEADERS = (
    "Accept", "Accept-Language", "Content-Type", "Cookie", "Authorization", "Host", "Origin", "Referer",
    "If-None-Match", "Idempotency-Key", "X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Method",
    "X-Forwarded-Uri", "X-Original-URI", "X-Original-Method", "X-HTTP-Method-Override",
    "Transfer-Encoding", "Range", "Upgrade",
)  # fmt: skip
MEDIA_TYPES = (
    "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "",
    "application/json; charset=utf-7", "application/json; charset=" + "q" * 3000, "a/b; " * 2000, "\xff/\xff",
)  # fmt: skip
FIELDS = sorted({name for base in BASES.values() for name in base} | {"grant_type", "client_id", "client_secret"})
OAUTH_FIELDS = (
    "grant_type", "client_id", "client_secret", "scope", "audience", "resource", "refresh_token", "device_code",
    "subject_token", "subject_token_type", "actor_token", "actor_token_type", "client_assertion", "token", "user_code",
    "client_assertion_type", "requested_token_type", "token_type_hint", "\x00", "a[b]",
)  # fmt: skip
GRANTS = (
    "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange", "password",
)  # fmt: skip

texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=[]), max_size=30)
leaves = texts | st.sampled_from(NUMBERS) | st.none() | st.booleans()
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
LONG_VALUES: tuple[Any, ...] = (
    "x" * LARGE,
    ["x"] * 5000,
    {f"k{n}": n for n in range(5000)},
    [[]] * 5000,
    {"a": {"b": ["c"] * 9000}},
)


@cache
def bodies(path: str) -> st.SearchStrategy[bytes]:
    """Return bodies for a route: its own fields with odd values, any JSON, a form, or noise."""
    base = BASES.get("/" + path.removeprefix("api/v1/"), {})
    names = sorted(base) or FIELDS
    odd = st.dictionaries(st.sampled_from(names), values | st.sampled_from(LONG_VALUES), max_size=4)
    changed = st.builds(lambda fields: _json({**base, **fields}), odd)
    form = st.dictionaries(st.sampled_from(OAUTH_FIELDS), texts | st.sampled_from(GRANTS), max_size=6).map(_form)
    return st.one_of(changed, changed, values.map(_json), form, st.binary(max_size=200), st.just(b""))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _form(fields: dict[str, str]) -> bytes:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in fields.items()).encode()


def _quoted(text: str, safe: str = "") -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe=safe)


class Attacker:
    """Draws requests against a world and sends them."""

    def __init__(self, world: World) -> None:
        place = world.prod
        self.routes = [route for route in walk() if not route.path.startswith("admin/")]
        self.proofs = ["", f"Bearer {place.api_key}", f"Bearer {place.access_token()}", "Bearer x", "Basic Og=="]
        ids = place.ids
        self.known = {
            "role_id": ids["role"], "grant_id": ids["grant"], "account_id": ids["service_account"],
            "key_id": ids["api_key"], "gateway_id": ids["gateway"], "channel_id": ids["channel"],
            "device_id": ids["device"], "profile_id": ids["profile"], "credential_id": ids["credential"],
            "provider": "anthropic", "agent": "main", "tenant": "acme", "environment": "prod",
            "gateway": place.gateway["id"], "suffix": "/agents",
        }  # fmt: skip

    def path(self, draw: Any, route: Route) -> str:
        """Return an address of the route; each part of it may be odd."""
        path = "/" + route.path
        for name in route.names:
            value = draw(st.sampled_from([self.known.get(name, "abc")] * 3 + ["other"]) | texts)
            for kind in ("id", "name", "slug", "anything"):
                path = path.replace(f"<{kind}:{name}>", _quoted(value, safe="/%"))
        if draw(st.booleans()):
            query = draw(st.dictionaries(st.sampled_from(QUERY) | texts, texts, max_size=3))
            path += "?" + _form(query).decode()
        return path[:200_000]

    def headers(self, draw: Any) -> dict[str, str]:
        """Return header fields as a server would pass them on."""
        extra = draw(st.dictionaries(st.sampled_from(HEADERS), texts, max_size=2))
        fields = {"Authorization": draw(st.sampled_from(self.proofs)), **extra}
        return {name: value.encode("utf-8", "replace").decode("latin-1") for name, value in fields.items() if value}


QUERY = (
    "limit", "cursor", "contract", "cookie", "format", "secrets", "agent", "product", "resource", "action", "state",
    "principal_id", "event_type", "since", "until", "user_code", "view", "warn_after", "compat",
)  # fmt: skip


def test_no_hostile_request_yields_a_5xx_and_every_400_says_why(world: World) -> None:
    attacker = Attacker(world)
    sent = 0
    slowest = (0.0, "")

    @settings(
        max_examples=REQUESTS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def attack(data: Any) -> None:
        nonlocal sent, slowest
        sent += 1
        draw = data.draw
        route = draw(st.sampled_from(attacker.routes))
        method = draw(st.sampled_from([*route.methods * 2, *METHODS]))
        path, headers, body = attacker.path(draw, route), attacker.headers(draw), draw(bodies(route.path))
        media_type = draw(st.sampled_from(["application/json"] * 6 + [FORM] * 3 + list(MEDIA_TYPES)))
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)

        def ask() -> tuple[float, Any, bytes]:
            started = time.thread_time()  # what the machine does beside it is not ours
            with transaction.atomic():
                answer = client.generic(method, path, body, content_type=media_type, headers=headers)
                content = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
                transaction.set_rollback(True)
            forget_everything()
            return time.thread_time() - started, answer, content

        seconds, answer, content = ask()
        if seconds >= SECONDS_FOR_ANY:  # a slow request is slow each time; what Python clears away once is not its own
            seconds = min(seconds, ask()[0], ask()[0])
        slowest = max(slowest, (seconds, f"{method} {path[:200]}"))
        said = f"{method} {path[:300]} {headers} {media_type[:60]!r} {body[:300]!r}"
        assert answer.status_code < 500, f"{answer.status_code} {said}"
        if answer.status_code == 400 and method != "HEAD" and not path.startswith(PEOPLES_PAGES):
            document = json.loads(content)
            assert document.get("errors") or document.get("code") or document.get("error"), f"{content!r} {said}"

    assert Client().get("/api/schema/").status_code == 200  # written once for each process, before anybody attacks
    attack()
    assert sent >= REQUESTS
    assert slowest[0] < SECONDS_FOR_ANY, slowest


FORM = "application/x-www-form-urlencoded"
