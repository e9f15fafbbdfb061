"""Each call of the REST areas without an id in its path: how it works, its event, and bodies that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.world import Place

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


def _waiting(place: Place) -> dict[str, Any]:
    return {"ids": [place.pending_device["id"]], "reason": "unknown"}


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
    Call("GET", "/tenant"),
    Call(
        "POST",
        "/tenant/suspend",
        {"confirm": "acme", "reason": "broken into"},
        event="tenant.suspended",
        bad=(("confirm", {"confirm": "globex", "reason": "r"}), ("reason", {"confirm": "acme"})),
    ),
    Call("GET", "/limits"),
    Call(
        "PUT",
        "/limits",
        {"general_limit": 50, "sensitive_limit": None},
        event="tenant.updated",
        bad=(("general_limit", {"general_limit": 1001, "sensitive_limit": None}), ("sensitive_limit", {})),
    ),
    Call("GET", "/origins"),
    Call(
        "PUT",
        "/origins",
        {"origins": ["https://console.acme.test"]},
        event="tenant.updated",
        bad=(("origins", {"origins": ["*"]}), ("origins", {"origins": ["https://a.test/path"]}), ("origins", {})),
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
    Call("GET", "/devices/inbox"),
    Call("POST", "/devices/reject", _waiting, event="device.rejected", bad=(("ids", {"ids": []}), ("ids", {}))),
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
