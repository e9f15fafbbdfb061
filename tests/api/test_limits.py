"""Limits over HTTP: who is counted, what the header fields say, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from authsvc.ops.checks import check_settings
from authsvc.web.limit_middleware import LimitMiddleware, microseconds
from authsvc.web.limit_store import bucket_store
from authsvc.web.limits import TABLE, effective_limits, rate_fault
from tests.world import Api, World

FIELDS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy")


@pytest.fixture(autouse=True)
def _limits_on(settings: Any) -> Iterator[None]:
    settings.AUTHSVC_DEMO_LIMITS, settings.AUTHSVC_PROCESSES = "on", 1
    bucket_store.cache_clear()
    yield
    bucket_store.cache_clear()


def test_burst_of_limit_plus_one_last_is_429_with_problem(world: World, settings: Any) -> None:
    settings.API_RATE_LIMIT = "5/min"
    answers = [world.prod.api().get("/me") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [answer["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    last = answers[-1]
    assert last["Content-Type"] == "application/problem+json"
    assert last.json()["code"] == "rate_limited"
    assert last.json()["retryAfter"] == int(last["Retry-After"])
    assert 1 <= int(last["Retry-After"]) <= 12
    assert last["X-RateLimit-Limit"] == "5"


def test_one_more_passes_after_sixty_seconds_by_the_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    start, passed = microseconds(), [0]
    monkeypatch.setattr("authsvc.web.limit_middleware.microseconds", lambda: start + passed[0])

    def ask() -> int:
        return int(Api().get("/me").status_code)

    assert [ask() for _ in range(101)] == [401] * 100 + [429]
    passed[0] = 599_999  # one microsecond less than 60 s / 100
    assert ask() == 429
    passed[0] = 600_000
    assert [ask(), ask()] == [401, 429]


@pytest.fixture
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = microseconds()
    monkeypatch.setattr("authsvc.web.limit_middleware.microseconds", lambda: moment)


@pytest.mark.usefixtures("_no_time_passes")
def test_every_kind_of_answer_counts_and_tells_what_is_left(world: World) -> None:
    bad = Api("ask_prod_nothing")
    asked = [
        (world.prod.api().get("/me"), 200),
        (Api().get("/me"), 401),
        (bad.get("/me"), 401),
        (Api().get("/nothing-here"), 404),
        (Api().get("/t/acme/prod/nothing"), 404),
        (Api().get("/t/acme/prod/.well-known/jwks.json"), 200),
        (Client().post("/t/acme/prod/.well-known/jwks.json"), 405),
    ]
    assert [answer.status_code for answer, _ in asked] == [status for _, status in asked]
    assert [answer["X-RateLimit-Remaining"] for answer, _ in asked] == [str(99 - n) for n in range(len(asked))]
    assert all(answer.headers.get(name) for answer, _ in asked for name in FIELDS)


@pytest.mark.usefixtures("_no_time_passes")
def test_ietf_fields_name_each_bucket(world: World) -> None:
    answer = world.prod.api().get("/me")
    assert answer["RateLimit-Policy"] == '"general";q=100;w=60, "principal";q=100;w=60'
    assert answer["RateLimit"] == '"general";r=99;t=1, "principal";r=99;t=1'


@pytest.mark.usefixtures("_no_time_passes")
def test_sensitive_route_is_refused_while_the_general_bucket_still_serves(world: World) -> None:
    api, body = world.prod.api(), {"provider": "anthropic"}
    answers = [api.post("/credentials/resolve", body) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert answers[0]["X-RateLimit-Limit"] == "20"
    assert [answer["X-RateLimit-Remaining"] for answer in answers[:20]] == [str(19 - n) for n in range(20)]
    assert api.get("/me").status_code == 200


def test_token_endpoint_is_sensitive(world: World, settings: Any) -> None:
    settings.SENSITIVE_RATE_LIMIT = "2"
    answers = [world.prod.token_request() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_device_authentication_guesses_are_limited_with_one_answer(world: World) -> None:
    path = f"/devices/{world.prod.device['id']}/authenticate"
    answers = [Api().post(path, {"secret": f"guess-number-{number}"}) for number in range(30)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 20
    assert len({answer.content for answer in answers[:10]}) == 1


def test_ten_spoofed_headers_buy_nothing(world: World, settings: Any) -> None:
    settings.API_RATE_LIMIT = "3/min"
    names = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP"]
    names += ["CF-Connecting-IP", "X-Originating-IP", "X-Remote-Addr", "Fastly-Client-IP"]
    statuses = [Api().send("GET", "/me", **{name: f"203.0.113.{n}"}).status_code for n, name in enumerate(names)]
    assert statuses == [401] * 3 + [429] * 7


def test_trusted_proxy_clients_are_counted_apart(world: World, settings: Any) -> None:
    settings.API_RATE_LIMIT = "1/min"
    settings.AUTHSVC_TRUSTED_PROXIES = ["127.0.0.1"]
    settings.TRUSTED_PROXY_NETWORKS = _networks("127.0.0.1/32")

    def ask(address: str) -> int:
        return int(Api().send("GET", "/me", **{"X-Forwarded-For": address}).status_code)

    assert [ask("203.0.113.1"), ask("203.0.113.2"), ask("203.0.113.1")] == [401, 401, 429]
    assert [ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:0:1::1")] == [401, 429, 401]


def test_principal_is_counted_across_addresses(world: World, settings: Any) -> None:
    settings.API_RATE_LIMIT = "2/min"
    client = Client()
    headers = {"Authorization": f"Bearer {world.prod.api_key}"}
    answers = [client.get("/api/v1/me", headers=headers, REMOTE_ADDR=f"198.51.100.{n}") for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    other = {"Authorization": f"Bearer {world.dev.api_key}"}
    assert client.get("/api/v1/me", headers=other, REMOTE_ADDR="198.51.100.9").status_code == 200


def test_probes_have_a_bucket_of_their_own(world: World, settings: Any) -> None:
    settings.API_RATE_LIMIT = "1/min"
    client = Client()
    assert [client.get("/health").status_code for _ in range(5)] == [200] * 5
    assert client.get("/api/v1/me").status_code == 401


def test_demo_limits_off_lifts_them_in_development_only(world: World, settings: Any) -> None:
    settings.API_RATE_LIMIT, settings.AUTHSVC_DEMO_LIMITS = "1/min", "off"
    assert [Api().get("/me").status_code for _ in range(3)] == [401] * 3
    settings.PRODUCTION = True
    assert [Api().get("/me").status_code for _ in range(3)] == [401, 429, 429]
    settings.AUTHSVC_ENV = "production"
    assert "authsvc.E010" in {message.id for message in check_settings()}


@pytest.mark.parametrize(
    "text", ["0", "1001/min", "-1", "ten", "10/s", "10/ m", "1.5/m", "", "10/h", "99999", "\u0661"]
)
def test_rate_that_cannot_be_meant_stops_the_start(text: str, settings: Any) -> None:
    settings.API_RATE_LIMIT = text
    assert "authsvc.E009" in {message.id for message in check_settings()}
    with pytest.raises(ImproperlyConfigured, match=r"authsvc\.E009"):
        LimitMiddleware(lambda request: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("name", "text", "good"),
    [
        ("API_RATE_LIMIT", "1", True),
        ("API_RATE_LIMIT", "1000/min", True),
        ("API_RATE_LIMIT", "1001", False),
        ("SENSITIVE_RATE_LIMIT", "100/minute", True),
        ("SENSITIVE_RATE_LIMIT", "101", False),
        ("SENSITIVE_RATE_LIMIT", "20/m", True),
    ],
)
def test_rate_bounds_per_setting(name: str, text: str, good: bool) -> None:
    assert (rate_fault(name, text) == "") is good


def test_effective_limits_are_those_of_the_table() -> None:
    assert [name for name, _ in effective_limits()] == [limit.name for limit in TABLE]
    assert dict(effective_limits())["general"].limit == 100


@pytest.fixture
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock of the fixed windows stand still: a window may end at any moment, also in a test."""
    moment = time.time()
    monkeypatch.setattr("django_ratelimit.core.time", SimpleNamespace(time=lambda: moment))


@pytest.mark.usefixtures("one_window")
def test_admin_login_is_limited_per_name_and_never_from_another_address(world: World) -> None:
    client = Client()
    operator = world.document["operators"]["platform"]

    def sign_in(password: str, address: str) -> Any:
        form = {"username": operator["username"], "password": password}
        return client.post("/admin/login/", form, REMOTE_ADDR=address)

    answers = [sign_in("wrong", "198.51.100.1") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert int(answers[-1]["Retry-After"]) >= 1
    assert answers[-1]["Content-Type"].startswith("text/html")
    assert sign_in(operator["password"], "198.51.100.1").status_code == 429
    assert sign_in(operator["password"], "198.51.100.2").status_code == 302


@pytest.mark.usefixtures("one_window")
def test_admin_login_is_limited_per_address_over_many_names(world: World) -> None:
    client = Client()
    statuses = [client.post("/admin/login/", {"username": f"n{n}", "password": "x"}).status_code for n in range(31)]
    assert statuses == [200] * 30 + [429]


def _networks(*ranges: str) -> list[Any]:
    from authsvc.settings import networks

    return networks(list(ranges))
