"""CORS: a listed origin is echoed, nobody else hears anything, and never with credentials."""

from __future__ import annotations

import json
import os
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client

from authsvc.ops.checks import check_settings
from authsvc.tenants.models import Tenant
from tests import warm
from tests.world import Api, World

ALLOWED = "http://localhost:5173"


def read(origin: str, **headers: str) -> Any:
    return Client().get("/api/v1/me", headers={"Origin": origin, **headers})


def test_listed_origin_is_echoed_with_vary_and_without_credentials(world: World) -> None:
    answer = read(ALLOWED)
    assert answer["Access-Control-Allow-Origin"] == ALLOWED
    assert "Access-Control-Allow-Credentials" not in answer
    assert "origin" in answer["Vary"].lower()
    assert "X-RateLimit-Remaining" in answer["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://localhost:5173.evil.example",
        "http://localhost:51733",
        "https://localhost:5173",
        "http://evil.example#http://localhost:5173",
        "http://localhost:5173@evil.example",
        "http://user@localhost:5173",
        "http://localhost",
        "tauri://localhost",
        "",
    ],
)
def test_other_origin_hears_nothing(world: World, origin: str) -> None:
    answer = read(origin)
    assert "Access-Control-Allow-Origin" not in answer
    assert "origin" in answer["Vary"].lower()


def test_preflight_of_a_listed_origin_is_answered(world: World) -> None:
    fields = {"Origin": ALLOWED, "Access-Control-Request-Method": "POST"}
    answer = Client().options("/api/v1/channels", headers=fields)
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == ALLOWED
    assert "POST" in answer["Access-Control-Allow-Methods"]


def test_admin_and_forward_auth_have_no_cors(world: World) -> None:
    for path in ("/admin/login/", world.prod.path(f"/gateways/{world.prod.gateway['id']}/forward-auth")):
        assert "Access-Control-Allow-Origin" not in Client().get(path, headers={"Origin": ALLOWED})


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AUTHSVC_CORS_ORIGINS": "*"}, "[] True False"),
        ({"AUTHSVC_CORS_ORIGINS": "https://a.test,https://b.test"}, "['https://a.test', 'https://b.test'] None False"),
        ({"CORS_ORIGIN": "https://old.test"}, "['https://old.test'] None False"),
        ({}, "['http://localhost:5173'] None False"),
        (
            {"AUTHSVC_CORS_TAURI": "on"},
            "['http://localhost:5173', 'tauri://localhost', 'https://tauri.localhost'] None False",
        ),
    ],
)
def test_origins_come_from_the_environment(variables: dict[str, str], expected: str) -> None:
    code = (
        "from authsvc import settings as s;"
        "print(s.CORS_ALLOWED_ORIGINS, getattr(s, 'CORS_ALLOW_ALL_ORIGINS', None), s.CORS_ALLOW_CREDENTIALS)"
    )
    known = {name: value for name, value in os.environ.items() if "CORS" not in name}
    assert warm.run(["-c", code], {**known, **variables}).stdout.strip() == expected


def test_star_stops_a_production_start(settings: Any) -> None:
    settings.PRODUCTION, settings.AUTHSVC_ENV, settings.CORS_ALLOW_ALL_ORIGINS = True, "production", True
    assert "authsvc.E005" in {message.id for message in check_settings()}


OWN = "https://console.acme.test"


def list_origin(world: World, origin: str = OWN) -> Any:
    return world.prod.api().send("PUT", "/origins", {"origins": [origin]})


def allowed(answer: Any) -> str:
    return str(answer.headers.get("Access-Control-Allow-Origin", ""))


def test_tenants_origin_counts_for_its_own_answers_alone(world: World) -> None:
    assert list_origin(world).json() == {"origins": [OWN], "of_the_service": [ALLOWED]}
    for place, expected in ((world.prod, OWN), (world.dev, OWN), (world.foreign, "")):
        assert allowed(place.api().get("/me", Origin=OWN)) == expected
        assert allowed(place.form("/oauth/token", {}, Origin=OWN)) == expected
    assert list_origin(world, "https://other.acme.test").status_code == 200
    assert allowed(world.prod.api().get("/me", Origin=OWN)) == ""
    assert allowed(world.prod.api().get("/me", Origin=ALLOWED)) == ALLOWED


def test_tenants_origin_passes_a_preflight_and_reads_its_401(world: World) -> None:
    fields = {"Origin": OWN, "Access-Control-Request-Method": "POST"}
    assert allowed(Client().options("/api/v1/channels", headers=fields)) == ""
    list_origin(world)
    preflight = Client().options("/api/v1/channels", headers=fields)
    assert (preflight.status_code, allowed(preflight)) == (200, OWN)
    assert "Access-Control-Allow-Credentials" not in preflight
    refused = Api("made-up").get("/me", Origin=OWN)
    assert (refused.status_code, allowed(refused)) == (401, OWN)
    assert "origin" in refused["Vary"].lower()
    for path in ("/admin/login/", world.prod.path(f"/gateways/{world.prod.gateway['id']}/forward-auth")):
        assert allowed(Client().get(path, headers={"Origin": OWN})) == ""


def test_origin_of_a_suspended_tenant_hears_nothing(world: World) -> None:
    list_origin(world)
    Tenant.objects.filter(slug="acme").update(state="suspended")
    assert allowed(world.prod.form("/oauth/token", {}, Origin=OWN)) == ""


def test_origin_hears_nothing_while_the_database_is_away(world: World) -> None:
    def fail(*_arguments: object) -> None:
        raise OperationalError

    list_origin(world)
    with connection.execute_wrapper(fail):
        answer = Api("made-up").get("/me", Origin=OWN)
    assert (answer.status_code, allowed(answer)) == (401, "")


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "https://", "https://a.test/", "https://a.test/x", "https://u@a.test", "ftp://a.test",
     "https://*.a.test", "https://a.test:0", "a.test", "https://a..test", "https://a.test#x"],
)  # fmt: skip
def test_what_no_browser_sends_cannot_be_listed(world: World, origin: str) -> None:
    answer = list_origin(world, origin)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["origins"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [("HTTPS://Console.Acme.Test:443", OWN), ("http://a.test:80", "http://a.test"), ("http://[::1]:8080",) * 2,
     ("tauri://localhost",) * 2],
)  # fmt: skip
def test_origin_is_kept_as_browsers_write_it(world: World, given: str, kept: str) -> None:
    assert list_origin(world, given).json()["origins"] == [kept]
    assert allowed(world.prod.api().get("/me", Origin=kept)) == kept


def test_command_sets_and_shows_origins(world: World) -> None:
    call_command("origins", "set", "--tenant", "acme", OWN, stdout=StringIO())
    output = StringIO()
    call_command("origins", "show", "--json", stdout=output)
    assert json.loads(output.getvalue()) == [
        {"tenant": "acme", "origins": [OWN]},
        {"tenant": "globex", "origins": []},
    ]
    with pytest.raises(CommandError, match="is no origin"):
        call_command("origins", "set", "--tenant", "acme", "*")
