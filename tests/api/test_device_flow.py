"""RFC 8628 over HTTP: asking, the page where people decide, polling, and every error the RFC names."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from authsvc.audit.models import AuditEvent
from authsvc.tenants.models import Operator
from authsvc.tokens.models import IssuedToken
from authsvc.web.caller import Caller
from devices.models import Device, DeviceAuthorization
from devices.services.lifecycle import approve_device, reject_device
from devices.services.review import review_devices
from tests.qr_reader import read_page
from tests.world import Api, Place, World

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
PUBLIC = "authsvc-device"


def ask(place: Place, **fields: str) -> Any:
    return place.form("/oauth/device_authorization", {"client_id": PUBLIC, **fields})


def poll(place: Place, device_code: str, **fields: str) -> Any:
    form = {"grant_type": DEVICE_CODE, "device_code": device_code, "client_id": PUBLIC, **fields}
    return place.form("/oauth/token", {name: value for name, value in form.items() if value})


def rest(device_code_of: Device) -> None:
    """Let the interval pass: as if the last poll was long ago."""
    authorization = DeviceAuthorization.unscoped.filter(device=device_code_of)
    authorization.update(last_polled_at=device_code_of.created_at - timedelta(minutes=1))


def pending(place: Place) -> Device:
    found: Device = Device.unscoped.filter(environment=place.environment(), authorization__isnull=False).latest(
        "created_at"
    )
    return found


class Person:
    """An operator with a browser."""

    def __init__(self, world: World, name: str) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.client.force_login(Operator.objects.get(username=world.document["operators"][name]["username"]))
        self.page = self.client.get("/device")

    def post(self, **fields: str) -> Any:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.page.content.decode())
        assert token is not None
        return self.client.post("/device", {"csrfmiddlewaretoken": token[1], **fields})

    def look(self, user_code: str) -> dict[str, str]:
        """Type the code and return the fields of the card's form."""
        card = self.post(user_code=user_code)
        assert card.status_code == 200, card.content
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', card.content.decode())
        return {name: value for name, value in hidden if name != "csrfmiddlewaretoken"}


def test_whole_conversation_gives_one_token_bound_to_the_device(world: World) -> None:
    place = world.prod
    asked = ask(place, scope="status:read decisions:make", device_name="Hall lamp").json()
    assert re.fullmatch(r"[B-Z]{4}-[B-Z]{4}", asked["user_code"])
    assert asked["verification_uri"] == "http://testserver/device"
    assert asked["verification_uri_complete"].endswith(f"user_code={asked['user_code']}")
    assert (asked["expires_in"], asked["interval"]) == (600, 5)
    assert poll(place, asked["device_code"]).json()["error"] == "authorization_pending"
    device = pending(place)
    person = Person(world, "acme")
    card = person.look(asked["user_code"].lower().replace("-", " "))
    done = person.post(**card, trust_level="2", decision="approve")
    assert done.status_code == 200
    assert b"Hall lamp" in done.content
    rest(device)
    answer = poll(place, asked["device_code"])
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["scope"] == "decisions:make status:read"
    me = Api(answer.json()["access_token"]).get("/me").json()
    assert (me["trust_level"], me["scopes"]) == (2, ["decisions:make", "status:read"])
    rest(device)
    assert poll(place, asked["device_code"]).json()["error"] == "invalid_grant"


def test_codes_are_stored_as_hashes_only(world: World) -> None:
    asked = ask(world.prod).json()
    device = pending(world.prod)
    stored = (
        f"{Device.unscoped.filter(id=device.id).values()} {DeviceAuthorization.unscoped.filter(device=device).values()}"
    )
    assert asked["device_code"] not in stored
    assert asked["user_code"].replace("-", "") not in stored


def test_polling_too_fast_slows_down_by_five_seconds_each_time(world: World) -> None:
    asked = ask(world.prod).json()
    poll(world.prod, asked["device_code"])
    assert poll(world.prod, asked["device_code"]).json()["error"] == "slow_down"
    assert poll(world.prod, asked["device_code"]).json()["error"] == "slow_down"
    assert DeviceAuthorization.unscoped.get(device=pending(world.prod)).interval_seconds == 15


