"""oidc-provider under node: client_credentials whose answer is a JWT signed with RS256."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from tests.bench.extras import node_extras
from tests.bench.load import Target
from tests.bench.revoked import check_answers
from tests.bench.running import WORKERS, Peer, Scene, running
from tests.bench.targets import FORM
from tests.live import free_port

NAME, CLIENT = "oidc-provider JWT RS256", "bench"
PROGRAM = Path(__file__).with_name("oidc_provider.mjs")
ASKED = {"grant_type": "client_credentials", "scope": "agents:read", "resource": "urn:bench:agents"}


@contextlib.contextmanager
def oidc_provider_started(scene: Scene) -> Iterator[list[Target]]:
    """Yield the token endpoint with good client credentials; a wrong secret must be refused."""
    folder, port, secret = node_extras(), free_port(), secrets.token_urlsafe(32)
    program = str(shutil.copy(PROGRAM, folder / PROGRAM.name))  # node looks for packages beside the program
    settings = {**os.environ, "NODE_ENV": "production", "BENCH_PORT": str(port), "BENCH_WORKERS": str(WORKERS)}
    settings |= {"BENCH_CLIENT": CLIENT, "BENCH_SECRET": secret}
    base_url = f"http://127.0.0.1:{port}"
    ready = f"{base_url}/.well-known/openid-configuration"

    def ask(text: str, contains: str, status: int = 200) -> Target:
        basic = base64.b64encode(f"{CLIENT}:{text}".encode()).decode()
        headers = {**FORM, "Authorization": f"Basic {basic}"}
        return Target(NAME, "P4", f"{base_url}/token", "POST", headers, [urlencode(ASKED)], status=status,
                      contains=contains)  # fmt: skip

    with running("oidc-provider", ["node", program], settings, scene.folder, ready):
        check_answers([ask(f"{secret}x", "invalid_client", 401)])
        yield [ask(secret, '"access_token":"eyJ')]


OIDC_PROVIDER = Peer("oidc-provider", {NAME: "P4"}, oidc_provider_started)
