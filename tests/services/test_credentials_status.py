"""Status: one document for API and command, nothing written, and the exit codes that monitoring is built on."""

from __future__ import annotations

import io
import json
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Operator
from authsvc.web.caller import Caller
from authsvc.web.secret_text import SecretText
from profiles.models import Profile
from profiles.providers import Kind
from profiles.references import Strategy
from profiles.services.status import StatusQuery, status_document
from profiles.services.store import SecretMaterial, create_profile, retire_profile
from tests.scale import scaled
from tests.world import World

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PLACE = ("--tenant", "acme", "--env", "prod")


@pytest.fixture
def caller(world: World) -> Caller:
    """Return a caller in acme/prod, emptied of the demo's profile."""
    inside = world.prod.caller()
    Profile.objects.for_environment(inside).delete()
    return inside


def _store(
    caller: Caller,
    now: datetime,
    name: str,
    kind: Kind = Kind.TOKEN,
    left_ms: int | None = None,
    refresh: str = "",
    provider: str = "acme-llm",
) -> Profile:
    field = {Kind.API_KEY: "key", Kind.TOKEN: "token", Kind.OAUTH: "access"}[kind]
    secrets = {field: SecretText(f"secret-of-{name}")} | ({"refresh": SecretText(refresh)} if refresh else {})
    expires_at_ms = None if left_ms is None else int(now.timestamp() * 1000) + left_ms
    material = SecretMaterial(kind, secrets, expires_at_ms)
    return create_profile(caller, provider=provider, name=name, material=material, now=now)


def _run(*arguments: str) -> tuple[int, str]:
    output = io.StringIO()
    try:
        call_command("models", *arguments, stdout=output)
    except SystemExit as ended:
        return int(str(ended.code)), output.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, output.getvalue()


@pytest.mark.parametrize(
    ("left_ms", "code", "state"),
    [
        (None, 0, "static"),
        (365 * DAY_MS, 0, "ok"),
        (12 * HOUR_MS, 2, "expiring"),
        (-HOUR_MS, 1, "expired"),
        (DAY_MS + 60_000, 0, "ok"),
        (DAY_MS - 60_000, 2, "expiring"),
    ],
)
def test_check_of_token_answers_code_of_its_remaining_time(
    caller: Caller, now: datetime, left_ms: int | None, code: int, state: str
) -> None:
    _store(caller, now, "one", left_ms=left_ms)
    document: Any = status_document(caller, StatusQuery(), now=now)
    assert document["check"] == code
    assert [profile["status"] for profile in document["auth"]["oauth"]["profiles"]] == [state]
    assert _run("status", "--check", *PLACE)[0] == code


def test_check_with_expired_and_expiring_answers_one(caller: Caller, now: datetime) -> None:
    _store(caller, now, "soon", left_ms=HOUR_MS)
    _store(caller, now, "gone", left_ms=-HOUR_MS)
    assert _run("status", "--check", *PLACE)[0] == 1
    assert _run("status", *PLACE)[0] == 0


@pytest.mark.parametrize(
    ("left_ms", "classic", "current"), [(8 * HOUR_MS, 0, 2), (-HOUR_MS, 0, 1), (30 * DAY_MS, 0, 0)]
)
def test_check_of_refreshable_login_follows_compat(
    caller: Caller, now: datetime, left_ms: int, classic: int, current: int
) -> None:
    _store(caller, now, "login", Kind.OAUTH, left_ms, refresh="r-1")
    assert status_document(caller, StatusQuery(), now=now)["check"] == classic
    assert status_document(caller, StatusQuery(compat=Strategy.CURRENT), now=now)["check"] == current
    document: Any = status_document(caller, StatusQuery(), now=now)
    assert document["auth"]["oauth"]["profiles"][0]["refreshable"] is True


def test_check_of_empty_environment_fails(caller: Caller, now: datetime) -> None:
    assert status_document(caller, StatusQuery(), now=now)["check"] == 1


