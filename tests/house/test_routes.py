"""No route answers without a rule: the resolver is walked, and what answers without proof is exactly this list."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from authsvc.web.api import ApiView
from authsvc.web.scope_rules import ANY_CALLER, PROOF_IN_BODY
from rbac.catalogue import Audience, find_entry
from tests.house.routes import METHODS, Route, open_routes, undeclared, walk
from tests.world import Api, World

ISSUER = "t/<slug:tenant>/<slug:environment>"
HEALTH = {"health", "healthz", "health/live", "health/ready"}
PUBLISHED = {
    f"{ISSUER}/.well-known/jwks.json",
    f"{ISSUER}/jwks.pem",
    f"{ISSUER}/.well-known/oauth-authorization-server",
    f"{ISSUER}/.well-known/openid-configuration",
    f".well-known/oauth-authorization-server/{ISSUER}",
    f".well-known/openid-configuration/{ISSUER}",
}
PROVEN_IN_BODY = {
    f"{ISSUER}/oauth/token",
    f"{ISSUER}/oauth/introspect",
    f"{ISSUER}/oauth/revoke",
    "api/v1/devices/<id:device_id>/authenticate",
    "api/v1/devices/<id:device_id>/prove",
    "api/v1/devices/enrol",  # with an enrolment code
}
ANSWERS_ANYBODY_ALIKE = {
    "api/v1/devices/<id:device_id>/challenge",  # a nonce, for any id, and nothing is written
    f"{ISSUER}/oauth/device_authorization",  # begins a request that a person must approve (RFC 8628 §3.1)
}
OWN_DOORS = {
    "device",  # leads to the admin's login
    "metrics",  # from AUTHSVC_METRICS_CIDRS alone
    f"{ISSUER}/gateways/<name:gateway>/forward-auth",  # reads the bearer of the request it is asked about
    f"{ISSUER}/gateways/<name:gateway>/forward-auth<anything:suffix>",  # the same, with that request's path behind it
}
DESCRIPTION = {"api/schema/", "api/docs/"}
HOME = {""}  # leads to the admin, which asks for a password
DOORS = {
    "admin/verify/",
    "admin/second-factor/",
    "admin/passkeys/options/",
    "admin/login/passkey/",
    "admin/password/forgotten/",
    "admin/password/sent/",
}
OPEN = HEALTH | PUBLISHED | PROVEN_IN_BODY | DESCRIPTION | HOME | ANSWERS_ANYBODY_ALIKE | OWN_DOORS


class Undeclared(ApiView):
    """A view whose POST nobody declared."""

    required_scopes = {"GET": ANY_CALLER}

    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({})

    def post(self, request: Request) -> Response:
        """Answer."""
        return Response({})


class Unimplemented(Undeclared):
    """A view with a rule for a method it lacks."""

    required_scopes = {"GET": ANY_CALLER, "POST": ANY_CALLER, "PUT": ANY_CALLER}


class OwnGate(ApiView):
    """A view that brings its own gate."""

    permission_classes = []
    required_scopes = {"GET": ANY_CALLER}

    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({})


class Foreign(APIView):
    """A view outside the house."""

    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({})


def planted(view: type[APIView]) -> list[str]:
    """Return what the walk finds about one planted view."""
    return undeclared(list(walk([path("api/v1/", include([path("planted", view.as_view())]))])))


def test_every_api_route_declares_a_rule_for_each_method() -> None:
    routes = [route for route in walk() if route.is_api]
    assert len(routes) >= 40
    assert undeclared(routes) == []


def test_planted_undeclared_method_is_found() -> None:
    assert planted(Undeclared) == ["POST api/v1/planted: no declared rule"]


def test_planted_rule_without_a_method_is_found() -> None:
    assert planted(Unimplemented) == ["PUT api/v1/planted: a rule without a method"]


def test_planted_view_with_its_own_gate_is_found() -> None:
    assert planted(OwnGate) == ["api/v1/planted: overrides permission_classes"]


def test_planted_foreign_view_is_found() -> None:
    assert planted(Foreign) == ["api/v1/planted: not an ApiView"]


def test_planted_function_below_the_api_is_found() -> None:
    routes = list(walk([path("api/v1/", include([path("planted", lambda request: HttpResponse())]))]))
    assert undeclared(routes) == ["api/v1/planted: not an ApiView"]


def test_routes_that_answer_without_proof_are_exactly_these() -> None:
    routes = [route for route in walk() if not route.path.startswith("admin/")]
    assert open_routes(routes) == OPEN


def test_every_declared_scope_is_catalogued_for_our_own_api() -> None:
    rules = {scope for route in walk() if route.is_api for scope in route.view.required_scopes.values()}
    unknown = [s for s in rules - {ANY_CALLER, PROOF_IN_BODY} if find_entry(s, Audience.AUTHSVC) is None]
    assert unknown == []


def example(route: Route) -> str:
    """Return an address of the route with plausible parameters."""
    text = "/" + route.path
    for name, value in {"tenant": "acme", "environment": "prod"}.items():
        text = text.replace(f"<slug:{name}>", value)
    for name in route.names:
        text = text.replace(f"<id:{name}>", "abc_123").replace(f"<name:{name}>", "anthropic")
    return text


def test_every_guarded_route_answers_401_without_proof_whatever_the_method(world: World) -> None:
    guarded = [route for route in walk() if route.is_api and route.path not in OPEN]
    bodies = set()
    for route in guarded:
        for method in (*METHODS, "HEAD", "OPTIONS", "TRACE", "PROPFIND"):
            reply = Api().send(method, example(route), {})
            assert reply.status_code == 401, f"{method} {route.path}"
            bodies.add(reply.content if method != "HEAD" else b"")
    assert len(bodies - {b""}) == 1


def test_every_open_read_answers_without_proof(world: World) -> None:
    reads = [route for route in walk() if route.path in HEALTH | PUBLISHED | DESCRIPTION]
    statuses = {route.path: Api().client.get(example(route)).status_code for route in reads}
    assert {path: status for path, status in statuses.items() if status != 200} == {}


def test_open_routes_with_a_door_of_their_own_refuse_who_has_no_proof(world: World) -> None:
    asked = Api().get(f"/t/acme/prod/gateways/{world.prod.gateway['id']}/forward-auth")
    assert asked.status_code == 401
    page = Api().client.get("/device")
    assert (page.status_code, page["Location"].split("?")[0]) == (302, "/admin/login/")
    assert Api().client.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 403


def test_admin_pages_lead_to_the_login(world: World) -> None:
    for route in walk():
        if not route.path.startswith("admin/") or "<" in route.path or "^" in route.path or "(" in route.path:
            continue
        if route.path in {"admin/login/", "admin/logout/", "admin/jsi18n/"}:
            continue
        reply = Api().client.get("/" + route.path)
        if route.path in DOORS:  # not there until the password was given, or the invitation opened
            assert reply.status_code == 404
            continue
        if route.path == "admin/join/":  # the same for no invitation and one that is over
            assert reply.status_code == 410
            continue
        assert reply.status_code == 302, route.path
        assert reply["Location"].startswith("/admin/login/"), route.path
