"""Passkeys: added, used after the password and instead of it, removed; and every wrong answer refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.operators.models import Passkey, RecoveryCode, UsedChallenge
from authsvc.operators.webauthn import passkey_fault
from authsvc.tenants.models import Operator, Tenant
from tests.admin.conftest import SignedIn
from tests.soft_key import PRESENT, SoftKey, bytes_of, text_of
from tests.world import World

HOST = "auth.example"
ORIGIN = f"https://{HOST}"
SET_UP, VERIFY, OPTIONS, LOGIN = (
    "/admin/second-factor/",
    "/admin/verify/",
    "/admin/passkeys/options/",
    "/admin/login/passkey/",
)
Change = Callable[[SoftKey, dict[str, Any]], dict[str, Any]]


@pytest.fixture(autouse=True)
def _named_host(settings: Any) -> None:
    settings.AUTHSVC_BASE_URL = ORIGIN


@pytest.fixture
def key() -> SoftKey:
    """Return a key at our own origin."""
    return SoftKey(ORIGIN, HOST)


def ask(client: Client, purpose: str) -> dict[str, Any]:
    """Return the options for one purpose."""
    answer = client.post(OPTIONS, {"purpose": purpose})
    assert answer.status_code == 200, purpose
    document: dict[str, Any] = answer.json()
    return document


def add(client: Client, key: SoftKey, answer: dict[str, Any] | None = None) -> str:
    """Add a passkey; returns the page."""
    answer = answer or key.create(ask(client, "add"))
    body = {"add_passkey": "1", "name": "laptop", "passkey": json.dumps(answer)}
    return client.post(SET_UP, body).content.decode()


def sign_in(answer: object) -> tuple[Client, Any]:
    """Sign in with an answer; returns the client and what it got."""
    client = Client()
    return client, client.post(LOGIN, {"passkey": json.dumps(answer)})


def test_passkey_is_added_with_recovery_codes_and_then_asked_for(
    world: World, acme: Client, key: SoftKey, signed_in: SignedIn
) -> None:
    assert "Recovery codes" in add(acme, key)
    assert RecoveryCode.objects.count() == 10
    assert AuditEvent.objects.filter(event_type="operator.passkey_added").exists()
    fresh = signed_in("acme")
    assert fresh.get("/admin/", follow=True).redirect_chain[-1][0] == VERIFY
    answer = key.get(ask(fresh, "prove"))
    assert fresh.post(VERIFY, {"factor_passkey": json.dumps(answer)}).headers["Location"] == "/admin/"
    assert fresh.get("/admin/").status_code == 200


def test_passkey_signs_in_without_a_password(world: World, acme: Client, key: SoftKey) -> None:
    add(acme, key)
    client, answer = sign_in(key.get(ask(Client(), "sign-in")))
    assert answer.headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert AuditEvent.objects.filter(event_type="operator.logged_in").exists()


def test_operator_without_a_tenant_enters_nothing_by_passkey(world: World, acme: Client, key: SoftKey) -> None:
    add(acme, key)
    operator = Operator.objects.get(username="acme")
    operator.memberships.all().delete()
    client, _ = sign_in(key.get(ask(Client(), "sign-in")))
    assert client.get("/admin/").status_code == 302
    Operator.objects.filter(pk=operator.pk).update(is_active=False)
    _, answer = sign_in(key.get(ask(Client(), "sign-in")))
    assert "not accepted" in answer.content.decode()


def test_answer_counts_once(world: World, acme: Client, key: SoftKey) -> None:
    add(acme, key)
    answer = key.get(ask(Client(), "sign-in"))
    assert sign_in(answer)[1].status_code == 302
    assert "not accepted" in sign_in(answer)[1].content.decode()


def test_answer_counts_once_without_a_counter_too(world: World, acme: Client, key: SoftKey) -> None:
    add(acme, key)
    key.count = -1  # many authenticators always say 0
    answer = key.get(ask(Client(), "sign-in"))
    assert sign_in(answer)[1].status_code == 302
    assert "not accepted" in sign_in(answer)[1].content.decode()
    assert UsedChallenge.objects.count() == 2


def test_counter_that_went_back_is_refused(world: World, acme: Client, key: SoftKey) -> None:
    add(acme, key)
    key.count = 5
    assert sign_in(key.get(ask(Client(), "sign-in")))[1].status_code == 302
    key.count = 3
    client = Client()
    answer = client.post(LOGIN, {"passkey": json.dumps(key.get(ask(client, "sign-in")))})
    assert answer.status_code == 200
    assert "old counter" in answer.content.decode()
    assert client.get("/admin/").status_code == 302


def elsewhere(**fields: Any) -> Change:
    """Return a change of the key itself before it answers."""

    def change(key: SoftKey, options: dict[str, Any]) -> dict[str, Any]:
        for name, value in fields.items():
            setattr(key, name, value)
        return key.get(options)

    return change


def signature_of_another(key: SoftKey, options: dict[str, Any]) -> dict[str, Any]:
    """Sign with a key that was never registered, under the registered id."""
    return SoftKey(ORIGIN, HOST, credential_id=key.credential_id, count=key.count).get(options)


def tampered(name: str) -> Change:
    """Return a change of one byte of one part of the answer."""

    def change(key: SoftKey, options: dict[str, Any]) -> dict[str, Any]:
        answer = key.get(options)
        data = bytearray(bytes_of(answer["response"][name]))
        data[-1] ^= 1
        answer["response"][name] = text_of(bytes(data))
        return answer

    return change


HOSTILE: dict[str, Change] = {
    "another origin": elsewhere(origin="https://evil.example"),
    "a longer origin": elsewhere(origin=f"{ORIGIN}.evil.example"),
    "http": elsewhere(origin=f"http://{HOST}"),
    "another port": elsewhere(origin=f"{ORIGIN}:8443"),
    "another relying party": elsewhere(host="evil.example"),
    "in a frame": elsewhere(cross_origin=True),
    "nobody present": elsewhere(flags=4),
    "nobody verified": elsewhere(flags=PRESENT),
    "an unknown credential": elsewhere(credential_id=b"\x02" * 32),
    "another key": signature_of_another,
    "a changed signature": tampered("signature"),
    "changed authenticator data": tampered("authenticatorData"),
    "changed client data": tampered("clientDataJSON"),
    "a registration's type": lambda key, options: key.get(options, type="webauthn.create"),
    "a made-up challenge": lambda key, options: key.get(options, challenge=text_of(bytes(56))),
    "no challenge": lambda key, options: key.get(options, challenge=""),
    "nothing": lambda _key, _options: {},
    "a list": lambda _key, _options: [],  # type: ignore[return-value, dict-item]
    "no parts": lambda key, options: {**key.get(options), "response": {}},
    "parts of another kind": lambda key, options: {**key.get(options), "response": {"signature": 1}},
    "too much": lambda key, options: {**key.get(options), "more": "x" * 30_000},
    "deep": lambda _key, _options: json.loads("[" * 900 + "]" * 900),
    "rubbish": lambda _key, _options: {"id": "x", "rawId": "\u0000", "type": "public-key", "response": "x"},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_answer_is_refused_alike(world: World, acme: Client, key: SoftKey, what: str) -> None:
    add(acme, key)
    client = Client()
    answer = client.post(LOGIN, {"passkey": json.dumps(HOSTILE[what](key, ask(client, "sign-in")))})
    assert answer.status_code == 200
    assert "This passkey was not accepted" in answer.content.decode()
    assert client.get("/admin/").status_code == 302


def test_question_of_another_purpose_or_operator_counts_for_nothing(
    world: World, acme: Client, globex: Client, key: SoftKey, signed_in: SignedIn
) -> None:
    other = SoftKey(ORIGIN, HOST, credential_id=b"\x03" * 32)
    add(acme, key)
    add(globex, other)
    fresh = signed_in("acme")
    for answer in (key.get(ask(fresh, "sign-in")), key.get(ask(globex, "prove")), other.get(ask(fresh, "prove"))):
        assert "not accepted" in fresh.post(VERIFY, {"factor_passkey": json.dumps(answer)}).content.decode()
    assert fresh.get("/admin/").status_code == 302
    assert AuditEvent.objects.filter(event_type="operator.second_factor_failed").count() == 3


def test_hostile_registration_adds_nothing(world: World, acme: Client, key: SoftKey) -> None:
    options = ask(acme, "add")
    hostile = [
        key.create(options, origin="https://evil.example"),
        key.create(options, type="webauthn.get"),
        key.create(options, challenge=text_of(bytes(56))),
        key.create(options, crossOrigin=True),
        SoftKey(ORIGIN, "evil.example").create(options),
        SoftKey(ORIGIN, HOST, flags=PRESENT).create(options),
        {**key.create(options), "rawId": text_of(b"\x09" * 32)},
        {
            "id": "x",
            "rawId": "x",
            "type": "public-key",
            "response": {"attestationObject": "oA", "clientDataJSON": "e30"},
        },
    ]
    for answer in hostile:
        assert "not accepted" in add(acme, key, answer)
    assert not Passkey.objects.exists()


def test_registered_credential_is_nobody_elses(world: World, acme: Client, globex: Client, key: SoftKey) -> None:
    add(acme, key)
    assert "not accepted" in add(globex, key)
    assert Passkey.objects.get().user_id == Operator.objects.get(username="acme").id


def test_passkey_is_removed_but_not_the_last_one_where_a_factor_is_required(
    world: World, acme: Client, key: SoftKey
) -> None:
    add(acme, key)
    row = Passkey.objects.get()
    Tenant.objects.filter(slug="acme").update(require_mfa=True)
    assert "required of you" in acme.post(SET_UP, {"remove_passkey": str(row.pk)}).content.decode()
    Tenant.objects.filter(slug="acme").update(require_mfa=False)
    acme.post(SET_UP, {"remove_passkey": str(row.pk)})
    assert not Passkey.objects.exists()
    assert not RecoveryCode.objects.exists()


def test_passkey_of_somebody_else_is_not_there(world: World, acme: Client, globex: Client, key: SoftKey) -> None:
    add(acme, key)
    foreign = globex.post(SET_UP, {"remove_passkey": str(Passkey.objects.get().pk)}).content.decode()
    missing = globex.post(SET_UP, {"remove_passkey": "999999"}).content.decode()
    assert Passkey.objects.exists()
    assert foreign.partition("errornote")[2][:200] == missing.partition("errornote")[2][:200] != ""


@pytest.mark.parametrize("purpose", ["add", "prove", "other", ""])
def test_strangers_get_no_options_but_those_for_signing_in(world: World, purpose: str) -> None:
    assert Client().post(OPTIONS, {"purpose": purpose}).status_code == 404
    assert "allowCredentials" not in ask(Client(), "sign-in")["publicKey"]


def test_password_alone_adds_no_passkey_beside_a_factor(
    world: World, acme: Client, key: SoftKey, signed_in: SignedIn
) -> None:
    add(acme, key)
    assert signed_in("acme").post(OPTIONS, {"purpose": "add"}).status_code == 404


@pytest.mark.parametrize(
    ("base_url", "word"),
    [("http://127.0.0.1:8000", "address"), ("http://auth.example", "https"), ("https://[::1]", "address")],
)
def test_passkeys_are_hidden_where_browsers_offer_none(
    world: World, acme: Client, settings: Any, base_url: str, word: str
) -> None:
    settings.AUTHSVC_BASE_URL = base_url
    assert word in passkey_fault(base_url)
    assert "passkey" not in acme.get(SET_UP).content.decode().lower()
    assert "passkey" not in Client().get("/admin/login/").content.decode().lower()
    assert acme.post(OPTIONS, {"purpose": "add"}).status_code == 404
    assert Client().post(LOGIN, {"passkey": "{}"}).status_code == 404