def test_rejected_request_is_access_denied(world: World) -> None:
    asked = ask(world.prod).json()
    device = pending(world.prod)
    reject_device(world.prod.caller(), device=device, reason="no", now=device.created_at)
    answer = poll(world.prod, asked["device_code"])
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")


def test_expired_device_code_is_expired_token(world: World) -> None:
    asked = ask(world.prod).json()
    device = pending(world.prod)
    DeviceAuthorization.unscoped.filter(device=device).update(expires_at=device.created_at)
    assert poll(world.prod, asked["device_code"]).json()["error"] == "expired_token"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"device_code": ""}, "invalid_request"),
        ({"device_code": "made-up"}, "invalid_grant"),
        ({"client_id": ""}, "invalid_request"),
        ({"client_id": "svc_nobody"}, "invalid_client"),
    ],
)
def test_bad_poll_is_the_error_of_the_rfc(world: World, fields: dict[str, str], error: str) -> None:
    asked = ask(world.prod).json()
    answer = poll(world.prod, fields.pop("device_code", asked["device_code"]), **fields)
    assert answer.json()["error"] == error


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"client_id": "svc_nobody"}, "invalid_client"),
        ({"scope": "no:such:thing:here"}, "invalid_scope"),
        ({"audience": "nowhere"}, "invalid_target"),
        ({"device_name": "evil\u202ename"}, "invalid_request"),
    ],
)
def test_bad_device_authorization_is_refused(world: World, fields: dict[str, str], error: str) -> None:
    assert ask(world.prod, **fields).json()["error"] == error


def test_device_code_of_another_client_environment_or_tenant_is_invalid(world: World) -> None:
    asked = ask(world.prod).json()
    for place in (world.dev, world.foreign):
        assert poll(place, asked["device_code"]).json()["error"] == "invalid_grant"
    other = poll(world.prod, asked["device_code"], client_id=world.prod.client_id)
    assert other.json()["error"] == "invalid_grant"


def test_confidential_client_must_prove_itself_again_when_polling(world: World) -> None:
    place = world.prod
    proof = {"client_id": place.client_id, "client_secret": place.client_secret}
    asked = ask(place, **proof).json()
    assert poll(place, asked["device_code"], client_id=place.client_id).json()["error"] == "invalid_grant"
    assert poll(place, asked["device_code"], **proof).json()["error"] == "authorization_pending"


@pytest.mark.parametrize(("proves", "named"), [(True, "the client"), (False, "the device")])
def test_token_names_a_service_account_only_when_it_proved_itself(world: World, proves: bool, named: str) -> None:
    place = world.prod
    client = {"client_id": place.client_id, "client_secret": place.client_secret if proves else ""}
    asked = ask(place, **{name: value for name, value in client.items() if value}).json()
    device = pending(place)
    approve_device(place.caller(), device=device, user_code=asked["user_code"], now=device.created_at)
    answer = poll(place, asked["device_code"], **client).json()
    assert answer["device_id"] == device.id
    issued = IssuedToken.unscoped.filter(principal_id=device.id).get()
    assert issued.client_id == {"the client": place.client_id, "the device": device.id}[named]


def test_one_network_has_at_most_twenty_requests_waiting(world: World) -> None:
    answers = [ask(world.prod).status_code for _ in range(21)]
    assert answers == [200] * 20 + [429]


def test_metadata_names_the_endpoint_and_the_grant(world: World) -> None:
    document = Client().get(world.prod.path("/.well-known/oauth-authorization-server")).json()
    assert document["device_authorization_endpoint"].endswith("/t/acme/prod/oauth/device_authorization")
    assert DEVICE_CODE in document["grant_types_supported"]


def test_page_without_a_session_leads_to_sign_in_and_back(world: World) -> None:
    answer = Client().get("/device?user_code=BCDF-GHJK")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/admin/login/?next=%2Fdevice%3Fuser_code%3DBCDF-GHJK"


