"""A secret of every kind is planted; then every answer, page, error, log, audit line and export is searched for it."""

from __future__ import annotations

import json
import logging
import secrets
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from authsvc.tenants.models import Operator
from tests.admin.crawl import addresses, example_ids, site_addresses
from tests.canary import found_in
from tests.house.routes import walk
from tests.world import Api, World

FORMATS = ("openclaw", "openclaw_split", "argentos", "dotenv")


def _planted(world: World) -> dict[str, str]:
    """Store one secret of every kind and by every way in; return them by name."""
    api = world.prod.api()
    canaries = {name: f"canary-{secrets.token_urlsafe(40)}" for name in ("key", "token", "access", "refresh")}
    login = {"refresh": canaries["refresh"], "expires_at": "2090-01-01T00:00:00Z"}
    for kind, field in (("api_key", "key"), ("token", "token"), ("oauth", "access")):
        body = {"provider": "canary-llm", "name": kind, "kind": kind, "value": canaries[field]}
        assert api.post("/profiles", {**body, **(login if kind == "oauth" else {})}).status_code == 201
    imported = {name: f"canary-{secrets.token_urlsafe(40)}" for name in ("file", "id token", "claude", "env", "rest")}
    expires = 4_000_000_000_000
    store = {
        "profiles": {
            "file-llm:a": {"type": "api_key", "provider": "file-llm", "key": imported["file"]},
            "file-llm:b": {
                "type": "oauth",
                "provider": "file-llm",
                "access": "short",
                "refresh": "r",
                "expires": expires,
                "idToken": imported["id token"],
            },
        },
        "unknownTop": {"note": imported["rest"]},
    }
    claude = {"claudeAiOauth": {"accessToken": imported["claude"], "refreshToken": "r", "expiresAt": expires}}
    for name, content in (
        ("openclaw", store),
        ("claude_code", claude),
        ("dotenv", f"CANARY_API_KEY={imported['env']}\nGROQ_API_KEY={imported['env']}\n"),
    ):
        answer = api.post("/profiles/import", {"format": name, "content": content, "agent": f"agent-{name}"})
        assert answer.status_code == 200, answer.content
    return canaries | imported


def _refused(world: World, canaries: dict[str, str]) -> list[Any]:
    """Send the secrets where they do not belong, so that every kind of error could echo one."""
    api, value = world.prod.api(), canaries["key"]
    profile_id = api.get("/profiles?profile=canary-llm:api_key").json()["results"][0]["id"]
    return [
        api.post("/profiles", {"provider": "anthropic", "kind": "token", "value": value}),
        api.post("/profiles", {"provider": "canary-llm", "name": "api_key", "kind": "api_key", "value": value}),
        api.post("/profiles", {"provider": "canary-llm", "kind": value, "value": value}),
        api.post("/profiles", {"provider": "x", "kind": "api_key", "value": value, value: 1}),
        api.post("/profiles", {"provider": "x", "kind": "api_key", "value": [value], "expires_at": value}),
        api.post("/profiles/import", {"format": "openclaw", "content": f'{{"profiles": {value}'}),
        api.post("/profiles/import", {"format": "openclaw", "content": {"profiles": {value[:9]: {"key": value}}}}),
        api.post("/profiles/import", {"format": "openclaw", "content": {"profiles": [value]}}),
        api.send("PATCH", f"/profiles/{profile_id}", {"value": value}),
        api.post(f"/profiles/{profile_id}/credentials", {"kind": "oauth", "value": value, "refresh": 7}),
        api.post("/credentials/report", {"outcome": "failure", "profile_id": profile_id, "message": value}),
        api.post("/credentials/resolve", {"provider": "canary-llm", "require": [value]}),
        api.client.generic("POST", "/api/v1/profiles", value.encode(), content_type="text/plain"),
        api.client.generic("POST", "/api/v1/profiles", value.encode(), content_type="application/json",
                           headers=api.headers),
        Api(value).get("/me"),
        Client().post("/admin/login/", {"username": "acme", "password": value}),
    ]  # fmt: skip


def _text(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return f"{dict(answer.headers)}\n{content.decode()}"


def test_planted_secrets_are_in_no_answer_page_error_log_audit_or_export(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="django.db.backends")
    connection.force_debug_cursor = True
    try:
        canaries = _planted(world)
        released = world.prod.api().post("/credentials/resolve", {"provider": "canary-llm", "view": "full"})
        assert found_in(_text(released), canaries)  # the one place where a secret may be
        shown = {f"refusal {number}": answer for number, answer in enumerate(_refused(world, canaries))}
        shown |= _every_get(world) | _every_page(world) | _every_export(world)
    finally:
        connection.force_debug_cursor = False
    assert len(shown) > 80
    hits = {name: found for name, answer in shown.items() if (found := _unexpected(name, answer, canaries))}
    assert hits == {}
    assert {name: answer.status_code for name, answer in shown.items() if answer.status_code >= 500} == {}
    logged = "\n".join(f"{line.getMessage()} {line.__dict__}" for line in caplog.records)
    assert "INSERT INTO" in logged
    assert found_in(logged, canaries) == []


def _unexpected(name: str, answer: Any, canaries: dict[str, str]) -> list[str]:
    """A field name of the sender's own is named back to the sender; nothing else is."""
    text = _text(answer)
    return found_in(text.replace(canaries["key"], "", 1) if name == "refusal 3" else text, canaries)


def _every_get(world: World) -> dict[str, Any]:
    """GET every address of the API, with the ids of rows that are there."""
    api = world.prod.api()
    rows = api.get("/profiles?provider=canary-llm").json()["results"]
    versions = api.get(f"/profiles/{rows[0]['id']}/credentials").json()["results"]
    ids = {**world.prod.ids, "profile": rows[0]["id"], "credential": versions[0]["id"]}
    shown = {}
    for route in walk():
        if route.is_api and "GET" in route.methods:
            path = route.path
            for name, each in ids.items():
                path = path.replace(f"<id:{name}_id>", each)
            path = path.replace("<name:provider>", "canary-llm").replace("<name:agent>", "main")
            shown[path] = api.get(f"/{path}")
    return shown


def _every_page(world: World) -> dict[str, Any]:
    """GET every page of the admin as the tenant's owner."""
    owner = Client()
    owner.force_login(Operator.objects.get(username="acme"))
    urls = [each.url for each in site_addresses()]
    for model, row_id in example_ids(world.prod.environment().tenant).items():
        urls += [each.url for each in addresses(model, row_id)]
    urls += ["/admin/profiles/profile/?q=canary-llm", "/admin/authsvc/auditevent/?q=canary"]
    return {url: owner.get(url) for url in urls}


def _every_export(world: World) -> dict[str, Any]:
    """Export without secrets in every format, for every agent."""
    agents = ("main", "agent-openclaw", "agent-claude_code", "agent-dotenv")
    queries = [f"format={name}&secrets={mode}&agent={agent}" for name in FORMATS for mode in ("none", "refs")
               for agent in agents]  # fmt: skip
    return {query: world.prod.api().get(f"/profiles/export?{query}") for query in queries}


def test_scan_of_an_export_with_secrets_finds_them(world: World) -> None:
    canaries = _planted(world)
    full = world.prod.api().get("/profiles/export?secrets=full&refresh_tokens=include").json()
    assert {hit.partition(":")[0] for hit in found_in(json.dumps(full), canaries)} >= {
        "key",
        "token",
        "access",
        "refresh",
    }
