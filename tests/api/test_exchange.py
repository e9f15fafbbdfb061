"""Token exchange (RFC 8693): every kind of subject, narrowing, actors, and what is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authsvc.audit.models import AuditEvent
from authsvc.tokens.services import revoke_token
from rbac.scopes import AUTHSVC_ADMIN, HeldScopes
from tests.world import Api, Place, World, altered

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
OWN = "urn:authsvc:token-type:"


@pytest.fixture
def place(world: World) -> Place:
    return world.prod


def exchange(place: Place, subject: str, kind: str = ACCESS, **fields: str) -> Any:
    form = {"grant_type": GRANT, "subject_token": subject, "subject_token_type": kind, **fields}
    return place.form("/oauth/token", form)


def claims_of(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.content
    claims: dict[str, Any] = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    return claims


@pytest.mark.parametrize("kind", [ACCESS, f"{OWN}api-key"])
def test_api_key_becomes_a_narrow_token(place: Place, kind: str) -> None:
    answer = exchange(place, place.api_key, kind, scope="profiles:read")
    assert claims_of(answer)["scopes"] == ["profiles:read"]
    assert answer.json()["issued_token_type"] == ACCESS
    assert "refresh_token" not in answer.json()
    assert Api(answer.json()["access_token"]).get("/profiles").status_code == 200
    assert Api(answer.json()["access_token"]).get("/roles").status_code == 403


def test_api_key_for_a_gateway_carries_only_gateway_scopes(place: Place) -> None:
    answer = exchange(place, place.api_key, scope="agents:agent-1:read", audience=place.gateway["audience"])
    assert claims_of(answer)["aud"] == place.gateway["audience"]
    assert claims_of(answer)["scopes"] == ["agents:agent-1:read"]


def test_access_token_narrows_and_does_not_outlive_its_subject(place: Place) -> None:
    subject = place.access_token()
    answer = exchange(place, subject, scope="profiles:read status:read")
    narrow = claims_of(answer)
    assert narrow["scopes"] == ["profiles:read", "status:read"]
    assert narrow["exp"] <= jwt.decode(subject, options={"verify_signature": False})["exp"]
    again = exchange(place, answer.json()["access_token"], scope="roles:read")
    assert (again.status_code, again.json()["error"]) == (400, "invalid_scope")


def test_access_token_keeps_its_audience(place: Place) -> None:
    answer = exchange(place, place.access_token(), audience=place.gateway["audience"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


def test_device_secret_gives_its_scopes_and_a_refresh_token(place: Place) -> None:
    answer = exchange(place, place.device["secret"], f"{OWN}device-secret", scope="credentials:resolve")
    claims = claims_of(answer)
    assert (claims["sub"], claims["device_id"], claims["scopes"]) == (
        place.device["id"],
        place.device["id"],
        ["credentials:resolve"],
    )
    assert answer.json()["refresh_token"].startswith("art_prod_")


def test_gateway_token_never_becomes_more_than_its_kind(place: Place) -> None:
    role = place.api().post("/roles", {"name": "Wide", "scopes": ["profiles:write", "decisions:make"]}).json()["id"]
    grant = {"principal_id": place.gateway["id"], "role_id": role}
    assert place.api().post("/grants", grant).status_code == 201
    wide = exchange(place, place.gateway["token"], scope="profiles:write")
    assert (wide.status_code, wide.json()["error"]) == (400, "invalid_scope")
    assert claims_of(exchange(place, place.gateway["token"]))["scopes"] == ["decisions:make"]


def test_authenticated_client_acts_for_the_subject(place: Place) -> None:
    reader = place.reader
    answer = exchange(place, place.access_token(), scope="status:read", **reader)
    claims = claims_of(answer)
    assert (claims["sub"], claims["act"]) == (place.client_id, {"sub": reader["client_id"]})
    event = AuditEvent.objects.filter(event_type="token.exchanged").latest("sequence")
    assert event.detail["actor_id"] == reader["client_id"]
    form = {"token": answer.json()["access_token"], "client_id": place.client_id}
    seen = place.form("/oauth/introspect", {**form, "client_secret": place.client_secret}).json()
    assert seen["act"] == {"sub": reader["client_id"]}


def test_actor_token_nests_earlier_actors(place: Place) -> None:
    first = exchange(place, place.access_token(), scope="status:read", **place.reader).json()["access_token"]
    second = exchange(place, first, actor_token=place.gateway["token"], actor_token_type=ACCESS)
    assert claims_of(second)["act"] == {"sub": place.gateway["id"], "act": {"sub": place.reader["client_id"]}}
    assert Api(second.json()["access_token"]).get("/me").status_code == 200


@pytest.mark.parametrize("other", ["acme/dev", "globex/prod"])
def test_subject_of_other_environment_is_invalid_request(world: World, other: str) -> None:
    place = world.place(other)
    bodies = set()
    for subject in (place.api_key, place.access_token(), "garbage", altered(world.prod.api_key)):
        answer = exchange(world.prod, subject)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        bodies.add(answer.content)
    assert len(bodies) == 1
    secret = exchange(world.prod, place.device["secret"], f"{OWN}device-secret")
    assert secret.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "fields",
    [
        {"subject_token": ""},
        {"subject_token_type": ""},
        {"subject_token_type": f"{OWN}device-secret"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"actor_token": "x"},
        {"actor_token": "x", "actor_token_type": ACCESS},
        {"actor_token_type": ACCESS},
    ],
)
def test_malformed_exchange_is_invalid_request(place: Place, fields: dict[str, str]) -> None:
    form = {"grant_type": GRANT, "subject_token": place.api_key, "subject_token_type": ACCESS, **fields}
    answer = place.form("/oauth/token", form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("kind", ["client_secret", "refresh_token"])
def test_other_opaque_proofs_are_no_subject(place: Place, kind: str) -> None:
    proofs = {"client_secret": place.client_secret, "refresh_token": "art_prod_0000000000000000_" + "0" * 49}
    assert exchange(place, proofs[kind]).json()["error"] == "invalid_request"


def test_wrong_client_is_invalid_client(place: Place) -> None:
    answer = exchange(place, place.api_key, client_id=place.client_id, client_secret="wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_revoked_subject_is_refused(place: Place, now: datetime) -> None:
    subject = place.access_token()
    jti = jwt.decode(subject, options={"verify_signature": False})["jti"]
    revoke_token(place.caller(), jti=jti, reason="test", now=now)
    assert exchange(place, subject).json()["error"] == "invalid_request"


def test_end_of_family_ends_what_was_exchanged_from_it(place: Place) -> None:
    first = exchange(place, place.device["secret"], f"{OWN}device-secret").json()
    narrow = exchange(place, first["access_token"], scope="status:read").json()["access_token"]
    assert Api(narrow).get("/me").status_code == 200
    place.form("/oauth/revoke", {"token": first["refresh_token"]})
    assert Api(narrow).get("/me").status_code == 401


SCOPES = ["profiles:read", "profiles:write", "roles:read", "status:read", "credentials:resolve", "authsvc:admin"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=st.sets(st.sampled_from(SCOPES), min_size=1), asked=st.sets(st.sampled_from(SCOPES)))
def test_exchange_never_exceeds_its_subject(world: World, held: set[str], asked: set[str]) -> None:
    place = world.prod
    subject = exchange(place, place.api_key, scope=" ".join(held)).json()["access_token"]
    before = HeldScopes(jwt.decode(subject, options={"verify_signature": False})["scopes"], admin_scope=AUTHSVC_ADMIN)
    answer = exchange(place, subject, **({"scope": " ".join(asked)} if asked else {}))
    if answer.status_code == 200:
        assert before.missing(claims_of(answer)["scopes"]) == ()
    else:
        assert answer.json()["error"] == "invalid_scope"
        assert not any(before.covers(scope) for scope in asked)
