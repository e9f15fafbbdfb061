"""The door of the admin: one answer for every wrong password, no redirect to elsewhere, strict cookies and headers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from tests.admin.crawl import TOKEN
from tests.live import ROOT
from tests.world import World

LOGIN = "/admin/login/"


def sign_in(client: Client, world: World, name: str = "acme", **fields: str) -> object:
    """Send the login form of a demo operator."""
    operator = world.document["operators"][name]
    return client.post(LOGIN, {**operator, **fields})


def test_login_with_the_right_password_enters(world: World) -> None:
    client = Client()
    assert sign_in(client, world).headers["Location"] == "/admin/"  # type: ignore[attr-defined]
    assert client.get("/admin/").status_code == 200


def test_login_refused_is_the_same_for_known_and_unknown_operators(world: World) -> None:
    bodies = []
    for name in ("acme", "acne"):
        response = Client().post(LOGIN, {"username": name, "password": "wrong password 1"})
        assert response.status_code == 200
        bodies.append(TOKEN.sub(b"", response.content).replace(name.encode(), b""))
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    "target",
    ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "http:evil.example"],
)
def test_login_never_redirects_elsewhere(world: World, target: str) -> None:
    response = Client().post(f"{LOGIN}?next={target}", {**world.document["operators"]["acme"], "next": target})
    assert response.status_code == 302
    assert response.headers["Location"] == "/admin/"


def test_session_cookie_is_hidden_from_scripts_and_other_sites(world: World) -> None:
    client = Client()
    sign_in(client, world)
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_pages_keep_nothing_in_the_browser_and_read_no_cookie() -> None:
    ours = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "authsvc" / "static").rglob("*.js")]
    assert len(ours) >= 30
    storage = re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\.open", re.IGNORECASE)
    assert [file.name for file in ours if storage.search(file.read_text())] == []


def test_every_cookie_is_hidden_from_scripts_and_over_https_sent_there_alone(world: World, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    client = Client()
    client.get(LOGIN)
    sign_in(client, world)
    flags = {name: (bool(c["httponly"]), bool(c["secure"]), c["samesite"]) for name, c in client.cookies.items()}
    assert flags == dict.fromkeys(("csrftoken", "sessionid"), (True, True, "Lax"))


def test_session_id_changes_at_login(world: World) -> None:
    client = Client()
    session = client.session
    session["planted"] = "1"
    session.save()
    client.cookies["sessionid"] = str(session.session_key)
    sign_in(client, world)
    assert client.cookies["sessionid"].value != session.session_key


def test_every_admin_page_has_the_strict_headers(world: World, acme: Client) -> None:
    place = world.prod
    for url in (
        LOGIN,
        "/admin/",
        "/admin/devices/device/",
        f"/admin/devices/device/{place.pending_device['id']}/do/approve/",
        "/admin/authsvc/issuedtoken/add/",
        "/admin/no-such-page/",
        "/admin/authsvc/tenant/add/",
    ):
        response = acme.get(url)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert "no-store" in response.headers["Cache-Control"] or "no-cache" in response.headers["Cache-Control"]


def test_no_admin_page_carries_an_inline_script_or_style(world: World, acme: Client) -> None:
    place = world.prod
    for url in (
        "/admin/",
        "/admin/devices/device/",
        f"/admin/devices/device/{place.device['id']}/change/",
        f"/admin/devices/device/{place.pending_device['id']}/do/approve/",
        "/admin/authsvc/issuedtoken/add/",
        f"/admin/profiles/profile/{place.ids['profile']}/change/",
    ):
        text = acme.get(url).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", text), url
        assert not re.search(r"\son\w+=|\sstyle=\"", text), url


def test_form_without_its_token_is_refused(world: World) -> None:
    from authsvc.tenants.models import Operator

    client = Client(enforce_csrf_checks=True)
    client.force_login(Operator.objects.get(username="acme"))
    url = f"/admin/devices/device/{world.prod.pending_device['id']}/do/reject/"
    assert client.post(url, {"reason": "x"}).status_code == 403


def test_signing_out_ends_the_session(world: World, acme: Client) -> None:
    acme.post("/admin/logout/")
    assert acme.get("/admin/").status_code == 302
