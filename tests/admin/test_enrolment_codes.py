"""Enrolment codes in the admin: shown once as text and picture, listed without the text, revoked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from devices.models import EnrolmentCode
from tests.qr_reader import read_page
from tests.world import World

PAGES = "/admin/devices/enrolmentcode/"


def make(world: World, client: Client, **fields: Any) -> str:
    """Submit the form; returns the page that answers."""
    body = {"name": "Shop floor", "maximum_uses": 2, "expires_in": 600, "trust_level": 1, "scopes": "status:read"}
    answer = client.post(f"{PAGES}add/", {"environment": world.prod.environment().id, **body, **fields})
    assert "no-store" in answer.headers["Cache-Control"]
    return answer.content.decode()


def test_code_is_shown_once_as_text_and_as_picture(world: World, acme: Client) -> None:
    page = make(world, acme, address_ranges="192.0.2.0/24")
    code = re.search(r"aec_\w+", page)
    assert code is not None
    assert read_page(page) == (code[0], "The code for a scanner")
    row = EnrolmentCode.unscoped.get(name="Shop floor")
    assert (row.maximum_uses, row.scopes, row.address_ranges) == (2, ["status:read"], ["192.0.2.0/24"])
    assert code[0] not in acme.get(PAGES).content.decode() + acme.get(f"{PAGES}{row.id}/change/").content.decode()
    body = {"name": "lamp", "device_type": "custom", "enrolment_code": code[0]}
    assert Client().post("/api/v1/devices/enrol", body, "application/json", REMOTE_ADDR="192.0.2.7").status_code == 201


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"scopes": "no such scope"}, "scopes"),
        ({"address_ranges": "everywhere"}, "address"),
        ({"trust_level": 3}, "Select a valid choice"),
        ({"expires_in": 8 * 86_400}, "less than or equal to 604800"),
    ],
)
def test_bad_code_is_an_error_of_the_form(world: World, acme: Client, fields: Any, complaint: str) -> None:
    page = make(world, acme, **fields)
    assert complaint in page
    assert "aec_" not in page
    assert not EnrolmentCode.unscoped.exists()


def test_code_is_revoked_by_those_who_may_make_one(world: World, acme: Client, auditor: Client) -> None:
    make(world, acme)
    row = EnrolmentCode.unscoped.get(name="Shop floor")
    assert auditor.post(f"{PAGES}{row.id}/do/revoke/").status_code == 404
    assert acme.post(f"{PAGES}{row.id}/do/revoke/").status_code == 302
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert acme.get(f"{PAGES}{row.id}/do/revoke/").status_code == 404


def test_code_for_a_gateway_of_another_environment_is_refused(world: World, acme: Client) -> None:
    page = make(world, acme, gateway=world.foreign.gateway["id"])
    assert "Select a valid choice" in page
