"""The ``reviews`` command decides about the same reviews, compares the same environments, and takes the same over."""

from __future__ import annotations

import json
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authsvc.gate import review_acts  # noqa: F401 - makes the acts known
from authsvc.tenants.models import Operator, Tenant
from authsvc.tenants.reviews import request_review
from authsvc.tenants.services import operator_caller
from rbac.models import Role
from rbac.services.roles import create_role
from tests.world import World


def run(verb: str, *arguments: str) -> Any:
    """Return the document a verb prints for acme/prod."""
    out = StringIO()
    call_command("reviews", verb, *arguments, "--tenant", "acme", "--env", "prod", "--json", stdout=out)
    return json.loads(out.getvalue())


def test_command_lists_shows_and_decides(world: World, now: datetime) -> None:
    asker = operator_caller(Operator.objects.get(username="acme"), world.prod.environment())
    for how, state in (("approve", "applied"), ("reject", "rejected")):
        review = request_review(asker, act="relaxation", fields={"acts": ["trust"]}, now=now)
        assert review.id in {row["id"] for row in run("list")}
        shown = run("show", review.id)[0]
        assert shown["lines"][0]["after"] == "trust"
        extra = ["--digest", shown["digest"]] if how == "approve" else ["--reason", "no"]
        assert run(how, review.id, *extra)[0]["state"] == state
    assert Tenant.objects.get(slug="acme").four_eyes == ["trust"]


def test_command_compares_and_takes_over_what_it_showed(world: World, now: datetime) -> None:
    create_role(world.dev.caller(), name="Lamp keeper", scopes=["audit:read"], now=now)
    shown = run("compare", "--item", "role:Lamp keeper")
    assert [row.get("key") for row in shown] == ["role:Lamp keeper", None]
    digest = shown[-1]["digest"]
    assert run("take-over", "--item", "role:Lamp keeper", "--digest", digest) == [{"promoted": 1}]
    assert Role.objects.for_environment(world.prod.caller()).filter(name="Lamp keeper").exists()


def test_command_asks_where_the_tenant_wants_a_second_operator(world: World) -> None:
    assert run("acts", "--set", "promotion") == [{"acts": ["promotion"]}]
    shown = run("compare")
    with pytest.raises(CommandError) as refused:
        run("take-over", "--digest", shown[-1]["digest"])
    assert "second operator" in str(refused.value)
    asked = run("take-over", "--digest", shown[-1]["digest"], "--ask", "--reason", "release")
    assert (asked[0]["state"], asked[0]["act"]) == ("waiting", "promotion")
    with pytest.raises(CommandError):
        run("approve", asked[0]["id"], "--digest", asked[0]["digest"])  # asked by the same account
