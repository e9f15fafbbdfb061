"""CORS: a listed origin is echoed, nobody else hears anything, and never with credentials."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client

from authsvc.ops.checks import check_settings
from tests.live import ROOT
from tests.world import World

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
    command = [sys.executable, "-c", code]
    printed = subprocess.check_output(command, env={**known, **variables}, cwd=ROOT, text=True)
    assert printed.strip() == expected


def test_star_stops_a_production_start(settings: Any) -> None:
    settings.PRODUCTION, settings.AUTHSVC_ENV, settings.CORS_ALLOW_ALL_ORIGINS = True, "production", True
    assert "authsvc.E005" in {message.id for message in check_settings()}
