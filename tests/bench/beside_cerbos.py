"""Cerbos asked whether a token may read agents: it verifies the JWT and decides by one rule, as our ``decide`` does.

It keeps verified tokens; with a new one each time it has to verify.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import RSAAlgorithm

from tests.bench.extras import binary, node_extras
from tests.bench.load import Target
from tests.bench.revoked import check_answers
from tests.bench.running import WORKERS, Peer, Scene, running
from tests.bench.targets import JSON
from tests.live import free_port

WARM, COLD = "Cerbos check with JWT", "Cerbos check with JWT cold"
POLICY = {
    "apiVersion": "api.cerbos.dev/v1",
    "resourcePolicy": {
        "resource": "agents",
        "version": "default",
        "rules": [
            {
                "actions": ["read"],
                "effect": "EFFECT_ALLOW",
                "roles": ["service"],
                "condition": {"match": {"expr": '"agents:read" in request.aux_data.jwt.scopes'}},
            }
        ],
    },
}


@contextlib.contextmanager
def cerbos_started(scene: Scene) -> Iterator[list[Target]]:
    """Yield the check with one token and with a new one each time; foreign scopes and a broken token are no allow."""
    program = binary(node_extras() / "node_modules" / "@cerbos" / "cerbos-linux-x64" / "cerbos-linux-x64")
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    settings = {**os.environ, "GOMAXPROCS": str(WORKERS), "CERBOS_NO_TELEMETRY": "1", "OTEL_SDK_DISABLED": "true"}
    command = [program, "server", f"--config={configured(scene, port)}", "--log-level=error"]
    with running("cerbos", command, settings, scene.folder, f"{base_url}/_cerbos/health"):

        def check(name: str, tokens: Sequence[str], contains: str = "EFFECT_ALLOW", status: int = 200) -> Target:
            bodies = [json.dumps(question(token)) for token in tokens]
            return Target(
                name, "P1", f"{base_url}/api/check/resources", "POST", JSON, bodies, status=status, contains=contains
            )

        warm = scene.bench.token(-7)
        check_answers(
            [
                check("Cerbos denies", [scene.bench.token(-8, scopes=["x:y"])], "EFFECT_DENY"),
                check("Cerbos refuses", [warm[:-6] + "AAAAAA"], "", 400),
            ]
        )
        yield [check(WARM, [warm]), replace(check(COLD, scene.pool), is_cold=True)]


def question(token: str) -> dict[str, object]:
    """Return what a gateway asks."""
    return {
        "requestId": "bench",
        "principal": {"id": "service", "roles": ["service"]},
        "resources": [{"resource": {"kind": "agents", "id": "agent-1"}, "actions": ["read"]}],
        "auxData": {"jwt": {"token": token, "keySetId": "bench"}},
    }


def configured(scene: Scene, port: int) -> Path:
    """Write the configuration, the policy and the key set; return the file of the first."""
    folder = scene.folder / "cerbos"
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "agents.json").write_text(json.dumps(POLICY))
    public = cast("RSAPublicKey", load_pem_public_key(scene.bench.public_pem()))
    key = RSAAlgorithm.to_jwk(public, as_dict=True)
    keys = [{**key, "kid": scene.bench.seeded["kid"], "alg": "RS256", "use": "sig"}]
    (folder / "keys.json").write_text(json.dumps({"keys": keys}))
    document = {
        "server": {"httpListenAddr": f"127.0.0.1:{port}", "grpcListenAddr": f"127.0.0.1:{free_port()}"},
        "auxData": {"jwt": {"keySets": [{"id": "bench", "local": {"file": str(folder / "keys.json")}}]}},
        "storage": {"driver": "disk", "disk": {"directory": str(folder / "policies"), "watchForChanges": False}},
        "telemetry": {"disabled": True},
    }
    file = folder / "cerbos.yaml"
    file.write_text(json.dumps(document))  # JSON is YAML too
    return file


CERBOS = Peer("Cerbos", {WARM: "P1", COLD: "P1"}, cerbos_started)
