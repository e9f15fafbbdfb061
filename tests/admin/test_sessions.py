"""Sessions: listed with where they are, ended one by one, by oneself or who administrates the tenant; passwords."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.operators.mail import THREAD_NAME
from authsvc.operators.models import OperatorSession
from authsvc.operators.sessions import browser_of
from authsvc.tenants.models import Membership, Operator, Tenant
from tests.admin.conftest import SignedIn, prove
from tests.world import World

PAGE = "/admin/sessions/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1"


def sign_in(world: World, name: str, browser: str) -> Client:
    """Sign in through the login page with a browser of this kind."""
    client = Client(headers={"user-agent": browser})
    assert client.post("/admin/login/", world.document["operators"][name]).status_code == 302
    return client


def test_own_sessions_are_listed_and_ended_one_by_one(world: World) -> None:
    here, there = sign_in(world, "acme", FIREFOX), sign_in(world, "acme", PHONE)
    text = here.get(PAGE).content.decode()
    assert "Firefox on Windows" in text
    assert "Safari on iPhone" in text
    assert "this browser" in text
    assert "127.0.0.1" in text
    row = OperatorSession.objects.get(browser="Safari on iPhone")
    assert here.post(PAGE, {"end": row.public_id}).status_code == 302
    assert there.get("/admin/").status_code == 302
    assert here.get("/admin/").status_code == 200
    assert AuditEvent.objects.filter(event_type="operator.sessions_ended").exists()


def test_everywhere_else_leaves_this_browser(world: World) -> None:
    here, *others = [sign_in(world, "acme", FIREFOX) for _ in range(3)]
    here.post(PAGE, {"everywhere": "1"})
    assert [client.get("/admin/").status_code for client in (here, *others)] == [200, 302, 302]


def test_session_of_somebody_else_is_not_there(world: World) -> None:
    mine, theirs = sign_in(world, "acme", FIREFOX), sign_in(world, "globex", PHONE)
    row = OperatorSession.objects.get(browser="Safari on iPhone")
    foreign, missing = mine.post(PAGE, {"end": row.public_id}), mine.post(PAGE, {"end": "ses_nobody"})
    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content
    assert theirs.get("/admin/").status_code == 200
    assert mine.post(PAGE, {"end": ""}).status_code == 404


def test_table_of_sessions_opens_none(world: World) -> None:
    client = sign_in(world, "acme", FIREFOX)
    key = client.cookies["sessionid"].value
    row = OperatorSession.objects.get(browser="Firefox on Windows")
    assert key not in str(list(OperatorSession.objects.values()))
    forged = Client()
    forged.cookies["sessionid"] = row.session_key
    assert forged.get("/admin/").status_code == 302


def test_owner_signs_out_who_works_in_its_tenant_and_nobody_else(
    world: World, acme: Client, auditor: Client, globex: Client, platform: Client
) -> None:
    ids = dict(Operator.objects.values_list("username", "id"))

    def sign_out(name: str) -> int:
        return acme.post(f"/admin/authsvc/operator/{ids[name]}/do/sign-out/").status_code

    page = acme.get(f"/admin/authsvc/operator/{ids['acme-auditor']}/change/").content.decode()
    assert "do/sign-out/" in page
    assert "do/password/" not in page
    assert (sign_out("acme-auditor"), sign_out("globex"), sign_out("platform")) == (302, 404, 404)
    assert auditor.get("/admin/").status_code == 302
    assert globex.get("/admin/").status_code == platform.get("/admin/").status_code == 200
    platform_row = Operator.objects.get(username="platform")
    Membership(operator=platform_row, tenant=Tenant.objects.get(slug="acme"), role="auditor").save()
    assert sign_out("platform") == 404


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Linux"),
        ("<script>alert(1)</script>", "unknown browser"),
        ("", "unknown browser"),
    ],
)
def test_browser_is_named_and_never_quoted(text: str, name: str) -> None:
    assert browser_of(text) == name


def test_platform_that_requires_a_factor_lets_nobody_in_without(
    world: World, platform: Client, globex: Client, settings: Any
) -> None:
    settings.AUTHSVC_REQUIRE_MFA = True
    for client in (platform, globex):
        assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/admin/second-factor/"
    assert prove(globex).get("/admin/").status_code == 200


def test_after_the_factor_one_lands_where_one_wanted_and_never_elsewhere(
    world: World, acme: Client, signed_in: SignedIn
) -> None:
    prove(acme)
    wanted = "/admin/devices/device/"
    seen = signed_in("acme").get(wanted, follow=True)
    assert seen.redirect_chain[-1][0] == f"/admin/verify/?next={wanted.replace('/', '%2F')}"
    assert f'name="next" value="{wanted}"' in seen.content.decode()
    for target in ("//evil.example/admin/", "https://evil.example/admin/", "/\\evil.example", "/elsewhere"):
        page = signed_in("acme").get("/admin/verify/", {"next": target})
        assert 'name="next" value="/admin/"' in page.content.decode()


def test_own_password_change_is_audited_and_ends_other_sessions(world: World) -> None:
    here, there = sign_in(world, "acme", FIREFOX), sign_in(world, "acme", PHONE)
    old = world.document["operators"]["acme"]["password"]
    body = {"old_password": old, "new_password1": "correct horse battery", "new_password2": "correct horse battery"}
    assert here.post("/admin/password_change/", body).status_code == 302
    assert (here.get("/admin/").status_code, there.get("/admin/").status_code) == (200, 302)
    assert AuditEvent.objects.filter(event_type="operator.password_changed").count() == 1


def ask_for_password(address: str) -> Any:
    """Ask for a new password, and wait for the mail if one is sent."""
    answer = Client().post("/admin/password/forgotten/", {"email": address})
    for thread in [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]:
        thread.join(5)
    return answer


def test_forgotten_password_is_reset_by_mail_once_and_tells_nobody_who_exists(world: World, settings: Any) -> None:
    assert Client().get("/admin/password/forgotten/").status_code == 404
    settings.AUTHSVC_EMAIL_URL = "smtp://mail.example"
    Operator.objects.filter(username="acme").update(email="acme@acme.example")
    known, unknown = ask_for_password("acme@acme.example"), ask_for_password("nobody@acme.example")
    assert (known.status_code, known.headers["Location"]) == (unknown.status_code, unknown.headers["Location"])
    assert len(mail.outbox) == 1
    link = next(line for line in mail.outbox[0].body.splitlines() if line.startswith("http"))
    assert link.startswith("http://testserver/admin/password/new/")
    path = link.removeprefix("http://testserver")
    client = Client()
    form = client.get(path, follow=True).redirect_chain[-1][0]
    body = {"new_password1": "correct horse battery", "new_password2": "correct horse battery"}
    assert client.post(form, dict.fromkeys(body, "short")).status_code == 200
    assert client.post(form, body).headers["Location"] == "/admin/login/"
    assert client.get("/admin/").status_code == 302
    assert Operator.objects.get(username="acme").check_password("correct horse battery")
    assert AuditEvent.objects.filter(event_type="operator.password_changed").exists()
    assert "was used" in Client().get(path, follow=True).content.decode()


def test_mail_names_our_address_whatever_host_was_asked(world: World, settings: Any) -> None:
    settings.AUTHSVC_EMAIL_URL = "smtp://mail.example"
    settings.ALLOWED_HOSTS = ["*"]
    Operator.objects.filter(username="acme").update(email="acme@acme.example")
    Client(headers={"host": "evil.example"}).post("/admin/password/forgotten/", {"email": "acme@acme.example"})
    for thread in [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]:
        thread.join(5)
    assert "evil" not in mail.outbox[0].body


def test_session_that_is_over_is_not_listed(world: World) -> None:
    here = sign_in(world, "acme", FIREFOX)
    sign_in(world, "acme", PHONE)
    OperatorSession.objects.filter(browser="Safari on iPhone").update(expire_date=datetime(2020, 1, 1, tzinfo=UTC))
    assert "iPhone" not in here.get(PAGE).content.decode()
