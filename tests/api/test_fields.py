"""Odd values in every field of every body: named errors or an answer, never a 5xx; unknown fields and long texts."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from tests.api.test_input import assert_problem
from tests.house.routes import walk
from tests.scale import scaled
from tests.world import World

ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, "", " ", "x" * 20_000, "\u202e", "\ud83d\ude00", "a\nb", [], [[]], [None],
    ["x" * 300], {}, {"a": {"b": 1}}, "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", ["a"] * 600,
)  # fmt: skip
BASES: dict[str, dict[str, Any]] = {
    "/decide": {
        "token": "x", "scope": "a:b", "gateway": "g", "method": "GET", "path": "/", "device": "d", "channel": {},
    },
    "/decide/batch": {"questions": [{"token": "x", "scope": "a:b"}]},
    "/filter": {"token": "x", "gateway": "g", "resource": "agents", "action": "run", "ids": ["a"]},
    "/explain": {
        "token": "x", "scope": "a:b", "gateway": "g", "method": "GET", "path": "/", "device": "d", "channel": {},
    },
    "/keys/rotate": {"algorithm": "RS256"},
    "/keys/activate": {"algorithm": "RS256", "force": False, "reason": ""},
    "/scopes": {"scope": "lamps:read", "sentence": "See lamps."},
    "/channels/import": {"channel": "telegram", "gateway_id": None, "document": {}, "dry_run": True},
    "/devices/reject": {"ids": ["dev_x"], "reason": ""},
    "/devices/enrolment-codes": {
        "name": "n", "maximum_uses": 1, "expires_in": 600, "address_ranges": [], "scopes": [], "gateway_id": None,
        "trust_level": 1,
    },
    "/devices/enrol": {
        "name": "n", "device_type": "cli", "platform": "", "firmware_version": "", "capabilities": [], "metadata": {},
        "requested_scopes": [], "public_key": "", "role": "", "operator_scopes": [], "enrolment_code": "aec_x",
    },
    "/credentials/report": {
        "lease_id": None, "profile_id": "x", "outcome": "failure", "reason": "rate_limit", "message": "",
        "http_status": 429, "model": None, "retry_after": 1, "reset_at": None,
    },
    "/tenant/suspend": {"confirm": "globex", "reason": "r"},
    "/tokens": {"principal_id": "x", "scopes": [], "audience": "", "ttl_seconds": 60},
    "/tokens/diagnose": {"token": "x", "gateway": "g"},
    "/invitations": {"invited": "n", "role": "auditor"},
    "/reviews": {"act": "relaxation", "fields": {"acts": ["trust"]}, "reason": ""},
    "/promotions": {"source": "dev", "items": [], "digest": "x"},
    "/tokens/revoke-all": {"principal_id": "x", "reason": ""},
    "/roles": {"name": "n", "description": "", "scopes": ["audit:read"]},
    "/grants": {"principal_id": "x", "role_id": "x", "gateway_id": "x", "expires_at": None, "reason": ""},
    "/service-accounts": {"name": "n", "description": "", "maximum_scopes": [], "default_scopes": []},
    "/gateways": {"name": "n", "kind": "agno", "audience": "a", "algorithm": "RS256", "admin_scope": "a:b", "url": ""},
    "/channels": {
        "channel": "slack", "name": "n", "gateway_id": None, "dm_policy": "open", "group_policy": "x", "rules": [],
    },
    "/channels/check": {"channel": "slack", "gateway_id": None, "user": 1, "guild": 1, "chat": 1, "is_direct": True},
    "/devices": {
        "name": "n", "device_type": "cli", "platform": "", "firmware_version": "", "capabilities": [], "metadata": {},
        "requested_scopes": [], "gateway_id": None,
    },
    "/profiles": {
        "provider": "groq", "name": "n", "agent": "main", "kind": "api_key", "value": "v" * 40, "refresh": "",
        "expires_at": None, "description": "", "minimum_trust": 0, "allowed_channels": None, "allowed_gateways": None,
    },
    "/profiles/import": {"format": "openclaw", "content": {}, "state": None, "agent": "main", "dry_run": False},
    "/credentials/resolve": {
        "provider": "groq", "agent": "main", "session": "", "model": None, "require": [], "purpose": "",
        "channel": None, "gateway": None, "view": "full",
    },
}  # fmt: skip


def test_every_post_without_an_id_is_in_the_table() -> None:
    posts = {"/" + r.path[7:] for r in walk() if r.is_api and "POST" in r.methods and "<" not in r.path}
    assert posts <= set(BASES)


FIELDS = [(path, field) for path, base in BASES.items() for field in base]


def odd_values(number: int) -> tuple[Any, ...]:
    """Return the values for a field by its number: every third, each database others; at the full scale all."""
    turn = scaled(3, 1)
    return ODD_VALUES[(number + (connection.vendor == "postgresql")) % turn :: turn]


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_odd_value_in_a_field_never_yields_a_5xx(world: World, path: str, field: str) -> None:
    api = world.prod.api()
    for value in odd_values(FIELDS.index((path, field))):
        reply = api.post(path, {**BASES[path], field: value})
        assert reply.status_code < 500, f"{field}={str(value)[:60]!r}: {reply.content[:200]!r}"
        if reply.status_code == 400:
            assert_problem(reply, 400)


@pytest.mark.parametrize("path", BASES)
def test_unknown_field_is_named(world: World, path: str) -> None:
    document = assert_problem(
        world.prod.api().post(path, {**BASES[path], "tenant": "globex"}), 400, "validation_failed"
    )
    assert document["errors"]["tenant"] == ["Unknown field."]


LENGTHS = [
    ("/roles", "name", 200),
    ("/roles", "description", 2000),
    ("/devices", "name", 200),
    ("/devices", "platform", 100),
    ("/devices", "firmware_version", 50),
    ("/service-accounts", "name", 200),
    ("/service-accounts", "description", 2000),
    ("/gateways", "name", 200),
    ("/profiles", "name", 128),
    ("/profiles", "agent", 128),
    ("/profiles", "description", 2000),
]


@pytest.mark.parametrize(("path", "field", "maximum"), LENGTHS)
def test_text_of_the_greatest_length_is_taken_and_one_more_is_not(
    world: World, path: str, field: str, maximum: int
) -> None:
    base = {k: v for k, v in BASES[path].items() if k not in {"gateway_id", "admin_scope", "expires_at"}}
    document = assert_problem(
        world.prod.api().post(path, {**base, field: "n" * (maximum + 1)}), 400, "validation_failed"
    )
    assert list(document["errors"]) == [field]
    assert world.prod.api().post(path, {**base, field: "n" * maximum}).status_code == 201


@pytest.mark.parametrize("path", ["/order/" + "p" * 128, "/agents/" + "a" * 128 + "/order/" + "p" * 128])
def test_longest_name_in_a_path_never_yields_a_5xx(world: World, path: str) -> None:
    for method, body in (("GET", None), ("PUT", {"profiles": []}), ("DELETE", None)):
        with transaction.atomic():
            assert world.prod.api().send(method, path, body).status_code < 500
            transaction.set_rollback(True)


@pytest.mark.parametrize("key", ["a" * 300, "anthropic:" + "x" * 300, "x", "", "a\nb"])
@pytest.mark.parametrize("expires", [None, 10**30, -1, 1e300, "soon", True])
def test_import_with_an_odd_entry_never_yields_a_5xx(world: World, key: str, expires: object) -> None:
    entry = {"type": "oauth", "provider": "anthropic", "access": "a" * 40, "refresh": "r" * 40, "expires": expires}
    content = {"version": 1, "profiles": {key: entry}, "usageStats": {key: {"cooldownUntil": expires}}}
    reply = world.prod.api().post("/profiles/import", {"format": "openclaw", "content": content})
    assert reply.status_code < 500
