"""Invitations: a link that works once, makes a new account or joins a signed-in one, and takes over nobody's."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.operators.invitations import LIFE, accept_as_new, find_open
from authsvc.operators.mail import THREAD_NAME
from authsvc.operators.models import Invitation, OperatorSession
from authsvc.tenants.models import Membership, Operator
from authsvc.web.problems import Problem
from tests.admin.conftest import SignedIn, prove
from tests.world import World

ADD, JOIN = "/admin/authsvc/invitation/add/", "/admin/join/"
LINK = re.compile(r"/admin/join/([A-Za-z0-9_-]{43})/")
PASSWORD = "correct horse battery"


def invite(client: Client, world: World, invited: str = "new@acme.example", role: str = "auditor") -> str:
    """Invite somebody into acme; returns the link's path."""
    tenant = world.prod.environment().tenant_id
    page = client.post(ADD, {"tenant": tenant, "invited": invited, "role": role})
    found = LINK.search(page.content.decode())
    assert found, page.content.decode()[:2000]
    return found[0]


def accept(path: str, client: Client | None = None, **fields: str) -> tuple[Client, Any]:
    """Open a link and send the form behind it."""
    client = client or Client()
    assert client.get(path).headers["Location"] == JOIN
    return client, client.post(JOIN, {"username": "newcomer", "password": PASSWORD, **fields})


def test_link_makes_an_account_with_its_role_and_works_once(world: World, acme: Client) -> None:
    path = invite(acme, world)
    client, answer = accept(path)
    assert answer.headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    made = Operator.objects.get(username="newcomer")
    assert [(row.tenant.slug, row.role) for row in made.memberships.select_related("tenant")] == [("acme", "auditor")]
    assert (made.email, made.is_superuser) == ("new@acme.example", False)
    events = set(AuditEvent.objects.values_list("event_type", flat=True))
    assert {"invitation.created", "invitation.accepted", "operator.created", "membership.created"} <= events
    again = Client()
    again.get(path)
    assert again.get(JOIN).status_code == 410
    assert again.post(JOIN, {"username": "second", "password": PASSWORD}).status_code == 410
    assert not Operator.objects.filter(username="second").exists()


def test_two_who_opened_the_link_make_one_account(world: World, acme: Client, now: datetime) -> None:
    path = invite(acme, world)
    secret = path.split("/")[-2]
    first, second = find_open(secret, now=now), find_open(secret, now=now)
    assert first is not None
    assert second is not None
    accept_as_new(invitation=first, username="one", password=PASSWORD, now=now)
    with pytest.raises(Problem):
        accept_as_new(invitation=second, username="two", password=PASSWORD, now=now)
    assert not Operator.objects.filter(username="two").exists()


def test_secret_is_stored_nowhere_and_leaves_the_address(world: World, acme: Client) -> None:
    path = invite(acme, world)
    secret = path.split("/")[-2]
    client = Client()
    client.get(path)
    page = client.get(JOIN).content.decode()
    kept = [str(list(Invitation.unscoped.values())), str(list(AuditEvent.objects.values_list("detail"))), page]
    kept += [str(row.get_decoded()) for row in OperatorSession.objects.all()]
    assert [text for text in kept if secret in text] == []


def test_over_unknown_and_withdrawn_links_answer_alike(world: World, acme: Client) -> None:
    paths = [invite(acme, world, f"{name}@x.example") for name in "ab"]
    Invitation.unscoped.filter(invited="a@x.example").update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    row = Invitation.unscoped.get(invited="b@x.example")
    assert acme.post(f"/admin/authsvc/invitation/{row.pk}/do/withdraw/").status_code == 302
    listed = acme.get("/admin/authsvc/invitation/").content.decode()
    assert "ended " in listed
    assert "withdrawn " in listed
    bodies = set()
    for path in (*paths, f"{JOIN}{'x' * 43}/"):
        client = Client()
        client.get(path)
        answer = client.get(JOIN)
        assert answer.status_code == 410
        bodies.add(answer.content)
    assert len(bodies) == 1
    assert timedelta(days=1) <= LIFE <= timedelta(days=7)


def test_existing_operator_is_not_taken_over(world: World, acme: Client, signed_in: SignedIn) -> None:
    Operator.objects.filter(username="globex").update(email="boss@globex.example")
    before = Operator.objects.get(username="globex").password
    for invited in ("boss@globex.example", "GLOBEX"):
        path = invite(acme, world, invited)
        client, answer = accept(path, username="globex")
        assert "Sign in with it" in answer.content.decode()
        assert client.get("/admin/").status_code == 302
        _, answer = accept(path, signed_in("acme-auditor"))
        assert "Sign in with it" in answer.content.decode()
    assert Operator.objects.get(username="globex").password == before
    client, _ = accept(path, signed_in("globex"))
    roles = Membership.unscoped.filter(operator__username="globex").values_list("tenant__slug", "role")
    assert set(roles) == {("globex", "owner"), ("acme", "auditor")}


def test_taken_name_and_weak_password_are_refused_and_the_link_stays(world: World, acme: Client) -> None:
    path = invite(acme, world)
    for fields in (
        {"username": "Globex"},
        {"password": "short"},
        {"password": "newcomer1234"},
        {"password": "password1234"},
    ):
        _, answer = accept(path, None, **fields)
        assert answer.status_code == 200, fields
        assert "errorlist" in answer.content.decode(), fields
    assert accept(path)[1].status_code == 302


def test_operator_with_a_factor_shows_it_before_joining(world: World, acme: Client, signed_in: SignedIn) -> None:
    prove(signed_in("globex"))
    path = invite(acme, world, "globex")
    client, answer = accept(path, signed_in("globex"))
    assert "Sign in with it" in answer.content.decode()
    assert not Membership.unscoped.filter(operator__username="globex", tenant__slug="acme").exists()
    accept(path, prove(client))
    assert Membership.unscoped.filter(operator__username="globex", tenant__slug="acme").exists()


def test_member_is_not_invited_again_and_no_role_changes_by_link(world: World, acme: Client, auditor: Client) -> None:
    tenant = world.prod.environment().tenant_id
    page = acme.post(ADD, {"tenant": tenant, "invited": "acme-auditor", "role": "approver"})
    assert "member of the tenant already" in page.content.decode()
    _, answer = accept(invite(acme, world, role="approver"), auditor)
    assert "member of the tenant already" in answer.content.decode()
    assert Membership.unscoped.get(operator__username="acme-auditor").role == "auditor"


def test_who_may_invite_and_as_what(world: World, acme: Client, auditor: Client, globex: Client) -> None:
    tenant = world.prod.environment().tenant_id
    body = {"tenant": tenant, "invited": "x@x.example", "role": "auditor"}
    assert auditor.post(ADD, body).status_code == 404
    assert "shown-secret" not in globex.post(ADD, body).content.decode()
    Membership.unscoped.filter(operator__username="acme-auditor").update(role="admin")
    page = prove(auditor).post(ADD, {**body, "role": "owner"}).content.decode()
    assert "Only an owner" in page
    assert "shown-secret" in auditor.post(ADD, {**body, "role": "admin"}).content.decode()
    assert "shown-secret" in prove(acme).post(ADD, {**body, "role": "owner"}).content.decode()


def test_invitation_is_mailed_where_mail_is_configured(world: World, acme: Client, settings: Any) -> None:
    settings.AUTHSVC_EMAIL_URL = "smtp://mail.example"
    path = invite(acme, world)
    for thread in [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]:
        thread.join(5)
    assert path in mail.outbox[0].body
    assert mail.outbox[0].to == ["new@acme.example"]
