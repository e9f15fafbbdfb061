"""The token policy: what each class of proof lives at most, by API, command and admin; limits, refusals, audit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Tenant
from authsvc.tokens.api_keys import issue_api_key
from authsvc.tokens.compact import decode
from authsvc.tokens.models import ApiKeyKind, RefreshFamily, RefreshToken, TokenPolicy
from authsvc.tokens.policy import LIMITS
from authsvc.web.problems import ValidationFailed
from rbac.services.service_accounts import get_service_account
from tests.world import Place, World

DEFAULTS = {
    "access_token_seconds": None,
    "refresh_idle_days": 30,
    "refresh_total_days": 90,
    "api_key_days": 365,
    "gateway_token_days": 365,
    "device_secret_days": 180,
    "rotation_due_days": 30,
    "rotate_keys_after_days": None,
    "key_lead_days": 7,
    "rsa_bits": 2048,
}


def change(place: Place, **changes: Any) -> Any:
    return place.api().send("PATCH", "/token-policy", changes)


def life_of(place: Place, ttl_seconds: int | None = None) -> int:
    body = {"principal_id": place.client_id, "scopes": ["profiles:read"], "ttl_seconds": ttl_seconds}
    answer = place.api().post("/tokens", body)
    assert answer.status_code == 201, answer.content
    return round(int(answer.json()["expires_in"]) / 10) * 10


def test_policy_shows_the_defaults_and_keeps_what_is_not_named(world: World) -> None:
    assert world.prod.api().get("/token-policy").json() == DEFAULTS
    changed = change(world.prod, refresh_idle_days=3, access_token_seconds=120)
    assert changed.json() == {**DEFAULTS, "refresh_idle_days": 3, "access_token_seconds": 120}
    assert world.dev.api().get("/token-policy").json() == DEFAULTS
    assert AuditEvent.objects.get(event_type="token_policy.updated").detail == {
        "changed": ["access_token_seconds", "refresh_idle_days"]
    }


def test_policy_of_an_environment_without_a_row_is_the_default_and_can_be_set(world: World) -> None:
    TokenPolicy.unscoped.all().delete()
    assert world.prod.api().get("/token-policy").json() == DEFAULTS
    assert life_of(world.prod) == 3600
    assert change(world.prod, key_lead_days=9).json()["key_lead_days"] == 9


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_each_setting_has_its_limits_and_a_refusal_that_names_it(world: World, name: str) -> None:
    least, most = LIMITS[name]
    for value in (least - 1, most + 1, "x", None if name not in {"access_token_seconds"} else -1):
        if value is None and name == "rotate_keys_after_days":
            continue
        answer = change(world.prod, **{name: value})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"refresh_idle_days": 91}, "refresh_idle_days"),
        ({"rotate_keys_after_days": 7}, "key_lead_days"),
        ({"nothing": 1}, "nothing"),
        ({"rsa_bits": 2049}, "rsa_bits"),
    ],
)
def test_senseless_policy_is_refused_and_changes_nothing(world: World, changes: dict[str, int], field: str) -> None:
    answer = change(world.prod, **changes)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert world.prod.api().get("/token-policy").json() == DEFAULTS


def test_access_tokens_live_as_the_environment_says_and_a_request_for_more_is_cut(world: World) -> None:
    assert (life_of(world.prod), life_of(world.prod, 86_400), life_of(world.prod, 60)) == (3600, 3600, 60)
    change(world.prod, access_token_seconds=86_400)
    assert (life_of(world.prod, 86_400), life_of(world.dev, 86_400)) == (86_400, 3600)
    change(world.prod, access_token_seconds=300)
    assert world.prod.token_request().json()["expires_in"] in {299, 300}
    change(world.prod, access_token_seconds=None)
    Tenant.objects.filter(slug="acme").update(access_token_ttl_seconds=600)
    assert life_of(world.prod) == 600


def test_more_than_a_day_is_refused(world: World) -> None:
    body = {"principal_id": world.prod.client_id, "scopes": ["profiles:read"], "ttl_seconds": 86_401}
    answer = world.prod.api().post("/tokens", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["ttl_seconds"])


def test_refresh_tokens_live_as_the_environment_says(world: World) -> None:
    change(world.prod, refresh_idle_days=2, refresh_total_days=5)
    body = {"principal_id": world.prod.client_id, "scopes": ["profiles:read"], "with_refresh_token": True}
    assert world.prod.api().post("/tokens", body).status_code == 201
    family = RefreshFamily.objects.for_environment(world.prod.caller()).latest("created_at")
    token = RefreshToken.objects.for_environment(world.prod.caller()).get(family=family)
    assert (family.expires_at - family.created_at, token.expires_at - token.created_at) == (
        timedelta(days=5),
        timedelta(days=2),
    )


def test_new_rsa_keys_have_the_size_the_environment_says(world: World) -> None:
    change(world.prod, rsa_bits=3072)
    upcoming = world.prod.api().post("/keys/rotate", {}).json()
    assert len(decode(upcoming["public_jwk"]["n"])) == 3072 // 8
    elsewhere = world.dev.api().post("/keys/rotate", {}).json()
    assert len(decode(elsewhere["public_jwk"]["n"])) == 2048 // 8


CLASSES = [
    (ApiKeyKind.API_KEY, "api_key_days", 90, 365),
    (ApiKeyKind.GATEWAY_TOKEN, "gateway_token_days", 90, 365),
    (ApiKeyKind.DEVICE_SECRET, "device_secret_days", 180, 180),
    (ApiKeyKind.CLIENT_SECRET, "", 0, 365),
]


@pytest.mark.parametrize(("kind", "setting", "default", "most"), CLASSES)
def test_each_class_of_key_has_its_default_and_its_cap(
    world: World, now: datetime, kind: ApiKeyKind, setting: str, default: int, most: int
) -> None:
    caller = world.prod.caller()
    principal = get_service_account(caller, world.prod.client_id).principal

    def issued(days: int | None) -> Any:
        end = None if days is None else now + timedelta(days=days)
        return issue_api_key(caller, principal=principal, kind=kind, name="n", expires_at=end, now=now).key

    assert issued(None).expires_at == (now + timedelta(days=default) if default else None)
    assert issued(most).expires_at == now + timedelta(days=most)
    with pytest.raises(ValidationFailed):
        issued(most + 1)
    if setting:
        change(world.prod, **{setting: 20})
        assert issued(None).expires_at == now + timedelta(days=20)
        with pytest.raises(ValidationFailed):
            issued(21)


def test_new_secret_is_due_when_the_policy_says_and_rotation_starts_anew(world: World, now: datetime) -> None:
    change(world.prod, rotation_due_days=10)
    path = f"/service-accounts/{world.prod.client_id}/keys"
    made = world.prod.api().post(path, {"name": "n"}).json()
    first = datetime.fromisoformat(made["rotate_after"])
    assert abs(first - now - timedelta(days=10)) < timedelta(minutes=5)
    turned = world.prod.api().post(f"{path}/{made['id']}/rotate", {}).json()
    assert datetime.fromisoformat(turned["rotate_after"]) > first


def run(*arguments: str) -> Any:
    output = StringIO()
    call_command("tokens", "policy", *arguments, "--tenant", "acme", "--env", "prod", "--json", stdout=output)
    return json.loads(output.getvalue())


def test_command_shows_and_changes_the_policy(world: World) -> None:
    assert run() == DEFAULTS
    assert run("--set", "rotate_keys_after_days=90", "--set", "key_lead_days=14")["rotate_keys_after_days"] == 90
    assert run("--set", "rotate_keys_after_days=") == {**DEFAULTS, "key_lead_days": 14}
    for wrong, code in (("key_lead_days", 64), ("key_lead_days=x", 64), ("nothing=1", 1), ("key_lead_days=0", 1)):
        with pytest.raises(CommandError) as refusal:
            run("--set", wrong)
        assert refusal.value.returncode == code


def test_family_that_began_under_an_older_policy_keeps_its_end(world: World) -> None:
    body = {"principal_id": world.prod.client_id, "scopes": ["profiles:read"], "with_refresh_token": True}
    world.prod.api().post("/tokens", body)
    change(world.prod, refresh_idle_days=1, refresh_total_days=1)
    family = RefreshFamily.objects.for_environment(world.prod.caller()).latest("created_at")
    assert family.expires_at > datetime.now(UTC) + timedelta(days=89)