def test_page_has_a_strict_policy_and_no_inline_code(world: World) -> None:
    page = Person(world, "acme").page
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert b"<script" not in page.content
    assert b"style=" not in page.content


@pytest.mark.parametrize(
    ("query", "read"),
    [("?user_code=bcdf%20ghjk", "/device?user_code=BCDF-GHJK"), ("", "/device"), ("?user_code=no", "/device")],
)
def test_page_shows_its_own_address_for_a_phone(world: World, settings: Any, query: str, read: str) -> None:
    text, label = read_page(Person(world, "acme").client.get(f"/device{query}").content.decode())
    assert text == settings.AUTHSVC_BASE_URL + read
    assert label.endswith("BCDF-GHJK" if "BCDF" in read else "phone")


def test_page_of_an_address_too_long_for_a_qr_code_shows_none(world: World, settings: Any) -> None:
    settings.AUTHSVC_BASE_URL = f"https://{'a' * 210}.example"
    page = Person(world, "acme").client.get("/device")
    assert (page.status_code, b"<svg" in page.content) == (200, False)


def test_page_counts_wrong_codes_and_stops_after_five(world: World) -> None:
    asked = ask(world.prod).json()
    person = Person(world, "acme")
    for _ in range(5):
        assert person.post(user_code="BCDF-GHJK").status_code == 404
    assert person.post(user_code=asked["user_code"]).status_code == 429
    assert AuditEvent.objects.filter(event_type="device.code_mistyped").count() == 5


def test_operator_of_another_tenant_sees_and_decides_nothing(world: World) -> None:
    asked = ask(world.prod).json()
    card = Person(world, "acme").look(asked["user_code"])
    stranger = Person(world, "globex")
    assert stranger.post(user_code=asked["user_code"]).status_code == 404
    assert stranger.post(**card, trust_level="2", decision="approve").status_code == 404
    assert Device.unscoped.get(id=card["device"]).status == "pending"
    assert AuditEvent.objects.filter(event_type="device.approval_refused", subject_id=card["device"]).count() == 1


def test_auditor_sees_the_card_and_cannot_approve(world: World) -> None:
    asked = ask(world.prod).json()
    auditor = Person(world, "acme-auditor")
    card = auditor.post(user_code=asked["user_code"])
    assert b'value="approve"' not in card.content
    fields = Person(world, "acme").look(asked["user_code"])
    assert auditor.post(**fields, trust_level="1", decision="approve").status_code == 403
    assert _refusals(fields["device"]) == ["forbidden"]


def test_request_changed_after_the_card_was_shown_is_stale(world: World) -> None:
    asked = ask(world.prod, scope="status:read").json()
    person = Person(world, "acme")
    card = person.look(asked["user_code"])
    Device.unscoped.filter(id=card["device"]).update(requested_scopes=["authsvc:admin"])
    assert person.post(**card, trust_level="2", decision="approve").status_code == 409
    assert Device.unscoped.get(id=card["device"]).status == "pending"
    assert _refusals(card["device"]) == ["request_stale"]


def test_replayed_form_and_form_without_snapshot_are_refused(world: World) -> None:
    asked = ask(world.prod).json()
    person = Person(world, "acme")
    card = person.look(asked["user_code"])
    assert person.post(**{**card, "snapshot": ""}, trust_level="1", decision="approve").status_code == 409
    assert person.post(**card, trust_level="1", decision="approve").status_code == 200
    assert person.post(**card, trust_level="1", decision="approve").status_code == 409
    assert _refusals(card["device"]) == ["request_stale", "illegal_transition"]


def test_page_rejects_with_a_reason(world: World) -> None:
    asked = ask(world.prod).json()
    person = Person(world, "acme")
    assert person.post(**person.look(asked["user_code"]), reason="unknown", decision="reject").status_code == 200
    assert poll(world.prod, asked["device_code"]).json()["error"] == "access_denied"


def _refusals(device_id: str) -> list[str]:
    rows = AuditEvent.objects.filter(event_type="device.approval_refused", subject_id=device_id).order_by("sequence")
    return [row.detail["code"] for row in rows]


