"""The REST areas: each call works, refuses without proof and without its scope, names bad fields, and is audited.

Foreign tenants and environments are asked for every route in ``test_tenancy_matrix.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import resolve

from authsvc.audit.models import AuditEvent
from authsvc.tokens.models import ApiKeyKind
from authsvc.web.scope_rules import ANY_CALLER, PROOF_IN_BODY
from rbac.services.grants import create_grant
from rbac.services.service_accounts import create_service_account, issue_account_key
from tests.api.area_calls import COLLECTIONS, Call
from tests.api.id_routes import CASES, CREDENTIALS, KEYS, PAIRING, SECRET, TOKENS, Case, nothing
from tests.house.routes import Route, walk
from tests.world import Api, Place, World

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
