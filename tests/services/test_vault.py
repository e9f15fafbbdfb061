"""The vault on the real database: tampering, rotation, re-wrapping, missing keys, crypto-shredding, silence."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import traceback
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authsvc.audit.models import AuditEvent
from authsvc.vault.envelope import SealBroken
from authsvc.vault.keyring import KeyEncryptionKeyMissing
from authsvc.vault.models import DataKey, DataKeyState
from authsvc.vault.services import (
    DataKeyDestroyed,
    destroy_data_keys,
    open_text,
    rewrap_data_keys,
    rotate_data_key,
    seal_text,
    unreadable_data_keys,
)
from authsvc.web.secret_text import SecretText
from profiles.models import Credential
from profiles.providers import Kind
from profiles.services.resolve import ResolveQuery, resolve_credential
from profiles.services.store import SecretMaterial, get_profile, store_version
from tests.world import Api, Place, World

QUERY = ResolveQuery(provider="anthropic")


def current(place: Place) -> Credential:
    found: Credential = Credential.objects.for_environment(place.caller()).get(
        profile_id=place.ids["profile"], state="current"
    )
    return found


def put_back(credential: Credential, sealed: str) -> None:
    Credential.unscoped.filter(id=credential.id).update(sealed=sealed)


def new_version(place: Place, value: str, now: datetime) -> Credential:
    material = SecretMaterial(Kind.API_KEY, {"key": SecretText(value)})
    profile = get_profile(place.caller(), place.ids["profile"])
    return store_version(place.caller(), profile=profile, material=material, origin="test", now=now)


def other_kek(name: str = "next-1") -> str:
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


def require_broken(place: Place, credential: Credential, now: datetime) -> None:
    """Resolution answers ``seal_broken``, hands out nothing, and one event tells of it."""
    before = AuditEvent.objects.filter(event_type="credential.open_failed").count()
    leases = AuditEvent.objects.filter(event_type="credential.leased").count()
    with pytest.raises(SealBroken):
        resolve_credential(place.caller(), QUERY, now=now)
    answer = place.api().post("/credentials/resolve", {"provider": "anthropic"})
    assert (answer.status_code, answer.json()["code"]) == (409, "seal_broken")
    assert "value" not in answer.json()
    events = AuditEvent.objects.filter(event_type="credential.open_failed").order_by("-sequence")
    assert events.count() == before + 2
    assert events[0].subject_id == credential.id
    assert events[0].detail["reason"] == "seal_broken"
    assert AuditEvent.objects.filter(event_type="credential.leased").count() == leases


def flip(sealed: str, index: int) -> str:
    head, _, body = sealed.rpartition(".")
    blob = bytearray(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    blob[index] ^= 1
    return f"{head}.{base64.urlsafe_b64encode(bytes(blob)).rstrip(b'=').decode()}"


TAMPERED: dict[str, Callable[[str], str]] = {
    "nonce flipped": lambda sealed: flip(sealed, 0),
    "ciphertext flipped": lambda sealed: flip(sealed, 20),
    "tag flipped": lambda sealed: flip(sealed, -1),
    "cut": lambda sealed: sealed[:-8],
    "cut to nothing": lambda sealed: sealed.rpartition(".")[0] + ".",
    "empty": lambda sealed: "",
    "padded": lambda sealed: sealed + "=",
    "version": lambda sealed: "v2" + sealed[2:],
    "unknown key": lambda sealed: ".".join(["v1", "dky_unknown", sealed.rpartition(".")[2]]),
    "plain text": lambda sealed: '{"secrets": {"key": "sk-ant-planted"}}',
    "NUL-free noise": lambda sealed: "\u2603" * 40,
}


@pytest.mark.parametrize("name", TAMPERED)
def test_resolve_of_a_tampered_value_is_refused_and_audited(world: World, now: datetime, name: str) -> None:
    credential = current(world.prod)
    put_back(credential, TAMPERED[name](credential.sealed))
    require_broken(world.prod, credential, now)


@pytest.mark.parametrize("source", ["acme/dev", "globex/prod"])
def test_resolve_of_a_value_moved_from_elsewhere_is_refused(world: World, now: datetime, source: str) -> None:
    credential = current(world.prod)
    put_back(credential, current(world.place(source)).sealed)
    require_broken(world.prod, credential, now)


def test_resolve_of_an_older_version_put_back_is_refused(world: World, now: datetime) -> None:
    old = current(world.prod)
    fresh = new_version(world.prod, "sk-ant-api03-" + "n" * 95, now)
    put_back(fresh, old.sealed)
    require_broken(world.prod, fresh, now)


def test_resolve_of_an_older_version_made_current_again_is_refused(world: World, now: datetime) -> None:
    old = current(world.prod)
    fresh = new_version(world.prod, "sk-ant-api03-" + "n" * 95, now)
    Credential.unscoped.filter(id=fresh.id).update(state="retired")
    Credential.unscoped.filter(id=old.id).update(state="current")
    require_broken(world.prod, old, now)


@pytest.mark.parametrize(
    "elsewhere", [{"table": "store_remainder"}, {"field": "document"}, {"row_id": "crd_other"}, {"field": "v2"}]
)
def test_resolve_of_a_value_sealed_for_another_field_or_row_is_refused(
    world: World, now: datetime, elsewhere: dict[str, str]
) -> None:
    credential, caller = current(world.prod), world.prod.caller()
    text = open_text(credential.place(), credential.sealed)
    put_back(credential, seal_text(caller, replace(credential.place(), **elsewhere), text, now=now))
    require_broken(world.prod, credential, now)
    put_back(credential, seal_text(caller, credential.place(), text, now=now))
    assert resolve_credential(caller, QUERY, now=now).value.reveal().startswith("sk-ant-")


def test_resolve_under_an_exchanged_data_key_is_refused(world: World, now: datetime) -> None:
    credential = current(world.prod)
    mine, theirs = (DataKey.objects.for_environment(place.caller()).get() for place in (world.prod, world.foreign))
    DataKey.unscoped.filter(id=mine.id).update(wrapped=theirs.wrapped)
    require_broken(world.prod, credential, now)
    assert unreadable_data_keys(world.prod.caller().tenant_id) == [(mine.id, "seal_broken")]


def test_rotate_keeps_what_was_sealed_and_seals_with_the_new_key(world: World, now: datetime) -> None:
    before = resolve_credential(world.prod.caller(), QUERY, now=now).value.reveal()
    old = DataKey.objects.for_environment(world.prod.caller()).get(state=DataKeyState.ACTIVE)
    key = rotate_data_key(world.prod.caller(), now=now)
    old.refresh_from_db()
    assert old.state == DataKeyState.RETIRED
    assert resolve_credential(world.prod.caller(), QUERY, now=now).value.reveal() == before
    fresh = new_version(world.prod, "sk-ant-api03-" + "n" * 95, now)
    assert fresh.sealed.startswith(f"v1.{key.id}.")
    event = AuditEvent.objects.filter(event_type="data_key.created").order_by("-sequence")[0]
    assert (event.subject_id, event.detail) == (key.id, {"kek_id": "tests-1"})


def test_rewrap_stopped_between_keys_goes_on_where_it_was(world: World, now: datetime, settings: Any) -> None:
    caller = world.prod.caller()
    rotate_data_key(caller, now=now)
    value = resolve_credential(caller, QUERY, now=now).value.reveal()
    old, new = settings.AUTHSVC_KEKS, other_kek()
    settings.AUTHSVC_KEKS = f"{new},{old}"
    work = rewrap_data_keys(caller, now=now)
    first = next(work)
    assert isinstance(work, Generator)
    del work  # killed here
    keys = DataKey.objects.for_tenant(caller.tenant_id)
    assert first.kek_id == "next-1"
    assert sorted(keys.values_list("kek_id", flat=True)).count("next-1") == 1
    assert resolve_credential(caller, QUERY, now=now).value.reveal() == value
    assert unreadable_data_keys(caller.tenant_id) == []
    rest = [key.id for key in rewrap_data_keys(caller, now=now)]
    assert first.id not in rest
    assert set(keys.values_list("kek_id", flat=True)) == {"next-1"}
    assert list(rewrap_data_keys(caller, now=now)) == []
    settings.AUTHSVC_KEKS = new
    assert unreadable_data_keys(caller.tenant_id) == []
    assert resolve_credential(caller, QUERY, now=now).value.reveal() == value
    events = AuditEvent.objects.filter(event_type="data_key.rewrapped")
    assert {event.subject_id for event in events} == {first.id, *rest}
    assert all(event.detail == {"kek_id": "next-1", "previous_kek_id": "tests-1"} for event in events)


def test_missing_key_answers_503_without_its_id_while_keys_and_health_go_on(
    world: World, now: datetime, settings: Any
) -> None:
    token = world.prod.access_token()
    settings.AUTHSVC_KEKS = other_kek("another")
    with pytest.raises(KeyEncryptionKeyMissing) as caught:
        resolve_credential(world.prod.caller(), QUERY, now=now)
    assert "tests-1" in caught.value.hint
    answer = world.prod.api().post("/credentials/resolve", {"provider": "anthropic"})
    assert (answer.status_code, answer.json()["code"]) == (503, "key_encryption_key_missing")
    assert "tests-1" not in answer.content.decode()
    ready = Api().get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["problems"] == ["key_encryption_key_missing:tests-1"]
    assert Api().get("/health").status_code == 200
    assert Api().get(world.prod.path("/.well-known/jwks.json")).status_code == 200
    assert Api(token).get("/me").status_code == 200


@pytest.mark.parametrize("text", ["", "tests-1:short", "tests-1:%%%"])
def test_unreadable_keyring_is_named_by_readiness(world: World, settings: Any, text: str) -> None:
    settings.AUTHSVC_KEKS = text
    ready = Api().get("/health/ready")
    assert (ready.status_code, ready.json()["problems"]) == (503, ["key_encryption_key_invalid"])


def test_destroy_makes_every_value_of_the_tenant_unreadable_and_no_other(world: World, now: datetime) -> None:
    caller = world.prod.caller()
    count = DataKey.objects.for_tenant(caller.tenant_id).count()
    credential = current(world.prod)
    assert destroy_data_keys(caller, reason="contract ended", now=now) == count
    assert set(DataKey.objects.for_tenant(caller.tenant_id).values_list("state", "wrapped")) == {("destroyed", "")}
    with pytest.raises(DataKeyDestroyed):
        open_text(credential.place(), credential.sealed)
    answer = world.prod.api().post("/credentials/resolve", {"provider": "anthropic"})
    assert (answer.status_code, answer.json()["code"]) == (410, "data_key_destroyed")
    events = AuditEvent.objects.filter(event_type="data_key.destroyed")
    assert {event.detail["reason"] for event in events} == {"contract ended"}
    assert events.count() == count
    assert destroy_data_keys(caller, reason="again", now=now) == 0
    assert resolve_credential(world.foreign.caller(), QUERY, now=now).value.reveal()


def test_seal_counts_its_uses_after_the_commit_and_never_repeats(
    world: World, now: datetime, django_capture_on_commit_callbacks: Any
) -> None:
    caller, place = world.prod.caller(), current(world.prod).place()
    before = DataKey.objects.for_environment(caller).get().seal_count
    with django_capture_on_commit_callbacks(execute=True), CaptureQueriesContext(connection) as asked:
        sealed = {seal_text(caller, place, SecretText("same"), now=now) for _ in range(5)}
    assert {query["sql"].split()[0] for query in asked.captured_queries} == {"SELECT"}  # no row is locked meanwhile
    assert len(sealed) == 5
    assert DataKey.objects.for_environment(caller).get().seal_count == before + 5
    assert {open_text(place, text).reveal() for text in sealed} == {"same"}


@pytest.mark.parametrize("text", ["", "x" * 60_000, "ünï😀", "a\x00b", "\ud800"])
def test_open_returns_any_text_as_it_was(world: World, now: datetime, text: str) -> None:
    place = current(world.prod).place()
    assert open_text(place, seal_text(world.prod.caller(), place, SecretText(text), now=now)).reveal() == text


def test_release_shown_in_any_way_hides_the_value(world: World, now: datetime) -> None:
    release = resolve_credential(world.prod.caller(), QUERY, now=now)
    value = release.value.reveal()
    assert value.startswith("sk-ant-")
    material = SecretMaterial(Kind.API_KEY, {"key": release.value})
    shown = [repr(release), str(release), f"{release}", repr(material), json.dumps(vars(release.lease), default=str)]
    for take in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            take(release.value)
        shown.append(str(caught.value))
    held = release.value
    del value
    try:
        raise RuntimeError(held)
    except RuntimeError as error:
        shown.append("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    secret = held.reveal()
    assert [text for text in shown if secret in text] == []
