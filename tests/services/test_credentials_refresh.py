"""Refreshing a login: once, stored before it is seen, failures with a state and a remedy, no refresh token lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from authsvc.audit.models import AuditEvent
from authsvc.web.caller import Caller
from authsvc.web.secret_text import SecretText
from profiles.models import Credential, CredentialState, OAuthRefresh, Profile
from profiles.outbound import url_fault
from profiles.providers import Kind
from profiles.refresh import RefreshBusy, RefreshFailed, fresh_credential, refresh_due
from profiles.services.status import StatusQuery, status_document
from profiles.services.store import SecretMaterial, create_profile, open_version, store_version
from tests.fake_provider import FakeProvider, fake_provider
from tests.world import World

PROVIDER = "login-llm"
MINUTE_MS = 60_000


@pytest.fixture
def provider(world: World) -> Iterator[FakeProvider]:
    """Yield a fake provider that acme/prod refreshes at."""
    with fake_provider() as fake:
        body = {"token_url": fake.url, "token_client_id": "client-1"}
        assert world.prod.api().send("PUT", f"/providers/{PROVIDER}", body).status_code == 200
        yield fake


@pytest.fixture
def caller(world: World) -> Caller:
    """Return a caller in acme/prod."""
    return world.prod.caller()


def _login(
    caller: Caller, now: datetime, left_ms: int = -MINUTE_MS, name: str = "me", refresh: str = "refresh-0"
) -> Profile:
    return create_profile(caller, provider=PROVIDER, name=name, material=_material(now, left_ms, refresh), now=now)


def _material(now: datetime, left_ms: int, refresh: str) -> SecretMaterial:
    secrets = {"access": SecretText("access-0"), "refresh": SecretText(refresh), "idToken": SecretText("id-0")}
    return SecretMaterial(Kind.OAUTH, secrets, int(now.timestamp() * 1000) + left_ms, SecretText('{"odd": 1}'))


def _current(profile: Profile) -> Credential:
    found: Credential = Credential.unscoped.get(profile=profile, state=CredentialState.CURRENT)
    return found


def _resolve(world: World) -> Any:
    return world.prod.api().post("/credentials/resolve", {"provider": PROVIDER})


def test_resolve_of_expired_login_refreshes_once_and_stores_the_pair(
    world: World, caller: Caller, provider: FakeProvider, now: datetime
) -> None:
    profile = _login(caller, now)
    first, second = _resolve(world), _resolve(world)
    assert [answer.json()["value"] for answer in (first, second)] == ["access-1", "access-1"]
    assert provider.requests == [{"grant_type": "refresh_token", "refresh_token": "refresh-0", "client_id": "client-1"}]
    sealed = open_version(_current(profile))
    assert sealed.secrets["refresh"].reveal() == "refresh-1"
    assert sealed.secrets["idToken"].reveal() == "id-0"
    assert sealed.sealed_extras is not None
    replaced = Credential.unscoped.get(profile=profile, version=1)
    assert (replaced.state, replaced.sealed) == (CredentialState.DELETED, "")
    assert AuditEvent.objects.filter(event_type="credential.refreshed").count() == 1


def test_fresh_login_is_not_refreshed(world: World, caller: Caller, provider: FakeProvider, now: datetime) -> None:
    _login(caller, now, left_ms=60 * MINUTE_MS)
    assert _resolve(world).json()["value"] == "access-0"
    assert provider.requests == []


def test_refused_refresh_is_a_state_with_remedy_and_asked_once(
    world: World, caller: Caller, provider: FakeProvider, now: datetime
) -> None:
    profile = _login(caller, now)
    provider.mode = "invalid_grant"
    answers = [_resolve(world), _resolve(world)]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "refresh_failed")] * 2
    assert answers[0].json()["reason"] == "invalid_grant"
    assert "Sign in" in answers[0].json()["remedy"]
    assert len(provider.requests) == 1
    assert open_version(_current(profile)).secrets["refresh"].reveal() == "refresh-0"
    document: Any = status_document(caller, StatusQuery(providers=frozenset({PROVIDER})), now=now)
    assert (document["check"], document["auth"]["oauth"]["profiles"][0]["status"]) == (1, "refresh_failed")


def test_right_to_refresh_taken_after_a_refusal_asks_nobody_again(
    caller: Caller, provider: FakeProvider, now: datetime
) -> None:
    profile = _login(caller, now)
    provider.mode = "invalid_grant"
    overtaken: list[str] = []

    def be_overtaken(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "UPDATE" in sql and OAuthRefresh._meta.db_table in sql and not overtaken:
            overtaken.append(sql)
            with pytest.raises(RefreshFailed):
                fresh_credential(caller, profile=profile, credential=_current(profile), now=now)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(be_overtaken), pytest.raises(RefreshFailed):
        fresh_credential(caller, profile=profile, credential=_current(profile), now=now)
    assert overtaken
    assert len(provider.requests) == 1
    assert OAuthRefresh.unscoped.get(profile=profile).holder == ""


def test_new_login_ends_the_failed_state(world: World, caller: Caller, provider: FakeProvider, now: datetime) -> None:
    profile = _login(caller, now, refresh="used-up")
    assert _resolve(world).json()["reason"] == "refresh_token_reused"
    store_version(caller, profile=profile, material=_material(now, -MINUTE_MS, "refresh-0"), origin="test", now=now)
    assert _resolve(world).json()["value"] == "access-1"


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("hang_up", "provider_unreachable"),
        ("unavailable", "provider_unavailable"),
        ("redirect", "provider_refused"),
        ("nonsense", "unusable_answer"),
    ],
)
def test_provider_dying_half_way_keeps_the_refresh_token_and_is_tried_later(
    world: World, caller: Caller, provider: FakeProvider, now: datetime, mode: str, reason: str
) -> None:
    profile = _login(caller, now)
    provider.mode = mode
    answer = _resolve(world)
    assert (answer.status_code, answer.json()["reason"]) == (409, reason)
    assert int(answer["Retry-After"]) >= 1
    assert _resolve(world).json()["reason"] == reason
    assert len(provider.requests) == 1
    assert open_version(_current(profile)).secrets["refresh"].reveal() == "refresh-0"
    provider.mode = "rotate"
    later = now + timedelta(minutes=2)
    renewed = fresh_credential(caller, profile=profile, credential=_current(profile), now=later)
    assert open_version(renewed).main.reveal() == "access-1"


def test_answer_lost_on_its_way_becomes_a_clear_state_when_asked_again(
    world: World, caller: Caller, provider: FakeProvider, now: datetime
) -> None:
    profile = _login(caller, now)
    provider.mode = "answer_lost"
    assert _resolve(world).json()["reason"] == "provider_unreachable"
    provider.mode = "rotate"
    with pytest.raises(RefreshFailed) as caught:
        fresh_credential(caller, profile=profile, credential=_current(profile), now=now + timedelta(minutes=2))
    assert caught.value.extra["reason"] == "refresh_token_reused"
    assert OAuthRefresh.objects.for_environment(caller).get(profile=profile).is_terminal
    assert open_version(_current(profile)).secrets["refresh"].reveal() == "refresh-0"


def test_failed_refresh_of_living_token_hands_out_the_token(
    world: World, caller: Caller, provider: FakeProvider, now: datetime
) -> None:
    _login(caller, now, left_ms=30_000)
    provider.mode = "unavailable"
    assert _resolve(world).json()["value"] == "access-0"


def test_failed_login_loses_to_another_profile(
    world: World, caller: Caller, provider: FakeProvider, now: datetime
) -> None:
    _login(caller, now)
    world.prod.api().send("PATCH", "/profiles/settings", {"preferred_kind": ""})
    provider.mode = "invalid_grant"
    material = SecretMaterial(Kind.API_KEY, {"key": SecretText("key-1")})
    create_profile(caller, provider=PROVIDER, name="key", material=material, now=now)
    answer = world.prod.api().post("/credentials/resolve", {"provider": PROVIDER, "view": "full"}).json()
    assert answer["value"] == "key-1"
    assert {line["profile"]: line["reason"] for line in answer["trace"]}[f"{PROVIDER}:me"] == "missing_credential"


def test_expired_login_without_endpoint_or_refresh_token_is_never_handed_out(
    world: World, caller: Caller, now: datetime
) -> None:
    _login(caller, now)
    assert _resolve(world).json()["reason"] == "no_token_endpoint"
    material = SecretMaterial(Kind.OAUTH, {"access": SecretText("a")}, int(now.timestamp() * 1000) - MINUTE_MS)
    create_profile(caller, provider="bare-llm", name="me", material=material, now=now)
    answer = world.prod.api().post("/credentials/resolve", {"provider": "bare-llm"})
    assert answer.json()["reason"] == "no_refresh_token"


def test_refresh_held_by_another_process_is_waited_for(
    caller: Caller, provider: FakeProvider, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = _login(caller, now)
    OAuthRefresh(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        profile=profile,
        holder="somebody",
        held_until=now + timedelta(seconds=30),
    ).save()
    monkeypatch.setattr("profiles.refresh.WAIT_SECONDS", 0.1)
    with pytest.raises(RefreshBusy):
        fresh_credential(caller, profile=profile, credential=_current(profile), now=now)
    assert provider.requests == []
    dead = now + timedelta(seconds=31)
    renewed = fresh_credential(caller, profile=profile, credential=_current(profile), now=dead)
    assert renewed.version == 2


def test_waiter_takes_what_the_holder_stored(caller: Caller, provider: FakeProvider, now: datetime) -> None:
    profile = _login(caller, now)
    stale = _current(profile)
    store_version(caller, profile=profile, material=_material(now, 60 * MINUTE_MS, "r"), origin="test", now=now)
    assert fresh_credential(caller, profile=profile, credential=stale, now=now).version == 2
    assert provider.requests == []


def test_worker_refreshes_ahead_of_time_and_one_failure_stops_nothing(
    caller: Caller, provider: FakeProvider, now: datetime
) -> None:
    _login(caller, now, 5 * MINUTE_MS, "bad", refresh="used-up")
    good = _login(caller, now, 5 * MINUTE_MS, "good")
    _login(caller, now, 60 * MINUTE_MS, "later", refresh="not-yet")
    run = refresh_due(now=now)
    assert (run.refreshed, run.failed) == (1, 1)
    assert _current(good).version == 2
    assert refresh_due(now=now).refreshed == 0


def test_login_in_dev_is_not_refreshed_at_the_endpoint_of_prod(
    world: World, provider: FakeProvider, now: datetime
) -> None:
    _login(world.dev.caller(), now)
    answer = world.dev.api().post("/credentials/resolve", {"provider": PROVIDER})
    assert answer.json()["reason"] == "no_token_endpoint"
    assert provider.requests == []


def test_terminal_failure_raises_without_asking(caller: Caller, provider: FakeProvider, now: datetime) -> None:
    profile = _login(caller, now, refresh="used-up")
    for _ in range(3):
        with pytest.raises(RefreshFailed):
            fresh_credential(caller, profile=profile, credential=_current(profile), now=now)
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("url", "local", "is_good"),
    [
        ("https://provider.example/token", False, True),
        ("http://provider.example/token", True, False),
        ("http://127.0.0.1:9/token", True, True),
        ("http://127.0.0.1:9/token", False, False),
        ("https://user:pw@provider.example/token", False, False),
        ("ftp://provider.example/", True, False),
        ("not an address", True, False),
    ],
)
def test_url_fault_allows_https_and_in_development_this_machine(url: str, local: bool, is_good: bool) -> None:
    assert (url_fault(url, allows_local=local) == "") is is_good


def test_provider_endpoint_may_only_be_set_by_an_administrator(world: World) -> None:
    token = world.prod.access_token(scope="profiles:read profiles:write credentials:write")
    from tests.world import Api

    body = {"token_url": "https://provider.example/token"}
    assert Api(token).send("PUT", f"/providers/{PROVIDER}", body).status_code == 403
    assert Api(token).get("/providers").status_code == 200
    bad = world.prod.api().send("PUT", f"/providers/{PROVIDER}", {"token_url": "http://10.0.0.1/token"})
    assert bad.status_code == 400
    assert "token_url" in bad.json()["errors"]
