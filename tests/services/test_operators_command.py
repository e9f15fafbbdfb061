"""``operators``: who works where, invitations, roles, passwords, sessions and lost factors, from the machine."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authsvc.audit.models import AuditEvent
from authsvc.operators.factors import start_authenticator
from authsvc.operators.models import Authenticator
from authsvc.tenants.models import Membership, MembershipRole, Operator
from authsvc.tenants.operators import LastOwner, change_membership, remove_membership
from authsvc.tenants.services import add_membership, operator_caller
from authsvc.web.caller import Caller
from authsvc.web.problems import Forbidden
from tests.world import World


def run(*words: str) -> Any:
    """Run the command; returns its document."""
    printed = io.StringIO()
    call_command("operators", *words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def test_members_are_listed_by_tenant(world: World) -> None:
    everybody = run("list")
    assert "platform" in everybody["platform"]
    assert {row["tenant"] for row in everybody["members"]} == {"acme", "globex"}
    acme = run("list", "--tenant", "acme")
    assert {row["operator"]: row["role"] for row in acme["members"]}["acme-auditor"] == "auditor"
    assert acme["platform"] == []


def test_invitation_prints_its_link_once(world: World) -> None:
    made = run("invite", "--tenant", "acme", "--invited", "kim", "--role", "owner")
    assert "/admin/join/" in made["link"]
    assert made["link"].split("/")[-2] not in str(list(AuditEvent.objects.values_list("detail")))


def test_role_is_changed_and_member_removed(world: World) -> None:
    changed = run("role", "--tenant", "acme", "--operator", "acme-auditor", "--role", "approver")
    assert changed["role"] == "approver"
    assert run("remove", "--tenant", "acme", "--operator", "acme-auditor")["removed"]
    with pytest.raises(CommandError, match="no member"):
        run("remove", "--tenant", "acme", "--operator", "acme-auditor")
    with pytest.raises(CommandError, match="last owner"):
        run("remove", "--tenant", "acme", "--operator", "acme")


def test_password_comes_from_standard_input(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))
    run("password", "--operator", "acme")
    assert Operator.objects.get(username="acme").check_password("correct horse battery")
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="password"):
        run("password", "--operator", "acme")


def test_lost_factor_is_removed_and_sessions_end(world: World) -> None:
    operator = Operator.objects.get(username="acme")
    start_authenticator(operator)
    run("remove-factor", "--operator", "acme")
    assert not Authenticator.objects.exists()
    assert run("sign-out", "--operator", "acme") == {"operator": "acme", "ended": 0}
    with pytest.raises(CommandError, match="no operator nobody"):
        run("sign-out", "--operator", "nobody")


def caller_of(world: World, role: str) -> Caller:
    """Return a person of acme with this role."""
    operator = Operator.objects.create_user(f"a {role}")
    place = world.prod.environment()
    add_membership(
        world.prod.caller(), operator=operator, tenant=place.tenant, role=MembershipRole(role), now=world.made_at
    )
    return operator_caller(operator, place)


@pytest.mark.parametrize(
    ("who", "was", "role", "is_allowed"),
    [
        ("owner", "auditor", "owner", True),
        ("owner", "owner", "admin", True),
        ("admin", "auditor", "admin", True),
        ("admin", "approver", "auditor", True),
        ("admin", "auditor", "owner", False),
        ("admin", "owner", "auditor", False),
    ],
)
def test_owners_are_named_by_owners_alone(world: World, who: str, was: str, role: str, is_allowed: bool) -> None:
    caller, other = caller_of(world, who), Operator.objects.create_user("other")
    tenant = world.prod.environment().tenant
    row = add_membership(
        world.prod.caller(), operator=other, tenant=tenant, role=MembershipRole(was), now=world.made_at
    )
    if is_allowed:
        change_membership(caller, membership=row, role=MembershipRole(role), now=world.made_at)
    else:
        with pytest.raises(Forbidden):
            change_membership(caller, membership=row, role=MembershipRole(role), now=world.made_at)
    assert Membership.unscoped.get(pk=row.pk).role == (role if is_allowed else was)


@pytest.mark.parametrize("who", ["owner", "admin", "approver", "auditor"])
def test_nobody_changes_their_own_role_but_everybody_may_leave(world: World, who: str) -> None:
    caller = caller_of(world, who)
    row = Membership.unscoped.select_related("tenant").get(operator_id=caller.principal_id)
    for role in MembershipRole:
        with pytest.raises(Forbidden):
            change_membership(caller, membership=row, role=role, now=world.made_at)
    remove_membership(caller, membership=row, now=world.made_at)
    assert not Membership.unscoped.filter(operator_id=caller.principal_id).exists()


def test_last_owner_stays_whoever_asks(world: World) -> None:
    row = Membership.unscoped.select_related("tenant").get(operator__username="acme", tenant__slug="acme")
    caller_of(world, "admin")  # an admin does not stand in for an owner
    for act in (
        lambda: remove_membership(world.prod.caller(), membership=row, now=world.made_at),
        lambda: change_membership(world.prod.caller(), membership=row, role=MembershipRole.ADMIN, now=world.made_at),
    ):
        with pytest.raises(LastOwner):
            act()