def test_device_cannot_approve_itself(world: World) -> None:
    caller: Caller = world.prod.caller()
    place = world.prod
    token = place.api().post(f"/devices/{place.device['id']}/authenticate", {"secret": place.device["secret"]}).json()
    answer = Api(token["access_token"]).post(f"/devices/{place.device['id']}/approve", {"user_code": "BCDF-GHJK"})
    assert answer.status_code == 403
    rows = AuditEvent.objects.filter(
        tenant_id=caller.tenant_id, actor_id=place.device["id"], event_type="access.denied"
    )
    assert rows.count() == 1


def test_device_may_ask_for_scopes_its_environment_defined(world: World) -> None:
    place, audience = world.prod, world.prod.gateway["audience"]
    lamps = {"scope": "lamps:read", "sentence": "See lamps."}
    assert ask(place, scope="lamps:read", audience=audience).json()["error"] == "invalid_scope"
    assert place.api().post("/scopes", lamps).status_code == 201
    for scope in ("lamps:read", "lamps:l1:read status:read"):
        asked = ask(place, scope=scope, audience=audience)
        assert asked.status_code == 200
        assert pending(place).requested_scopes == scope.split()
    assert ask(place, scope="lamps:write", audience=audience).json()["error"] == "invalid_scope"
    assert ask(world.dev, scope="lamps:read").json()["error"] == "invalid_scope"


def test_approved_device_carries_a_scope_its_environment_defined(world: World) -> None:
    place = world.prod
    assert place.api().post("/scopes", {"scope": "lamps:read", "sentence": "See lamps."}).status_code == 201
    asked = ask(place, scope="lamps:read", audience=place.gateway["audience"]).json()
    device = pending(place)
    card = Person(world, "acme")
    shown = card.look(asked["user_code"])
    assert card.post(**{**shown, "trust_level": "2", "decision": "approve"}).status_code == 200
    answer = poll(place, asked["device_code"]).json()
    assert (answer["scope"], answer["device_id"]) == ("lamps:read", device.id)


@pytest.mark.parametrize(
    ("audience", "expected"), [("", 200), ("authsvc", 200), ("nobody", 400), ("AUTHSVC", 400), ("authsvc ", 400)]
)
def test_audience_means_the_same_at_every_door(world: World, audience: str, expected: int) -> None:
    fields = {"audience": audience} if audience else {}
    for answer in (ask(world.prod, **fields), world.prod.token_request(**fields)):
        assert answer.status_code == expected
        if expected == 400:
            assert answer.json()["error"] == "invalid_target"
    issued = world.prod.api().post("/tokens", {"principal_id": world.prod.client_id, **fields})
    assert issued.status_code == (201 if expected == 200 else 400)


@pytest.mark.parametrize("field", ["user_code", "device", "reason", "snapshot", "trust_level"])
def test_page_refuses_what_no_person_types(world: World, field: str) -> None:
    asked = ask(world.prod).json()
    person = Person(world, "acme")
    card = {**person.look(asked["user_code"]), "trust_level": "1", "decision": "approve"}
    assert person.post(**{**card, field: "x\x00y"}).status_code == 400
    assert person.post(**{**card, field: "\u202e" * 3000}).status_code in {200, 400, 404, 409}


def test_page_without_a_csrf_token_changes_nothing(world: World) -> None:
    asked = ask(world.prod).json()
    person = Person(world, "acme")
    card = person.look(asked["user_code"])
    answer = person.client.post("/device", {**card, "trust_level": "1", "decision": "approve"})
    assert answer.status_code == 403
    assert Device.unscoped.get(id=card["device"]).status == "pending"


def test_review_forgets_requests_of_strangers_after_a_day(world: World) -> None:
    ask(world.prod)
    stranger, moment = pending(world.prod), pending(world.prod).created_at
    review_devices(moment + timedelta(hours=1))
    assert Device.unscoped.get(id=stranger.id).status == "rejected"
    review_devices(moment + timedelta(hours=26))
    assert not Device.unscoped.filter(id=stranger.id).exists()
    assert AuditEvent.objects.filter(subject_id=stranger.id, event_type="device.deleted").count() == 1
