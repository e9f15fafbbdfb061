"""A running AgentOS through a rotation of our signing keys, and one AgentOS for each signing algorithm."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.agentos import OLDER, AgentOS, fetch_jwks, interpreter_of, on_free_port, running
from tests.compat.conftest import Tenancy
from tests.live import LiveServer

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("compat")]
NEWER = "3.1.10"
ALL = ["agent-1", "agent-2", "agent-3"]
UNKNOWN_KEY = (401, "Invalid token: No verification keys configured")
ROTATION_STEP = """
from datetime import UTC, datetime
from authsvc.tenants.models import Environment
from authsvc.tenants.services import environment_caller, system_caller
from authsvc.tokens.keys import {step}
place = Environment.unscoped.select_related("tenant").get(tenant__slug="acme", name="dev")
print({step}(environment_caller(system_caller(), place), algorithm="RS256", now=datetime.now(UTC)).kid)
"""


@pytest.mark.parametrize("version", [NEWER, OLDER])
def test_rotated_key_is_accepted_where_the_new_file_was_read(
    version: str, dev: Tenancy, live: LiveServer, tmp_path: Path
) -> None:
    """Old file: the new key is refused. File with the next key, or a restart: nothing breaks, old tokens included."""
    interpreter = interpreter_of(version)
    with contextlib.ExitStack() as processes:
        first_keys, before = _start(processes, interpreter, dev, tmp_path / "before.json")
        old_token = dev.token("agents:read")
        upcoming = _rotate(live, "stage_next_key")
        staged_keys, staged = _start(processes, interpreter, dev, tmp_path / "staged.json")
        assert set(staged_keys) == {*first_keys, upcoming}
        assert (before.agents(old_token), staged.agents(old_token)) == (ALL, ALL)

        assert _rotate(live, "activate_next_key") == upcoming
        new_token = dev.token("agents:read")
        refused = before.get("/agents", new_token)
        assert (refused.status_code, refused.json()["detail"]) == UNKNOWN_KEY
        assert (before.agents(old_token), staged.agents(old_token), staged.agents(new_token)) == (ALL, ALL, ALL)

        fetch_jwks(dev.issuer, Path(before.jwks_file))
        assert before.get("/agents", new_token).status_code == 401  # the file is read once, at the start
        _, restarted = _start(processes, interpreter, dev, tmp_path / "after.json")
        assert (restarted.agents(old_token), restarted.agents(new_token)) == (ALL, ALL)


@pytest.fixture(scope="module", params=[NEWER, OLDER])
def by_algorithm(
    request: pytest.FixtureRequest, prod: Tenancy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, AgentOS]]:
    """Yield an AgentOS per algorithm; all read the same key set file, which holds keys of every kind."""
    interpreter, folder = interpreter_of(request.param), tmp_path_factory.mktemp("algorithms")
    audiences = {
        algorithm: prod.register_gateway(f"{algorithm} AgentOS {request.param}", algorithm=algorithm)
        for algorithm in ("RS256", "ES256", "EdDSA")
    }
    for audience in audiences.values():
        prod.token("agents:read", audience)  # the first token of an algorithm makes its key
    fetch_jwks(prod.issuer, folder / "jwks.json")
    systems = {
        algorithm: on_free_port(folder / "jwks.json", prod.issuer, audience, algorithm)
        for algorithm, audience in audiences.items()
    }
    with running(interpreter, folder, *systems.values()):
        yield systems


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_token_in_the_gateways_algorithm_is_accepted(
    algorithm: str, by_algorithm: dict[str, AgentOS], prod: Tenancy
) -> None:
    system = by_algorithm[algorithm]
    assert system.agents(prod.token("agents:read", system.audience)) == ALL


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_token_in_another_algorithm_is_refused(algorithm: str, by_algorithm: dict[str, AgentOS], prod: Tenancy) -> None:
    for system in (other for name, other in by_algorithm.items() if name != algorithm):
        answer = system.get("/agents", prod.token("agents:read", by_algorithm[algorithm].audience))
        assert answer.status_code == 401
        assert answer.json()["detail"] == "Invalid token: The specified alg value is not allowed"


def _start(processes: contextlib.ExitStack, interpreter: str, place: Tenancy, file: Path) -> tuple[list[str], AgentOS]:
    """Start an AgentOS with the key set of this moment; return its key ids and the running AgentOS."""
    keys = fetch_jwks(place.issuer, file)
    system = on_free_port(file, place.issuer, place.audience)
    processes.enter_context(running(interpreter, file.parent, system))
    return keys, system


def _rotate(live: LiveServer, step: str) -> str:
    """Take one step of a rotation in acme/dev; return the key id it is about."""
    done = live.manage("shell", "--verbosity", "0", "-c", ROTATION_STEP.format(step=step))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