def test_check_of_ordered_provider_without_profile_names_it_missing(caller: Caller, now: datetime) -> None:
    profile = _store(caller, now, "one")
    call_command("models", "auth", "order", "set", *PLACE, "--provider", "acme-llm", profile.key, stdout=io.StringIO())
    retire_profile(caller, profile=profile, reason="gone", now=now)
    document: Any = status_document(caller, StatusQuery(), now=now)
    assert document["check"] == 1
    assert document["auth"]["missingProvidersInUse"] == ["acme-llm"]


def test_warn_window_of_call_beats_profile_beats_tenant(caller: Caller, now: datetime) -> None:
    profile = _store(caller, now, "one", left_ms=3 * DAY_MS)
    assert status_document(caller, StatusQuery(), now=now)["check"] == 0
    Profile.objects.for_environment(caller).filter(id=profile.id).update(warn_after_seconds=4 * 86_400)
    assert status_document(caller, StatusQuery(), now=now)["check"] == 2
    assert status_document(caller, StatusQuery(warn_after_ms=HOUR_MS), now=now)["check"] == 0
    assert _run("status", "--check", "--warn-after", "10d", *PLACE)[0] == 2


def test_cooldown_and_billing_disable_do_not_change_the_check(caller: Caller, now: datetime, world: World) -> None:
    profile = _store(caller, now, "one")
    world.prod.api().post("/credentials/report", {"profile_id": profile.id, "outcome": "failure", "reason": "billing"})
    document: Any = status_document(caller, StatusQuery(), now=now + timedelta(seconds=1))
    assert document["check"] == 0
    assert [each["reason"] for each in document["auth"]["unusableProfiles"]] == ["billing"]


def test_setup_token_alone_is_advice_and_no_failure(caller: Caller, now: datetime) -> None:
    _store(caller, now, "one")
    document: Any = status_document(caller, StatusQuery(), now=now)
    assert (document["check"], document["auth"]["advice"][0]["code"]) == (0, "preferred_kind_missing")


@pytest.mark.parametrize("seed", range(scaled(12, 30)))
def test_api_command_and_admin_agree_on_generated_situations(
    caller: Caller, now: datetime, world: World, seed: int
) -> None:
    dice = random.Random(seed)
    for number in range(dice.randrange(5)):
        kind = dice.choice(list(Kind))
        left_ms = None if kind is Kind.API_KEY else dice.choice([None, -DAY_MS, HOUR_MS, 40 * DAY_MS])
        refresh = "r" if kind is Kind.OAUTH and dice.random() < 0.5 else ""
        provider = dice.choice(["acme-llm", "other-llm"])
        _store(caller, now, f"p{number}", kind, left_ms, refresh, provider)
    compat = dice.choice(list(Strategy))
    api, place = world.prod.api(), world.prod.environment().id
    acme = Client()
    acme.force_login(Operator.objects.get(username="acme"))
    api.get("/me")  # the key's own last-used stamp is written here
    with CaptureQueriesContext(connection) as queries:
        answer = api.get(f"/status?compat={compat}").json()
        code, text = _run("status", "--check", "--json", "--compat", compat.value, *PLACE)
        page = acme.get("/admin/profiles/profile/status/", {"environment": place, "compat": compat.value})
    assert _writes(queries) == []
    assert f"ends with {answer['check']}." in page.content.decode()
    assert code == answer["check"] == page.context["status"]["check"]
    assert _still(json.loads(text)) == _still(answer) == _still(page.context["status"])


def test_setup_token_without_end_is_static_and_its_estimate_stands_apart(caller: Caller, now: datetime) -> None:
    secret = SecretText(f"sk-ant-oat01-{'A' * 90}")
    material = SecretMaterial(Kind.TOKEN, {"token": secret})
    create_profile(caller, provider="anthropic", name="setup", material=material, now=now)
    document: Any = status_document(caller, StatusQuery(), now=now + timedelta(days=400))
    shown = document["auth"]["oauth"]["profiles"][0]
    assert (shown["status"], shown["expiresAt"], document["check"]) == ("static", None, 0)
    assert shown["estimatedExpiresAt"] == int((now + timedelta(days=365)).timestamp() * 1000)


