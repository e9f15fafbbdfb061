"""Forward-auth: what each proxy is answered, with which proof, for which route, and what goes out with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from authsvc.audit.models import AuditEvent
from authsvc.gate.identity import IDENTITY_FIELDS, LIFE_SECONDS
from authsvc.settings import networks
from authsvc.tokens.api_keys import revoke_api_key
from authsvc.tokens.models import ApiKey, ApiKeyKind
from authsvc.web.body_limit import BodyLimit
from authsvc.web.limit_store import bucket_store
from devices.models import Device
from devices.services.lifecycle import revoke_device
from rbac.models import Gateway, GatewayKind
from rbac.services.gateways import create_gateway, get_gateway, issue_gateway_token
from rbac.services.grants import create_grant
from rbac.services.routes import set_routes
from rbac.services.service_accounts import create_service_account, issue_account_key
from tests.world import Place, World

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


@pytest.fixture(autouse=True)
def _trusted_proxy(settings: Any) -> None:
    settings.AUTHSVC_TRUSTED_PROXIES = ["127.0.0.1"]
    settings.TRUSTED_PROXY_NETWORKS = networks(["127.0.0.1"])


@pytest.fixture
def place(world: World) -> Place:
    return world.prod


def ask(place: Place, token: str = "", rest: str = "", method: str = "GET", **headers: str) -> Any:
    """Ask forward-auth of the demo gateway, as a proxy would."""
    fields = {**({"Authorization": f"Bearer {token}"} if token else {}), **headers}
    client, address = (
        Client(enforce_csrf_checks=True),
        place.path(f"/gateways/{place.gateway['id']}/forward-auth{rest}"),
    )
    return client.generic(method, address, headers=fields, RAW_URI=address)


def gateway_token(place: Place) -> str:
    """Return an access token for the demo gateway that may read and run agents 1 and 2."""
    scopes = "agents:agent-1:read agents:agent-1:run"
    return place.access_token(audience=place.gateway["audience"], scope=scopes)


def original(method: str, uri: str) -> dict[str, str]:
    return {"X-Original-Method": method, "X-Original-URI": uri}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rest", ["", "?contract=nginx", "?contract=traefik"])
def test_right_token_passes_with_every_method(place: Place, method: str, rest: str) -> None:
    answer = ask(place, place.gateway["token"], rest, method)
    assert answer.status_code == 200
    assert answer["X-Authsvc-Subject"] == place.gateway["id"]
    assert answer["X-Authsvc-Tenant"] == "acme"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rest", ["", "/", "/agents/agent-1", "/a/b/c%2Fd", "?contract=nginx"])
@pytest.mark.parametrize("token", ["", "wrong", "agw_prod_x_y"])
def test_no_or_wrong_token_is_401_with_a_challenge(place: Place, method: str, rest: str, token: str) -> None:
    answer = ask(place, token, rest, method)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert {answer[name] for name in IDENTITY_FIELDS} == {""}


@pytest.mark.parametrize("kind", ["access token", "api key", "gateway token"])
def test_each_kind_of_proof_of_this_gateway_passes(place: Place, kind: str) -> None:
    proofs = {"access token": gateway_token(place), "api key": place.api_key, "gateway token": place.gateway["token"]}
    assert ask(place, proofs[kind]).status_code == 200


def test_gateway_is_found_by_its_audience_too(place: Place) -> None:
    path = place.path(f"/gateways/{place.gateway['audience']}/forward-auth")
    assert Client().get(path, headers={"Authorization": f"Bearer {place.gateway['token']}"}).status_code == 200


def test_proofs_for_something_else_are_the_same_401(world: World, place: Place, now: datetime) -> None:
    caller = place.caller()
    other = create_gateway(caller, name="other", kind=GatewayKind.GENERIC, audience="other-gateway", now=now)
    others_token = issue_gateway_token(caller, gateway=other, name="t", now=now).text.reveal()
    refused = [
        place.access_token(),
        others_token,
        world.dev.gateway["token"],
        world.foreign.gateway["token"],
        world.foreign.api_key,
        place.client_secret,
        place.device["secret"],
        ask(place, place.gateway["token"])["X-Authsvc-Identity"],
    ]
    answers = [ask(place, token) for token in refused]
    assert [answer.status_code for answer in answers] == [401] * len(refused)
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize(
    "path", ["/t/acme/prod/gateways/gwy_nothing", "/t/nobody/prod/gateways/x", "/t/acme/x/gateways/x"]
)
def test_unknown_gateway_is_the_401_of_a_bad_proof(place: Place, path: str) -> None:
    unknown = Client().get(f"{path}/forward-auth", headers={"Authorization": f"Bearer {place.gateway['token']}"})
    assert unknown.status_code == 401
    assert unknown.content == ask(place, "wrong").content


def test_query_is_never_a_proof(place: Place) -> None:
    token = place.gateway["token"]
    for name in ("token", "access_token", "authorization"):
        assert ask(place, "", f"?{name}={token}").status_code == 401


def test_service_account_without_any_right_here_is_403(place: Place, now: datetime) -> None:
    account = create_service_account(place.caller(), name="nobody", now=now)
    key = issue_account_key(place.caller(), account=account, kind=ApiKeyKind.API_KEY, name="k", now=now)
    answer = ask(place, key.text.reveal())
    assert answer.status_code == 403
    assert answer.json()["code"] == "insufficient_scope"
    assert AuditEvent.objects.filter(event_type="access.denied", actor_id=account.id).exists()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/agents/agent-1", 200),
        ("POST", "/agents/agent-1/runs", 200),
        ("POST", "/agents/agent-1/runs?stream=true", 200),
        ("POST", "/agents/agent-2/runs", 403),
        ("GET", "/agents", 403),
        ("DELETE", "/agents/agent-1", 403),
        ("HEAD", "/agents/agent-1", 403),
        ("GET", "/agents/agent-1%2F..%2Fagent-2", 403),
        ("GET", "/agents//agent-1", 403),
        ("GET", "/unmapped", 403),
    ],
)
def test_route_rules_decide_for_every_proxy_alike(place: Place, method: str, path: str, status: int) -> None:
    token = gateway_token(place)
    forwarded = {"X-Forwarded-Method": method, "X-Forwarded-Uri": path}
    answers = [
        ask(place, token, **original(method, path)),
        ask(place, token, "?contract=nginx", **original(method, path)),
        ask(place, token, "?contract=traefik", **forwarded),
        ask(place, token, "?contract=caddy", **forwarded),
        envoy(place, token, method, path),
    ]
    assert [answer.status_code for answer in answers] == [status] * 5


def envoy(place: Place, token: str, method: str, path: str) -> Any:
    """Ask as Envoy does: the request itself, below the address; the server keeps the path as it came."""
    address = place.path(f"/gateways/{place.gateway['id']}/forward-auth{path}")
    headers = {"Authorization": f"Bearer {token}"}
    return Client().generic(method, address, headers=headers, RAW_URI=address)


def test_path_the_server_does_not_tell_as_it_came_is_refused(place: Place) -> None:
    address = place.path(f"/gateways/{place.gateway['id']}/forward-auth/agents/agent-1")
    answer = Client().get(address, headers={"Authorization": f"Bearer {place.gateway['token']}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "route_refused")
    assert {answer[name] for name in IDENTITY_FIELDS} == {""}


def test_public_route_passes_without_a_proof_and_names_nobody(place: Place) -> None:
    rules: list[dict[str, object]] = [
        {"method": "GET", "pattern": "/public", "scopes": []},
        {"method": "GET", "pattern": "/vault", "scopes": ["agents:read"], "minimum_trust": 2},
    ]
    gateway = get_gateway(place.caller(), place.gateway["id"])
    set_routes(place.caller(), gateway=gateway, rules=rules, unmapped="deny", now=datetime.now(UTC))
    answer = ask(place, "", **original("GET", "/public"))
    assert answer.status_code == 200
    assert {answer[name] for name in IDENTITY_FIELDS} == {""}
    assert ask(place, "wrong", **original("GET", "/public")).status_code == 401
    low = ask(
        place, place.access_token(audience=place.gateway["audience"], scope="agents:read"), **original("GET", "/vault")
    )
    assert (low.status_code, low.json()["code"]) == (403, "trust_too_low")


def test_header_fields_from_an_untrusted_peer_are_403(place: Place, settings: Any) -> None:
    settings.AUTHSVC_TRUSTED_PROXIES, settings.TRUSTED_PROXY_NETWORKS = [], []
    answer = ask(place, place.gateway["token"], **original("GET", "/health"))
    assert (answer.status_code, answer.json()["code"]) == (403, "route_refused")


def test_identity_token_verifies_with_our_keys_and_is_for_this_gateway(place: Place, now: datetime) -> None:
    answer = ask(place, gateway_token(place), X_Authsvc_Subject="spoofed", **{"X-Authsvc-Identity": "spoofed"})
    keys = KeySet.import_key_set(json.loads(Client().get(place.path("/.well-known/jwks.json")).content))
    token = joserfc_jwt.decode(answer["X-Authsvc-Identity"], keys, algorithms=["RS256"])
    assert token.header["typ"] == "authsvc-identity+jwt"
    assert token.claims["aud"] == place.gateway["audience"]
    assert token.claims["sub"] == answer["X-Authsvc-Subject"] == place.client_id
    assert token.claims["exp"] - token.claims["iat"] == LIFE_SECONDS
    assert token.claims["scope"].split() == answer["X-Authsvc-Scopes"].split()


def test_identity_is_signed_with_the_algorithm_of_the_gateway(place: Place) -> None:
    Gateway.objects.for_environment(place.caller()).update(algorithm="EdDSA")
    header = ask(place, place.gateway["token"])["X-Authsvc-Identity"].partition(".")[0]
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "EdDSA"


def test_cookie_counts_only_where_the_address_asks_for_it(place: Place) -> None:
    token = place.gateway["token"]
    cookie = {"Cookie": f"gate={token}"}
    assert ask(place, "", "?contract=nginx", **cookie).status_code == 401
    assert ask(place, "", "?contract=nginx&cookie=gate", **cookie).status_code == 200
    assert ask(place, "", "/x?cookie=gate", **cookie).status_code == 401
    assert ask(place, "wrong", "?contract=nginx&cookie=gate", **cookie).status_code == 401


def test_cookie_of_a_websocket_from_another_site_is_refused(place: Place) -> None:
    fields = {"Cookie": f"gate={place.gateway['token']}", "Sec-WebSocket-Key": "x", "X-Forwarded-Host": "chat.example"}
    rest = "?contract=nginx&cookie=gate"
    assert ask(place, "", rest, **fields, Origin="https://chat.example").status_code == 200
    assert ask(place, "", rest, **fields, Origin="https://evil.example").status_code == 403
    assert ask(place, "", rest, **fields).status_code == 403


def test_preflight_is_no_way_round(place: Place) -> None:
    preflight = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST"}
    assert ask(place, "", "/agents", "OPTIONS", **preflight).status_code == 401


def test_device_token_passes_until_the_device_is_revoked(place: Place, now: datetime) -> None:
    caller = place.caller()
    device = Device.objects.for_environment(caller).get(id=place.device["id"])
    gateway = Gateway.objects.for_environment(caller).get(id=place.gateway["id"])
    create_grant(caller, principal=device.principal, scopes=["agents:read"], gateway=gateway, now=now)
    Device.objects.for_environment(caller).filter(id=device.id).update(gateway=gateway)
    proven = Client().post(
        f"/api/v1/devices/{device.id}/authenticate", {"secret": place.device["secret"]}, content_type="application/json"
    )
    token = proven.json()["access_token"]
    answer = ask(place, token, **original("GET", "/agents"))
    assert answer.status_code == 200
    assert answer["X-Authsvc-Device"] == device.id
    assert int(answer["X-Authsvc-Trust-Level"]) >= 1
    device.refresh_from_db()
    revoke_device(caller, device=device, reason="lost", now=now)
    assert ask(place, token, **original("GET", "/agents")).status_code == 401


def test_revoked_gateway_token_is_refused_at_once(place: Place) -> None:
    assert ask(place, place.gateway["token"]).status_code == 200
    caller = place.caller()
    for key in ApiKey.objects.for_environment(caller).filter(kind="gateway_token"):
        revoke_api_key(caller, key=key, reason="lost", now=datetime.now(UTC))
    assert ask(place, place.gateway["token"]).status_code == 401


@pytest.fixture
def _limits_on(settings: Any) -> Iterator[None]:
    settings.AUTHSVC_DEMO_LIMITS, settings.AUTHSVC_PROCESSES, settings.API_RATE_LIMIT = "on", 1, "1/min"
    bucket_store.cache_clear()
    yield
    bucket_store.cache_clear()


@pytest.mark.usefixtures("_limits_on")
@pytest.mark.parametrize(
    ("rest", "status"), [("", 403), ("?contract=nginx", 403), ("?contract=traefik", 429), ("/x", 429)]
)
def test_over_the_limit_is_403_for_nginx_and_429_elsewhere(place: Place, rest: str, status: int) -> None:
    answers = [ask(place, "", rest) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [status]
    assert [answer["X-RateLimit-Remaining"] for answer in answers] == [str(n) for n in (*range(9, -1, -1), 0)]
    assert "Retry-After" in answers[-1]


@pytest.mark.parametrize(("rest", "status"), [("", 403), ("?contract=envoy", 503)])
def test_database_gone_never_passes(place: Place, rest: str, status: int) -> None:
    def fail(*_arguments: object) -> None:
        raise OperationalError

    with connection.execute_wrapper(fail):
        assert ask(place, place.gateway["token"], rest).status_code == status


def test_body_is_never_read_and_never_too_large() -> None:
    class Unreadable:
        def read(self, *_size: int) -> bytes:
            raise AssertionError("the body was read")

    seen: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["PATH_INFO"])
        return [b""]

    path = "/t/acme/prod/gateways/g/forward-auth/upload"
    for framing in ({"CONTENT_LENGTH": str(10**9)}, {"HTTP_TRANSFER_ENCODING": "chunked"}):
        BodyLimit(application)({"PATH_INFO": path, "wsgi.input": Unreadable(), **framing}, lambda *_: None)
    assert seen == [path, path]


def test_large_body_is_ignored(place: Place) -> None:
    path = place.path(f"/gateways/{place.gateway['id']}/forward-auth")
    headers = {"Authorization": f"Bearer {place.gateway['token']}"}
    answer = Client().post(path, b"x" * (2 * 1024 * 1024), content_type="application/octet-stream", headers=headers)
    assert answer.status_code == 200
