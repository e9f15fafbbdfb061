"""The REST areas: each call works, refuses without proof and without its scope, names bad fields, and is audited.

Foreign tenants and environments are asked for every route in ``test_tenancy_matrix.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import resolve

from authsvc.audit.models import AuditEvent
from authsvc.tokens.models import ApiKeyKind
from authsvc.web.scope_rules import ANY_CALLER, PROOF_IN_BODY
from rbac.services.grants import create_grant
from rbac.services.service_accounts import create_service_account, issue_account_key
from tests.api.id_routes import CASES, CREDENTIALS, KEYS, PAIRING, SECRET, TOKENS, Case, nothing
from tests.house.routes import Route, walk
from tests.world import Api, Place, World

Body = dict[str, Any] | Callable[[Place], dict[str, Any] | None] | None
PROFILE = {"provider": "groq", "name": "n", "kind": "api_key", "value": "gsk_" + "v" * 52}


@dataclass(frozen=True)
class Call:
    """One call, its scope, the event it leaves, and bodies with the field that is wrong in each."""

    method: str
    route: str
    body: Body = None
    status: int = 200
    event: str = ""
    bad: tuple[tuple[str, dict[str, Any]], ...] = field(default=())
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def _grant(place: Place) -> dict[str, Any]:
    return {"principal_id": place.client_id, "role_id": place.ids["role"]}


def _decide(place: Place) -> dict[str, Any]:
    return {"token": place.api_key, "scope": "profiles:read"}


def _issue(place: Place) -> dict[str, Any]:
    return {"principal_id": place.client_id, "scopes": ["profiles:read"], "ttl_seconds": 60}


def _plan(place: Place) -> dict[str, Any]:
    return {"source": "dev", "digest": place.api().get("/promotions/dev").json()["digest"]}


def _order(_place: Place) -> dict[str, Any]:
    return {"profiles": ["anthropic:default"]}


def _batch(place: Place) -> dict[str, Any]:
    return {"questions": [_decide(place), _decide(place)]}


def _filter(place: Place) -> dict[str, Any]:
    return {"token": place.api_key, "resource": "agents", "action": "run", "ids": ["agent-1"]}


def _next_key(place: Place) -> dict[str, Any]:
    assert place.api().post("/keys/rotate", {}).status_code == 201
    return {"force": True, "reason": "leaked"}


def _fleet_device(place: Place) -> dict[str, Any]:
    made = place.api().post("/devices/enrolment-codes", {"name": "n"})
    return {**DEVICE, "enrolment_code": made.json()["code"]}


def _report(place: Place) -> dict[str, Any]:
    return {"profile_id": place.ids["profile"], "outcome": "failure", "reason": "rate_limit"}


def _pinned(place: Place) -> None:
    assert place.api().send("PUT", "/sessions/s1/pin", PIN).status_code == 200


def _own_provider(place: Place) -> None:
    assert place.api().send("PUT", "/providers/own-llm", {"label": "Own"}).status_code == 200


PIN = {"profile": "anthropic:default"}
GRANT = {"principal_id": "x", "role_id": "y"}
DEVICE = {"name": "n", "device_type": "cli"}
IMPORT = {"format": "dotenv", "content": "GROQ_API_KEY=gsk_" + "a" * 52}
COLLECTIONS = (
    Call("GET", "/me"),
    Call("GET", "/scopes"),
    Call("GET", "/limits"),
    Call(
        "PUT",
        "/limits",
        {"general_limit": 50, "sensitive_limit": None},
        event="tenant.updated",
        bad=(("general_limit", {"general_limit": 1001, "sensitive_limit": None}), ("sensitive_limit", {})),
    ),
    Call("POST", "/decide", _decide, bad=(("token", {"scope": "a:b"}), ("scope", {"token": "x"}))),
    Call("POST", "/decide/batch", _batch, bad=(("questions", {"questions": []}), ("questions", {}))),
    Call("POST", "/filter", _filter, bad=(("ids", {"token": "x", "resource": "agents", "action": "run"}),)),
    Call("GET", "/access", query="?resource=agents&action=run"),
    Call("POST", "/explain", _decide, bad=(("token", {"scope": "a:b"}),)),
    Call(
        "POST",
        "/tokens/diagnose",
        {"token": "x.y.z"},
        bad=(("token", {}), ("token", {"token": "x" * 16_385}), ("gateway", {"token": "x", "gateway": "a b"})),
    ),
    Call("GET", "/token-policy"),
    Call(
        "PATCH",
        "/token-policy",
        {"refresh_idle_days": 7},
        event="token_policy.updated",
        bad=(("refresh_idle_days", {"refresh_idle_days": 0}), ("colour", {"colour": 1})),
    ),
    Call("GET", "/members"),
    Call("GET", "/invitations"),
    Call(
        "POST",
        "/invitations",
        {"invited": "kim@acme.example", "role": "auditor"},
        201,
        "invitation.created",
        bad=(("role", {"invited": "kim", "role": "king"}), ("invited", {"role": "auditor"})),
    ),
    Call("GET", "/keys"),
    Call("POST", "/keys/rotate", {}, 201, "signing_key.created", bad=(("algorithm", {"algorithm": "none"}),)),
    Call("POST", "/keys/activate", _next_key, event="signing_key.activated", bad=(("reason", {"force": True}),)),
    Call(
        "POST",
        "/scopes",
        {"scope": "lamps:read", "sentence": "See lamps."},
        201,
        "scope.defined",
        bad=(("scope", {"scope": "a b", "sentence": "s"}), ("sentence", {"scope": "lamps:read"})),
    ),
    Call("GET", "/tokens"),
    Call(
        "POST",
        "/tokens",
        _issue,
        201,
        "token.issued",
        bad=(("principal_id", {}), ("ttl_seconds", {"principal_id": "x", "ttl_seconds": 59})),
    ),
    Call("POST", "/tokens/revoke-all", {}, event="tokens.revoked_all", bad=(("reason", {"reason": 1}),)),
    Call("GET", "/reviews"),
    Call(
        "POST",
        "/reviews",
        {"act": "relaxation", "fields": {"acts": []}},
        201,
        "review.requested",
        bad=(
            ("act", {"act": "x", "fields": {}}),
            ("acts", {"act": "relaxation", "fields": {"acts": [1]}}),
            ("reason", {"act": "trust", "fields": {}, "reason": 1}),
            ("items", {"act": "promotion", "fields": {"source": "dev", "items": "all"}}),
        ),
    ),
    Call("GET", "/four-eyes"),
    Call("PUT", "/four-eyes", {"acts": ["trust"]}, event="tenant.updated", bad=(("acts", {"acts": ["x"]}),)),
    Call("GET", "/promotions/dev"),
    Call(
        "POST", "/promotions", _plan, event="environment.promoted", bad=(("source", {"source": "prod", "digest": "x"}),)
    ),
    Call("GET", "/audit"),
    Call("GET", "/audit/export"),
    Call("GET", "/audit/checkpoints"),
    Call("GET", "/roles"),
    Call(
        "POST",
        "/roles",
        {"name": "new", "scopes": ["audit:read"]},
        201,
        "role.created",
        bad=(("name", {"scopes": ["audit:read"]}), ("scopes", {"name": "n", "scopes": ["audit:explode"]})),
    ),
    Call("GET", "/grants"),
    Call(
        "POST",
        "/grants",
        _grant,
        201,
        "grant.created",
        bad=(("role_id", {"principal_id": "x"}), ("expires_at", {**GRANT, "expires_at": "soon"})),
    ),
    Call("GET", "/service-accounts"),
    Call(
        "POST",
        "/service-accounts",
        {"name": "new"},
        201,
        "principal.created",
        bad=(("name", {}), ("default_scopes", {"name": "n", "default_scopes": ["a b"]})),
    ),
    Call("GET", "/gateways"),
    Call(
        "POST",
        "/gateways",
        {"name": "new"},
        201,
        "gateway.created",
        bad=(
            ("name", {}),
            ("kind", {"name": "n", "kind": "x"}),
            ("algorithm", {"name": "n", "algorithm": "none"}),
            ("audience", {"name": "n", "audience": "authsvc"}),
            ("url", {"name": "n", "url": "javascript:x"}),
        ),
    ),
    Call("GET", "/channels"),
    Call(
        "POST",
        "/channels",
        {"channel": "slack"},
        201,
        "channel.created",
        bad=(("channel", {"channel": "pigeon"}), ("dm_policy", {"channel": "slack", "dm_policy": "x"})),
    ),
    Call("POST", "/channels/check", {"channel": "telegram", "user": 123456789}, bad=(("channel", {}),)),
    Call(
        "POST",
        "/channels/import",
        {"channel": "signal", "document": {"dmPolicy": "pairing"}},
        event="channel.created",
        bad=(("channel", {"document": {}}), ("document", {"channel": "signal"})),
    ),
    Call("GET", "/devices/policy"),
    Call(
        "PATCH",
        "/devices/policy",
        {"store_ip": False},
        event="device_policy.updated",
        bad=(("chosen_secret_level", {"chosen_secret_level": 3}),),
    ),
    Call("GET", "/devices/enrolment-codes"),
    Call(
        "POST",
        "/devices/enrolment-codes",
        {"name": "n"},
        201,
        "enrolment_code.created",
        bad=(("name", {}), ("maximum_uses", {"name": "n", "maximum_uses": 0})),
    ),
    Call("POST", "/devices/enrol", _fleet_device, 201, "enrolment_code.used", bad=(("enrolment_code", DEVICE),)),
    Call("GET", "/devices"),
    Call(
        "POST",
        "/devices",
        DEVICE,
        201,
        "device.enrolled",
        bad=(
            ("device_type", {"name": "n"}),
            ("device_type", {**DEVICE, "device_type": "toaster"}),
            ("capabilities", {**DEVICE, "capabilities": ["flight"]}),
            ("requested_scopes", {**DEVICE, "requested_scopes": ["a:explode"]}),
        ),
    ),
    Call("GET", "/profiles"),
    Call(
        "POST",
        "/profiles",
        PROFILE,
        201,
        "credential.stored",
        bad=(
            ("kind", {"provider": "groq", "value": "v"}),
            ("minimum_trust", {**PROFILE, "minimum_trust": 4}),
            ("refresh", {**PROFILE, "refresh": "r"}),
            ("expires_at", {**PROFILE, "expires_at": "2001-01-01T00:00:00Z"}),
        ),
    ),
    Call(
        "POST",
        "/profiles/import",
        IMPORT,
        event="profiles.imported",
        bad=(("format", {**IMPORT, "format": "zip"}), ("content", {"format": "dotenv", "content": {}})),
    ),
    Call("GET", "/profiles/export"),
    Call("GET", "/profiles/settings"),
    Call(
        "PATCH",
        "/profiles/settings",
        {"failure_threshold": 3},
        event="profile_settings.updated",
        bad=(("strategy", {"strategy": "x"}),),
    ),
    Call("POST", "/credentials/report", _report, event="usage.reported", bad=(("outcome", {"profile_id": "x"}),)),
    Call("GET", "/sessions/s1/pin", _pinned),
    Call("PUT", "/sessions/s1/pin", PIN, event="pin.set", bad=(("profile", {}), ("source", {**PIN, "source": "x"}))),
    Call("DELETE", "/sessions/s1/pin", _pinned, 204, "pin.cleared"),
    Call("GET", "/providers"),
    Call("GET", "/providers/anthropic"),
    Call(
        "PUT",
        "/providers/own-llm",
        {"label": "Own"},
        event="provider.updated",
        bad=(("env_names", {"env_names": ["a b"]}),),
    ),
    Call("DELETE", "/providers/own-llm", _own_provider, 204, "provider.deleted"),
    Call("GET", "/status"),
    Call(
        "POST",
        "/credentials/resolve",
        {"provider": "anthropic"},
        event="credential.leased",
        bad=(("provider", {}), ("view", {"provider": "x", "view": "y"})),
    ),
    Call("GET", "/order/anthropic"),
    Call("PUT", "/order/anthropic", _order, event="order.set", bad=(("profiles", {"profiles": ["anthropic:no"]}),)),
    Call("DELETE", "/order/anthropic", status=204),
    Call("GET", "/agents/agent-1/order/anthropic"),
    Call("PUT", "/agents/agent-1/order/anthropic", _order, event="order.set", bad=(("profiles", {}),)),
    Call("DELETE", "/agents/agent-1/order/anthropic", status=204),
)
EVENTS = {
    "DELETE /tokens/{jti}": "token.revoked",
    "PATCH /members/{operator_id}": "membership.changed",
    "DELETE /members/{operator_id}": "membership.removed",
    "POST /members/{operator_id}/sign-out": "operator.sessions_ended",
    "DELETE /invitations/{invitation_id}": "invitation.withdrawn",
    "POST /keys/{key_id}/retire": "signing_key.retired",
    "DELETE /reviews/{review_id}": "review.withdrawn",
    "POST /reviews/{review_id}/approve": "review.applied",
    "POST /reviews/{review_id}/reject": "review.rejected",
    f"POST {KEYS}/{{key_id}}/never-expire": "api_key.made_endless",
    "DELETE /scopes/{scope_id}": "scope.removed",
    "PUT /gateways/{gateway_id}/routes": "route.set",
    "POST /gateways/{gateway_id}/jwks-acknowledgement": "gateway.key_set_acknowledged",
    f"POST {PAIRING}": "pairing.requested",
    f"POST {PAIRING}/approve": "pairing.approved",
    f"DELETE {PAIRING}/{{pairing_id}}": "pairing.rejected",
    "DELETE /devices/enrolment-codes/{code_id}": "enrolment_code.revoked",
    "POST /devices/{device_id}/prove": "token.issued",
    "POST /devices/{device_id}/confirm": "device.confirmed",
    "POST /profiles/{profile_id}/clear-cooldown": "usage.cooldown_cleared",
    "POST /profiles/{profile_id}/probe": "credential.probed",
    "PATCH /roles/{role_id}": "role.updated",
    "DELETE /roles/{role_id}": "role.deleted",
    "DELETE /grants/{grant_id}": "grant.revoked",
    "PATCH /service-accounts/{account_id}": "principal.updated",
    "DELETE /service-accounts/{account_id}": "principal.deleted",
    f"POST {KEYS}": "api_key.issued",
    f"DELETE {KEYS}/{{key_id}}": "api_key.revoked",
    f"POST {KEYS}/{{key_id}}/rotate": "api_key.rotated",
    "PATCH /gateways/{gateway_id}": "gateway.updated",
    "DELETE /gateways/{gateway_id}": "gateway.deleted",
    f"POST {TOKENS}": "api_key.issued",
    f"POST {TOKENS}/import": "api_key.imported",
    f"DELETE {TOKENS}/{{key_id}}": "api_key.revoked",
    f"POST {TOKENS}/{{key_id}}/rotate": "api_key.rotated",
    "PATCH /channels/{channel_id}": "channel.updated",
    "DELETE /channels/{channel_id}": "channel.deleted",
    "PATCH /devices/{device_id}": "device.updated",
    "DELETE /devices/{device_id}": "device.deleted",
    "POST /devices/{device_id}/authenticate": "token.issued",
    "POST /devices/{device_id}/approve": "device.approved",
    "POST /devices/{device_id}/reject": "device.rejected",
    "POST /devices/{device_id}/suspend": "device.suspended",
    "POST /devices/{device_id}/resume": "device.resumed",
    "POST /devices/{device_id}/revoke": "device.revoked",
    "POST /devices/{device_id}/trust": "device.trust_changed",
    "PATCH /profiles/{profile_id}": "profile.updated",
    "DELETE /profiles/{profile_id}": "profile.deleted",
    "POST /profiles/{profile_id}/retire": "profile.retired",
    f"POST {CREDENTIALS}": "credential.stored",
    f"DELETE {CREDENTIALS}/{{credential_id}}": "credential.deleted",
}
BAD_BODIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("PATCH /roles/{role_id}", "scopes", {"scopes": []}),
    ("PATCH /roles/{role_id}", "scopes", {"scopes": ["audit:explode"]}),
    ("DELETE /grants/{grant_id}", "reason", {"reason": []}),
    ("PATCH /service-accounts/{account_id}", "state", {"state": "deleted"}),
    ("PATCH /service-accounts/{account_id}", "maximum_scopes", {"maximum_scopes": "all"}),
    (f"POST {KEYS}", "kind", {"kind": "gateway_token"}),
    (f"POST {KEYS}", "address_ranges", {"address_ranges": ["here"]}),
    (f"POST {KEYS}", "expires_at", {"expires_at": "2001-01-01T00:00:00Z"}),
    (f"POST {KEYS}", "scopes", {"scopes": ["audit:explode"]}),
    (f"POST {KEYS}/{{key_id}}/rotate", "overlap_seconds", {"overlap_seconds": -1}),
    (f"POST {KEYS}/{{key_id}}/never-expire", "reason", {"reason": " "}),
    ("POST /reviews/{review_id}/approve", "digest", {"reason": "fine"}),
    ("POST /reviews/{review_id}/reject", "reason", {"reason": 1}),
    ("PATCH /gateways/{gateway_id}", "algorithm", {"algorithm": "HS999"}),
    ("PATCH /gateways/{gateway_id}", "allowed_principals", {"allowed_principals": ["svc_nobody"]}),
    ("PATCH /gateways/{gateway_id}", "audience", {"audience": "another"}),
    (f"POST {TOKENS}", "expires_at", {"expires_at": "3001-01-01T00:00:00Z"}),
    (f"POST {TOKENS}/{{key_id}}/rotate", "overlap_seconds", {"overlap_seconds": 30 * 86_400 + 1}),
    ("PATCH /channels/{channel_id}", "rules", {"rules": [{"subject_kind": "cat", "subject_id": 1}]}),
    ("PATCH /channels/{channel_id}", "dm_policy", {"dm_policy": "x"}),
    ("PATCH /devices/{device_id}", "device_type", {"device_type": "cli"}),
    ("PATCH /devices/{device_id}", "metadata", {"metadata": {"a": {"b": 1}}}),
    ("POST /devices/{device_id}/authenticate", "secret", {}),
    ("POST /devices/{device_id}/approve", "user_code", {"user_code": "BBBB-BBBB"}),
    ("POST /devices/{device_id}/approve", "trust_level", {"user_code": "BBBB-BBBB", "trust_level": 4}),
    ("POST /devices/{device_id}/reject", "reason", {"reason": "r" * 2001}),
    ("POST /devices/{device_id}/trust", "reason", {"trust_level": 2}),
    ("POST /devices/{device_id}/trust", "trust_level", {"trust_level": 0, "reason": "r"}),
    ("PATCH /profiles/{profile_id}", "minimum_trust", {"minimum_trust": -1}),
    ("PATCH /profiles/{profile_id}", "provider", {"provider": "openai"}),
    (f"POST {CREDENTIALS}", "value", {"kind": "api_key", "value": ""}),
    (f"POST {CREDENTIALS}", "kind", {**SECRET, "kind": "cookie"}),
)
BY_NAME = {str(case): case for case in CASES}
EVERY_CALL: tuple[Call | Case, ...] = (*COLLECTIONS, *CASES)


def send(api: Api, call: Call | Case, place: Place, body: Any = ...) -> Any:
    """Send the call as its owner would, or with another body."""
    wanted = call.body(place) if callable(call.body) else call.body
    path = call.path(call.ids(place)) if isinstance(call, Case) else call.route + call.query
    return api.send(call.method, path, wanted if body is ... else body)


def rule_of(call: Call | Case) -> str:
    """Return the scope the view behind the call declares."""
    if call.route.endswith("/jwks-acknowledgement"):
        return "gateways:write"  # asked by the view: the gateway itself needs no scope
    return str(_route(call).view.required_scopes[call.method])


def _route(call: Call | Case) -> Route:
    path = call.route.replace("{", "").replace("}", "")
    view = resolve(f"/api/v1{path}").func
    return next(route for route in walk() if route.view is getattr(view, "view_class", getattr(view, "cls", None)))


def holder_of(place: Place, *scopes: str) -> Api:
    """Return a client whose key holds exactly these scopes."""
    now = datetime.now(UTC)
    account = create_service_account(place.caller(), name="narrow", now=now)
    create_grant(place.caller(), principal=account.principal, scopes=list(scopes), now=now)
    key = issue_account_key(place.caller(), account=account, kind=ApiKeyKind.API_KEY, name="k", now=now)
    return Api(key.text.reveal())


@pytest.mark.parametrize("call", COLLECTIONS, ids=str)
def test_call_works_and_is_audited(world: World, call: Call) -> None:
    place = world.prod
    before = AuditEvent.objects.filter(event_type=call.event).count()
    reply = send(place.api(), call, place)
    assert reply.status_code == call.status, reply.content
    if call.event:
        event = AuditEvent.objects.filter(event_type=call.event).latest("occurred_at", "sequence")
        assert AuditEvent.objects.filter(event_type=call.event).count() == before + 1
        assert (event.tenant_id, event.environment_id) == (place.caller().tenant_id, place.caller().environment_id)
        assert event.request_id == reply["X-Request-Id"]


@pytest.mark.parametrize("name", EVENTS)
def test_change_of_a_row_is_audited_with_who_and_which_request(world: World, name: str) -> None:
    place, case = world.prod, BY_NAME[name]
    ids = case.ids(place)
    before = set(AuditEvent.objects.values_list("id", flat=True))
    reply = place.api().send(case.method, case.path(ids), case.body_for(place))
    assert reply.status_code == case.owner
    fresh = AuditEvent.objects.exclude(id__in=before)
    event = fresh.get(event_type=EVENTS[name])
    assert event.request_id == reply["X-Request-Id"]
    if not name.endswith(("/authenticate", "/prove")):
        assert event.actor_id == place.client_id


def test_every_change_of_a_row_has_its_event_in_the_table() -> None:
    changes = {
        str(case)
        for case in CASES
        if case.method != "GET" and case.owner < 400 and not case.route.endswith("/challenge")
    }
    assert changes == set(EVENTS)


NEEDS_PROOF = [call for call in EVERY_CALL if not call.route.endswith("/challenge")]
WRONG_PROOFS = {"authenticate": {"secret": "x"}, "prove": {"nonce": "x"}, "enrol": {"enrolment_code": "aec_x"}}


def test_challenge_without_proof_gives_a_nonce_and_writes_nothing(world: World) -> None:
    before = AuditEvent.objects.count()
    reply = send(Api(), BY_NAME["POST /devices/{device_id}/challenge"], world.prod)
    assert (reply.status_code, set(reply.json())) == (200, {"nonce", "expires_in"})
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("call", NEEDS_PROOF, ids=str)
def test_call_without_proof_is_401(world: World, call: Call | Case) -> None:
    if rule_of(call) == PROOF_IN_BODY:
        body = call.body(world.prod) if callable(call.body) else call.body
        wrong = WRONG_PROOFS[call.route.rpartition("/")[2]]
        reply = send(Api(), call, world.prod, {**(body or {}), **wrong})
    else:
        reply = send(Api(), call, world.prod)
    assert reply.status_code == 401
    assert reply.json()["code"] == "unauthenticated"
    assert reply["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("call", EVERY_CALL, ids=str)
def test_call_with_another_scope_is_403_that_names_the_scope_and_is_audited(world: World, call: Call | Case) -> None:
    rule, place = rule_of(call), world.prod
    other = "keys:read" if rule != "keys:read" else "audit:read"
    api = holder_of(place, other)
    if rule in {ANY_CALLER, PROOF_IN_BODY}:
        assert send(api, call, place).status_code == (call.owner if isinstance(call, Case) else call.status)
        return
    reply = send(api, call, place)
    assert reply.status_code == 403
    body = reply.json()
    assert (body["code"], body["scope"]) == ("insufficient_scope", rule)
    assert f'scope="{rule}"' in reply["WWW-Authenticate"]
    denied = AuditEvent.objects.filter(event_type="access.denied").latest("occurred_at", "sequence")
    assert (denied.detail["required_scope"], denied.detail["method"]) == (rule, call.method)
    assert api.headers["Authorization"].removeprefix("Bearer ") not in str(denied.detail)


@pytest.mark.parametrize("call", COLLECTIONS, ids=str)
def test_call_with_its_scope_alone_is_not_refused_for_scope(world: World, call: Call) -> None:
    rule = rule_of(call)
    api = holder_of(world.prod, rule if ":" in rule else "keys:read")
    reply = send(api, call, world.prod)
    assert reply.status_code == call.status or reply.json()["code"] == "scope_not_held"


@pytest.mark.parametrize(
    ("call", "wrong", "body"),
    [(call, wrong, body) for call in COLLECTIONS for wrong, body in call.bad],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_400_that_names_the_field(world: World, call: Call, wrong: str, body: dict[str, Any]) -> None:
    reply = send(world.prod.api(), call, world.prod, body)
    assert reply.status_code == 400
    assert wrong in {name.split(".")[0] for name in reply.json()["errors"]}


@pytest.mark.parametrize(("name", "wrong", "body"), BAD_BODIES, ids=lambda value: str(value)[:40])
def test_bad_change_is_400_that_names_the_field(world: World, name: str, wrong: str, body: dict[str, Any]) -> None:
    reply = send(world.prod.api(), BY_NAME[name], world.prod, body)
    assert reply.status_code == 400, reply.content
    assert wrong in {field.split(".")[0] for field in reply.json()["errors"]}


@pytest.mark.parametrize(
    ("wrong", "extra"), [("scopes", {"scopes": ["profiles:explode"]}), ("audience", {"audience": "nobody"})]
)
def test_token_that_cannot_be_issued_is_a_problem_that_names_the_field(
    world: World, wrong: str, extra: dict[str, Any]
) -> None:
    reply = world.prod.api().post("/tokens", {"principal_id": world.prod.client_id, **extra})
    assert reply.status_code == 400
    assert reply["Content-Type"] == "application/problem+json"
    assert wrong in reply.json()["errors"]


def test_every_call_of_the_api_is_in_a_table(world: World) -> None:
    asked = {(call.method, _route(call).view) for call in EVERY_CALL}
    real = {(method, route.view) for route in walk() if route.is_api for method in route.methods}
    assert {f"{m} {v.__name__}" for m, v in real - asked} == set()


def test_no_case_needs_what_the_demo_lacks() -> None:
    assert any(case.prepare is nothing for case in CASES)