def test_status_writes_nothing(caller: Caller, now: datetime, world: World) -> None:
    _store(caller, now, "login", Kind.OAUTH, -HOUR_MS, refresh="r-1")
    _store(caller, now, "tok", left_ms=HOUR_MS)
    events = AuditEvent.objects.count()
    with CaptureQueriesContext(connection) as queries:
        status_document(caller, StatusQuery(), now=now)
        _run("status", "--check", "--json", *PLACE)
    assert len(queries) > 0
    assert _writes(queries) == []
    assert AuditEvent.objects.count() == events


def test_status_shows_no_secret_and_nothing_foreign(caller: Caller, now: datetime, world: World) -> None:
    _store(caller, now, "tok", left_ms=HOUR_MS)
    shown = world.prod.api().get("/status").content.decode()
    assert "secret-of-tok" not in shown
    assert "acme-llm:tok" not in world.dev.api().get("/status").content.decode()
    assert "acme-llm:tok" not in world.foreign.api().get("/status").content.decode()


def test_status_with_bad_query_is_400(world: World) -> None:
    for query in ("warn_after=soon", "compat=old", "nonsense=1"):
        assert world.prod.api().get(f"/status?{query}").status_code == 400


def test_status_of_every_environment_answers_the_worst(caller: Caller, now: datetime) -> None:
    _store(caller, now, "gone", left_ms=-HOUR_MS)
    code, text = _run("status", "--check", "--json")
    document = json.loads(text)
    assert (code, document["check"]) == (1, 1)
    assert document["environments"]["globex/prod"]["check"] == 0


def test_command_with_unknown_environment_or_duration_is_bad_usage(world: World) -> None:
    assert _run("status", "--tenant", "nobody", "--env", "prod")[0] == 64
    assert _run("status", "--warn-after", "soon", *PLACE)[0] == 64
    assert _run("auth", "order", "get", "--provider", "anthropic")[0] == 64


def test_paste_token_reads_standard_input_and_keeps_profile_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = set()
    for number, outcome in ((1, "created"), (2, "replaced")):
        secret = f"sk-ant-oat01-{'A' * 90}{number}"
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret}\n"))
        code, text = _run("auth", "paste-token", "--provider", "anthropic", "--expires-in", "365", "--json", *PLACE)
        assert (code, json.loads(text)["outcome"]) == (0, outcome)
        assert secret not in text
        ids.add(json.loads(text)["id"])
    assert len(ids) == 1
    released = world.prod.api().post("/credentials/resolve", {"provider": "anthropic", "pin": "anthropic:manual"})
    assert released.json()["value"] == secret


@pytest.mark.parametrize("value", ["short", "sk-ant-oat01-short", "npx something login", "abcdefghijkl#mnopqrstuvwx"])
def test_setup_token_of_wrong_shape_is_refused_without_echo(
    world: World, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(value))
    code, text = _run("auth", "setup-token", "--provider", "anthropic", *PLACE)
    assert code == 1
    assert value not in text


def test_order_set_get_clear_by_command(world: World) -> None:
    order = ("--provider", "anthropic", "--json", *PLACE)
    code, text = _run("auth", "order", "set", *order, "anthropic:default", "anthropic:gone")
    assert (code, json.loads(text)["order"], len(json.loads(text)["warnings"])) == (0, ["anthropic:default"], 1)
    assert json.loads(_run("auth", "order", "get", *order)[1])["order"] == ["anthropic:default"]
    assert json.loads(_run("auth", "order", "clear", *order)[1])["order"] is None


def _writes(queries: CaptureQueriesContext) -> list[str]:
    statements = [query["sql"] for query in queries]
    return [sql for sql in statements if not sql.lstrip("( ").upper().startswith(("SELECT", "SAVEPOINT", "RELEASE"))]


def _still(value: object) -> object:
    """Return the document without what passes while a test runs."""
    if isinstance(value, dict):
        return {name: _still(each) for name, each in value.items() if name not in {"remainingMs", "generatedAt"}}
    return [_still(each) for each in value] if isinstance(value, list) else value
