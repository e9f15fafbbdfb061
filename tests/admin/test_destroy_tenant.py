"""The end of a tenant: suspended first, its name typed, its keys erased, and everybody else untouched."""

from __future__ import annotations

import json
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.ops.steps import STEPS, run_step
from authsvc.tenants.models import Tenant
from authsvc.vault.models import DataKey
from tests.admin.conftest import prove
from tests.world import World


def manage(*arguments: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("tenants", *arguments, "--json", stdout=out)
    found: list[dict[str, Any]] = json.loads(out.getvalue())
    return found


def suspend() -> None:
    manage("suspend", "--tenant", "acme", "--reason", "leaving")


def destroy(confirm: str = "acme") -> list[dict[str, Any]]:
    return manage("destroy", "--tenant", "acme", "--reason", "left", "--confirm", confirm)


def test_tenant_is_destroyed_after_it_was_suspended_and_named(world: World, now: datetime) -> None:
    with pytest.raises(CommandError, match="Suspend the tenant first"):
        destroy()
    suspend()
    with pytest.raises(CommandError, match="Type acme"):
        destroy("Acme")
    assert not DataKey.unscoped.filter(state="destroyed").exists()
    assert [(row["tenant"], row["state"]) for row in destroy()] == [("acme", "destroyed")]
    tenant = Tenant.objects.get(slug="acme")
    wrapped = dict(DataKey.unscoped.filter(tenant=tenant).values_list("state", "wrapped"))
    assert wrapped == {"destroyed": ""}
    assert DataKey.unscoped.exclude(tenant=tenant).exclude(wrapped="").exists()
    event = AuditEvent.objects.get(tenant_id=tenant.id, event_type="tenant.destroyed")
    assert event.detail == {"slug": "acme", "reason": "left"}


def test_destroyed_tenant_gets_no_answer_never_returns_and_breaks_no_work(world: World, now: datetime) -> None:
    suspend()
    destroy()
    assert world.prod.api().get("/me").status_code == 401
    assert world.foreign.api().get("/me").status_code == 200
    assert Client().get(world.prod.path("/.well-known/jwks.json")).status_code == 404
    for verb in ("resume", "suspend"):
        with pytest.raises(CommandError, match="cannot come back"):
            manage(verb, "--tenant", "acme", "--reason", "x")
    with pytest.raises(CommandError, match="destroyed already"):
        destroy()
    assert [result.name for result in (run_step(step, now=now) for step in STEPS) if result.failure] == []
    call_command("vault", "verify", stdout=StringIO())
    call_command("audit", "verify", stdout=StringIO())


def test_admin_destroys_a_suspended_tenant_with_a_fresh_factor_and_its_name(world: World, platform: Client) -> None:
    tenant = Tenant.objects.get(slug="acme")
    address = f"/admin/authsvc/tenant/{tenant.id}/do/destroy/"
    assert platform.get(address).status_code == 404
    suspend()
    assert platform.post(address, {"reason": "left", "confirmed_slug": "acme"}).status_code == 403  # no factor shown
    prove(platform)
    wrong = platform.post(address, {"reason": "left", "confirmed_slug": "globex"})
    assert "Type acme" in wrong.content.decode()
    assert platform.post(address, {"reason": "left", "confirmed_slug": "acme"}).status_code == 302
    tenant.refresh_from_db()
    assert tenant.state == "destroyed"
    assert "destroyed" in platform.get(f"/admin/authsvc/tenant/{tenant.id}/change/").content.decode()
