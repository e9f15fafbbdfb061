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


@pytest.mark.parametrize("ask", [{}, {"pin": "anthropic:secret-slot"}, {"agent": "agent-1"}, {"session": "pinned"}])
def test_dev_never_resolves_prod(world: World, ask: dict[str, str]) -> None:
    body = {"provider": "anthropic", "name": "secret-slot", "kind": "api_key", "value": "sk-ant-api03-PROD-only"}
    made = world.prod.api().post("/profiles", body).json()
    world.prod.api().send("PUT", "/order/anthropic", {"profiles": ["anthropic:secret-slot"]})
    world.prod.api().send("PUT", "/sessions/pinned/pin", {"profile": made["id"]})
    answer = world.dev.api().post("/credentials/resolve", {"provider": "anthropic", **ask})
    assert "PROD-only" not in answer.content.decode()
    report = world.dev.api().post("/credentials/report", {"outcome": "success", "profile_id": made["id"]})
    assert report.status_code == 404
