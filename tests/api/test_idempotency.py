"""``Idempotency-Key``: a repeat gets the first answer and changes nothing, another request with the key is refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.urls import resolve

from authsvc.audit.models import AuditEvent
from authsvc.ops.retention import purge
from authsvc.tokens.models import IssuedToken
from authsvc.vault.idempotency import TAKES_KEY
from authsvc.vault.models import IdempotentReply
from devices.models import Device
from profiles.models import Credential, Profile
from tests.api.area_calls import COLLECTIONS, Call
from tests.api.id_routes import CASES, Case
from tests.live import CERTIFICATES, LiveServer
from tests.world import Api, Place, World

SECRET = "twice-pasted-secret-000001"
BODY = {"provider": "twice-llm", "kind": "api_key", "value": SECRET}
BRACES = str.maketrans("{}", "xx")
ELSEWHERE = ("/shared-secret", "/rotate-secret", "/devices/enrol")  # not prod's administrator's: tests of their own
KEY = "4b1e6c1c-4c1a-4a8e-9b1a-aa7e9b0c2f11"


def post(place: Place, path: str, body: Any, key: str = KEY) -> Any:
    return place.api().post(path, body, **{"Idempotency-Key": key})


def events() -> int:
    return int(AuditEvent.objects.count())


def test_repeated_profile_is_answered_the_same_and_stored_once(world: World) -> None:
    first = post(world.prod, "/profiles", BODY)
    told = events()
    second = post(world.prod, "/profiles", dict(reversed(BODY.items())))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert ("Idempotency-Replayed" in first, second["Idempotency-Replayed"]) == (False, "true")
    assert events() == told
    assert Profile.objects.for_environment(world.prod.caller()).filter(provider="twice-llm").count() == 1


def test_repeated_version_is_stored_once_and_a_new_key_stores_another(world: World) -> None:
    profile_id = post(world.prod, "/profiles", BODY).json()["id"]
    path, body = f"/profiles/{profile_id}/credentials", {"kind": "api_key", "value": "rotated-secret-0000002"}
    answers = [post(world.prod, path, body, key) for key in ('"a key"', '"a-key"', "a-key", "b-key")]
    assert [answer.status_code for answer in answers] == [400, 201, 201, 201]
    assert [answer.json()["version"] for answer in answers[1:]] == [2, 2, 3]
    assert Credential.objects.for_environment(world.prod.caller()).filter(profile_id=profile_id).count() == 3


def test_repeated_import_and_token_happen_once(world: World) -> None:
    document = {"profiles": {"twice-llm:me": {"type": "api_key", "provider": "twice-llm", "key": SECRET}}}
    body = {"format": "openclaw", "content": document}
    assert [post(world.prod, "/profiles/import", body).status_code for _ in range(2)] == [200, 200]
    assert Credential.objects.for_environment(world.prod.caller()).filter(profile__key="twice-llm:me").count() == 1
    issue = {"principal_id": world.prod.client_id, "scopes": ["profiles:read"]}
    before = IssuedToken.objects.for_environment(world.prod.caller()).count()
    tokens = [post(world.prod, "/tokens", issue, "token-key") for _ in range(2)]
    assert [answer.status_code for answer in tokens] == [201, 201], tokens[0].content
    assert tokens[0].json() == tokens[1].json()
    assert IssuedToken.objects.for_environment(world.prod.caller()).count() == before + 1


@pytest.mark.parametrize("other", [{**BODY, "value": "another-secret-0000001"}, {**BODY, "name": "two"}])
def test_key_with_another_body_is_refused_and_nothing_done(world: World, other: dict[str, str]) -> None:
    post(world.prod, "/profiles", BODY)
    told = events()
    answer = post(world.prod, "/profiles", other)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert events() == told


def test_key_at_another_address_is_refused(world: World) -> None:
    profile_id = post(world.prod, "/profiles", BODY).json()["id"]
    answer = post(world.prod, f"/profiles/{profile_id}/credentials", {"kind": "api_key", "value": SECRET})
    assert answer.status_code == 422


def test_key_belongs_to_one_caller_in_one_environment(world: World) -> None:
    answers = [post(place, "/profiles", BODY) for place in (world.prod, world.dev, world.foreign)]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 3
    somebody_else = Api(world.prod.access_token()).post("/profiles", BODY, **{"Idempotency-Key": KEY})
    assert somebody_else.json().get("code", "") in {"", "profile_exists"}


def test_narrower_proof_of_the_same_caller_is_not_given_the_answer(world: World) -> None:
    body = {"principal_id": world.prod.client_id, "scopes": ["profiles:read"]}
    wide, narrow = (Api(world.prod.access_token(scope=scope)) for scope in ("authsvc:admin", "tokens:issue"))
    first = wide.post("/tokens", body, **{"Idempotency-Key": KEY})
    second = narrow.post("/tokens", body, **{"Idempotency-Key": KEY})
    assert (first.status_code, second.status_code) == (201, 422)
    assert first.json()["access_token"] not in second.content.decode()


def test_failed_request_leaves_its_key_free(world: World) -> None:
    refused = post(world.prod, "/profiles", {**BODY, "value": ""})
    assert refused.status_code == 400
    assert not IdempotentReply.objects.for_environment(world.prod.caller()).exists()
    assert post(world.prod, "/profiles", BODY).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256, '"open', 'a"b', "a\\b"])
def test_key_of_another_form_is_refused_by_name(world: World, key: str) -> None:
    answer = post(world.prod, "/profiles", BODY, key)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["Idempotency-Key"])


def test_reply_is_sealed_and_forgotten_after_a_day(world: World) -> None:
    body = {"principal_id": world.prod.client_id, "scopes": ["profiles:read"]}
    token = post(world.prod, "/tokens", body).json()["access_token"]
    row = IdempotentReply.objects.for_environment(world.prod.caller()).get()
    kept = " ".join(str(value) for value in vars(row).values())
    assert token not in kept
    assert KEY not in kept
    assert purge(now=row.expires_at - timedelta(seconds=1))["idempotent reply"] == 0
    assert purge(now=row.expires_at + timedelta(seconds=1))["idempotent reply"] == 1


def test_key_may_be_used_again_when_its_day_is_over(world: World) -> None:
    post(world.prod, "/profiles", BODY)
    rows = IdempotentReply.objects.for_environment(world.prod.caller())
    rows.update(expires_at=world.made_at - timedelta(seconds=1))
    answer = post(world.prod, "/profiles", {**BODY, "name": "later"})
    assert answer.status_code == 201
    assert rows.count() == 1


def repeatable() -> list[Any]:
    """Return each call of the API whose view takes a key, by its method and route."""
    cases = [(f"/{each.route.lstrip('/')}", each) for each in (*COLLECTIONS, *CASES) if each.method == "POST"]
    found = [each for path, each in cases if view_of(path) in TAKES_KEY and not path.endswith(ELSEWHERE)]
    return [pytest.param(each, id=str(each)) for each in found]


def view_of(path: str) -> Any:
    view = resolve(f"/api/v1{path.translate(BRACES)}").func
    return getattr(view, "cls", None) and view.cls.post  # type: ignore[attr-defined]


@pytest.mark.parametrize("case", repeatable())
def test_repeat_of_each_write_gets_the_first_answer_and_leaves_no_event(world: World, case: Call | Case) -> None:
    place, headers = world.prod, {"Idempotency-Key": KEY}
    path = case.path(case.ids(place)) if isinstance(case, Case) else case.route
    body = case.body(place) if callable(case.body) else case.body
    first = place.api().send("POST", path, body, **headers)
    told = events()
    second = place.api().send("POST", path, body, **headers)
    assert first.status_code in {200, 201}, first.content
    assert (second.status_code, second.json(), events()) == (first.status_code, first.json(), told)
    assert second["Idempotency-Replayed"] == "true"
    assert second["Cache-Control"] == "no-store"
    assert place.api().send("POST", path, {"another": "body"}, **headers).status_code == 422


def test_device_whose_answer_got_lost_joins_once_with_a_code_of_one_use(world: World) -> None:
    code = world.prod.api().post("/devices/enrolment-codes", {"name": "n"}).json()["code"]
    body = {"name": "lamp", "device_type": "esp32", "enrolment_code": code}
    answers = [Api().post("/devices/enrol", body, **{"Idempotency-Key": KEY}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Device.unscoped.filter(principal__name="lamp").count() == 1
    assert Api().post("/devices/enrol", body).status_code == 401
    assert Api().post("/devices/enrol", body, **{"Idempotency-Key": "another"}).status_code == 401
    elsewhere = {**body, "enrolment_code": "aec_made-up"}
    assert Api().post("/devices/enrol", elsewhere, **{"Idempotency-Key": KEY}).status_code == 401
    assert Api().post("/devices/enrol", {"name": "x"}, **{"Idempotency-Key": KEY}).status_code == 400


def test_device_that_rotates_twice_with_one_key_keeps_its_secret(world: World) -> None:
    device = world.prod.device
    proven = Api().post(f"/devices/{device['id']}/authenticate", {"secret": device["secret"]}).json()
    itself, path = Api(proven["access_token"]), f"/devices/{device['id']}/rotate-secret"
    answers = [itself.post(path, {}, **{"Idempotency-Key": KEY}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    secret = {"secret": answers[1].json()["secret"]}
    assert Api().post(f"/devices/{device['id']}/authenticate", secret).status_code == 200


def test_report_that_is_repeated_counts_once(world: World) -> None:
    body = {"profile_id": world.prod.ids["profile"], "outcome": "failure", "reason": "rate_limit"}
    counts = [post(world.prod, "/credentials/report", body).json()["failure_count"] for _ in range(2)]
    assert counts == [1, 1]


def test_simultaneous_repeats_store_one_version(live: LiveServer) -> None:
    headers = {"Authorization": f"Bearer {live.place('acme/dev')['api_key']}", "Idempotency-Key": KEY}
    body = {**BODY, "provider": "at-once-llm"}
    ready = threading.Barrier(6)

    def send(_number: int) -> httpx.Response:
        ready.wait(30)
        address = f"{live.base_url}/api/v1/profiles"
        return httpx.post(address, json=body, headers=headers, timeout=60, verify=CERTIFICATES)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 5
