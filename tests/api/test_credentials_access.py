"""Every credential route: no proof is 401, a scope too few is 403, what another environment holds is not there."""

from __future__ import annotations

from typing import Any

import pytest

from authsvc.audit.models import AuditEvent
from authsvc.vault.models import DataKey
from profiles.models import Credential
from tests.world import Api, World

ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/status", None),
    ("GET", "/providers", None),
    ("PUT", "/providers/acme-llm", {}),
    ("DELETE", "/providers/acme-llm", None),
    ("GET", "/profiles/export", None),
    ("GET", "/profiles/settings", None),
    ("PATCH", "/profiles/settings", {}),
    ("POST", "/profiles/prf_x/clear-cooldown", {}),
    ("POST", "/credentials/report", {"outcome": "success", "profile_id": "prf_x"}),
    ("POST", "/credentials/resolve", {"provider": "anthropic"}),
    ("GET", "/sessions/s/pin", None),
    ("PUT", "/sessions/s/pin", {"profile": "anthropic:default"}),
    ("DELETE", "/sessions/s/pin", None),
    ("PUT", "/order/anthropic", {"profiles": []}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_route_without_proof_is_401_and_without_scope_403(world: World, method: str, path: str, body: Any) -> None:
    assert Api().send(method, path, body).status_code == 401
    narrow = world.prod.access_token(scope="audit:read")
    assert Api(narrow).send(method, path, body).status_code == 403


@pytest.mark.parametrize("path", ["/status", "/profiles/export?secrets=full", "/providers", "/profiles/settings"])
def test_gateway_token_sees_no_credential(world: World, path: str) -> None:
    answer = Api(world.prod.gateway["token"]).get(path)
    assert answer.status_code == 403
    assert "sk-ant-api03-DEMO" not in answer.content.decode()


@pytest.mark.parametrize("damage", ["swap", "flip", "truncate"])
def test_damaged_ciphertext_is_a_typed_refusal_with_an_event(world: World, damage: str) -> None:
    caller = world.prod.caller()
    other = {"provider": "other-llm", "kind": "api_key", "value": "other-secret-00001"}
    foreign_id = world.prod.api().post("/profiles", other).json()["id"]
    own = Credential.objects.for_environment(caller).get(id=world.prod.ids["credential"])
    foreign = Credential.objects.for_environment(caller).get(profile_id=foreign_id)
    last = own.sealed[-1]
    sealed = {
        "swap": foreign.sealed,
        "flip": own.sealed[:-6] + ("A" if own.sealed[-6] != "A" else "B") + own.sealed[-5:],
        "truncate": own.sealed[:-8] + last,
    }[damage]
    Credential.objects.for_environment(caller).filter(id=own.id).update(sealed=sealed)
    answer = world.prod.api().post("/credentials/resolve", {"provider": "anthropic"})
    assert 400 <= answer.status_code < 600
    assert answer.json()["code"] == "seal_broken"
    assert "other-secret-00001" not in answer.content.decode()
    assert AuditEvent.objects.filter(event_type="credential.open_failed", subject_id=own.id).count() == 1
    assert DataKey.objects.for_environment(caller).count() == 1


PATHS: dict[str, dict[str, str]] = {
    "default": {},
    "order": {"provider": "ordered-llm"},
    "agent": {"agent": "agent-1"},
    "pin by name": {"pin": "anthropic:secret-slot"},
    "pin by id": {"pin": "its id"},
    "session": {"session": "pinned"},
    "model reference": {"model": "claude@anthropic:secret-slot"},
}


@pytest.fixture
def slot(world: World) -> str:
    """Store secrets that only prod has, for every path there is to them, and return the id of one."""
    prod, value = world.prod.api(), "sk-ant-api03-PROD-only"
    body = {"provider": "anthropic", "name": "secret-slot", "kind": "api_key", "value": value}
    made = prod.post("/profiles", body).json()
    assert prod.post("/profiles", {**body, "name": "agents", "agent": "agent-1"}).status_code == 201
    assert prod.post("/profiles", {**body, "provider": "ordered-llm"}).status_code == 201
    prod.send("PUT", "/order/anthropic", {"profiles": ["anthropic:secret-slot"]})
    prod.send("PUT", "/order/ordered-llm", {"profiles": ["ordered-llm:secret-slot"]})
    prod.send("PUT", "/sessions/pinned/pin", {"profile": made["id"]})
    assert "PROD-only" in prod.post("/credentials/resolve", {"provider": "anthropic"}).content.decode()
    return str(made["id"])


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("keeps", ["its own credentials", "nothing"])
def test_dev_never_resolves_prod(world: World, slot: str, name: str, keeps: str) -> None:
    dev = world.dev.api()
    if keeps == "nothing":
        for row in dev.get("/profiles").json()["results"]:
            assert dev.send("DELETE", f"/profiles/{row['id']}").status_code == 204
    ask = {"provider": "anthropic", **PATHS[name]}
    ask |= {"pin": slot} if name == "pin by id" else {}
    answer = dev.post("/credentials/resolve", ask)
    assert "PROD-only" not in answer.content.decode()
    assert slot not in answer.content.decode().replace(f'"profile":"{slot}"', "").replace(f'"profile": "{slot}"', "")
    assert (answer.status_code == 200) is (keeps != "nothing" and name in {"default", "agent", "session"})


def test_dev_cannot_order_prods_profile(world: World, slot: str) -> None:
    dev = world.dev.api()
    answer = dev.send("PUT", "/order/anthropic", {"profiles": ["anthropic:secret-slot"]})
    assert answer.status_code == 400 or answer.json()["order"] == []
    answer = dev.post("/credentials/resolve", {"provider": "anthropic"})
    assert "PROD-only" not in answer.content.decode()


@pytest.mark.parametrize("mode", ["full&refresh_tokens=include", "refs", "none"])
@pytest.mark.parametrize("agent", ["main", "agent-1"])
def test_dev_never_exports_prod(world: World, slot: str, mode: str, agent: str) -> None:
    for name in ("openclaw", "openclaw_split", "argentos", "dotenv"):
        shown = world.dev.api().get(f"/profiles/export?secrets={mode}&agent={agent}&format={name}")
        assert shown.status_code == 200
        assert not any(word in shown.content.decode() for word in ("PROD-only", "secret-slot", "acme/prod"))


def test_dev_reports_probes_and_replaces_nothing_of_prod(world: World, slot: str) -> None:
    dev = world.dev.api()
    answers = [
        dev.post("/credentials/report", {"outcome": "success", "profile_id": slot}),
        dev.post(f"/profiles/{slot}/probe"),
        dev.post(f"/profiles/{slot}/clear-cooldown"),
        dev.post(f"/profiles/{slot}/credentials", {"kind": "api_key", "value": "sk-ant-api03-dev-value"}),
    ]
    assert {answer.status_code for answer in answers} == {404}
    pins = [dev.send("PUT", "/sessions/mine/pin", {"profile": each}) for each in (slot, "prf_" + "0" * 22)]
    assert [answer.status_code for answer in pins] == [400, 400]
    assert pins[0].content == pins[1].content
    assert "secret-slot" not in dev.get("/status").content.decode()
