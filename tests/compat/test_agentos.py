"""A real AgentOS, started with our key set file, reads our tokens: who sees, reads and runs which agent."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.compat.agentos import OLDER, AgentOS, fetch_jwks, interpreter_of, on_free_port, running
from tests.compat.conftest import Tenancy
from tests.live import LiveServer

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("compat")]
NEWER = "3.1.10"
ALL = ["agent-1", "agent-2", "agent-3"]
TWO = "agents:agent-1:read agents:agent-1:run agents:agent-2:read"


@pytest.fixture(scope="module", params=[NEWER, OLDER])
def version(request: pytest.FixtureRequest) -> str:
    """Return the version of agno that is running."""
    return str(request.param)


@pytest.fixture(scope="module")
def agentos(version: str, prod: Tenancy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentOS]:
    """Yield an AgentOS that is the demo gateway of acme/prod."""
    interpreter = interpreter_of(version)
    folder = tmp_path_factory.mktemp(f"agno-{version}")
    fetch_jwks(prod.issuer, folder / "jwks.json")
    system = on_free_port(folder / "jwks.json", prod.issuer, prod.audience)
    with running(interpreter, folder, system):
        yield system


def test_agent_list_with_scopes_per_agent_shows_only_those(agentos: AgentOS, prod: Tenancy) -> None:
    assert agentos.agents(prod.token(TWO)) == ["agent-1", "agent-2"]


def test_agent_list_with_global_read_shows_all(agentos: AgentOS, prod: Tenancy) -> None:
    assert agentos.agents(prod.token("agents:read")) == ALL


def test_agent_list_with_admin_scope_shows_all(agentos: AgentOS, prod: Tenancy) -> None:
    assert agentos.agents(prod.token("agent_os:admin")) == ALL


def test_agent_granted_answers_200(agentos: AgentOS, prod: Tenancy) -> None:
    answer = agentos.get("/agents/agent-1", prod.token(TWO))
    assert answer.status_code == 200
    assert answer.json()["id"] == "agent-1"


def test_agent_not_granted_answers_403(agentos: AgentOS, prod: Tenancy) -> None:
    answer = agentos.get("/agents/agent-3", prod.token(TWO))
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("Insufficient permissions.")


def test_agent_run_needs_run_on_that_agent(agentos: AgentOS, prod: Tenancy) -> None:
    token = prod.token(TWO)
    ran = agentos.run("agent-1", token)
    assert (ran.status_code, ran.json()["content"]) == (200, "heard")
    assert agentos.run("agent-2", token).status_code == 403


def test_run_only_token_runs_but_neither_lists_nor_reads(agentos: AgentOS, prod: Tenancy) -> None:
    token = prod.token("agents:agent-1:run")
    assert agentos.get("/agents", token).status_code == 403
    assert agentos.get("/agents/agent-1", token).status_code == 403
    assert agentos.run("agent-1", token).status_code == 200


def test_no_token_answers_401(agentos: AgentOS) -> None:
    answer = agentos.get("/agents")
    assert (answer.status_code, answer.json()["detail"]) == (401, "Authorization header missing")


def test_token_for_our_own_api_answers_401(agentos: AgentOS, prod: Tenancy) -> None:
    answer = agentos.get("/agents", prod.token("authsvc:admin", audience="authsvc"))
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith("Invalid token audience")


def test_token_for_another_gateway_answers_401(agentos: AgentOS, prod: Tenancy, version: str) -> None:
    another = prod.register_gateway(f"AgentOS beside {version}")
    answer = agentos.get("/agents", prod.token("agents:read", audience=another))
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith("Invalid token audience")


def test_token_of_another_environment_answers_401(agentos: AgentOS, dev: Tenancy) -> None:
    assert agentos.get("/agents", dev.token("agents:read")).status_code == 401


def test_expired_token_answers_401(agentos: AgentOS, prod: Tenancy, live: LiveServer) -> None:
    now = int(time.time())
    fresh = _signed(live, prod, iat=now - 60, nbf=now - 60, exp=now + 60)
    assert agentos.agents(fresh) == ALL
    expired = _signed(live, prod, iat=now - 120, nbf=now - 120, exp=now - 60)
    answer = agentos.get("/agents", expired)
    assert (answer.status_code, answer.json()["detail"]) == (401, "Token has expired")


def test_tampered_token_answers_401(agentos: AgentOS, prod: Tenancy) -> None:
    header, payload, signature = prod.token("agents:agent-1:read").split(".")
    richer = {**_decoded(payload), "scopes": ["agent_os:admin"]}
    answer = agentos.get("/agents", ".".join((header, _encoded(richer), signature)))
    assert answer.status_code == 401
    assert answer.json()["detail"] == "Invalid token: Signature verification failed"


def test_token_of_another_issuer_answers_401_where_agno_checks_it(
    agentos: AgentOS, prod: Tenancy, live: LiveServer, version: str
) -> None:
    foreign = _signed(live, prod, iss=prod.issuer.replace("/acme/", "/globex/"))
    expected = {NEWER: 401, OLDER: 200}  # 2.9 has no issuer setting: its protection is the key set and the audience
    assert agentos.get("/agents", foreign).status_code == expected[version]


def _signed(live: LiveServer, prod: Tenancy, **changes: Any) -> str:
    """Return a token like ours, signed with the demo's signing key, with some claims changed."""
    token = prod.token("agents:read")
    key = RSAKey.import_key(live.document["signing_key"]["private_key_pem"])
    header, payload, _ = token.split(".")
    return jwt.encode(_decoded(header), {**_decoded(payload), **changes}, key, algorithms=["RS256"])


def _decoded(part: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document


def _encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
