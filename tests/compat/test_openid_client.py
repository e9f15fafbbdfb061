"""npm's openid-client, unmodified, is given our issuer and a client and finds, gets, asks about and ends a token."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.compat.approver import Approver
from tests.compat.conftest import Tenancy
from tests.compat.installed import cannot_run, install_once
from tests.live import ROOT

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("compat")]
SOURCE = Path(__file__).parent / "openid_client"
INSTALLED = ROOT / ".venv-npm"
METHODS = ["client_secret_basic", "client_secret_post"]
DISCOVERIES = ["oauth2", "oidc"]  # RFC 8414, and the address OpenID Connect clients try first
SCOPE = "agents:agent-1:read"


@pytest.fixture(scope="module")
def node() -> str:
    """Return node, with openid-client installed once from its lock file into an ignored folder."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        cannot_run("openid-client needs node and npm, and they are not installed")
    lock = SOURCE / "package-lock.json"
    copy = ["cp", str(SOURCE / "package.json"), str(lock), "."]
    install_once("openid-client", INSTALLED, lock, (copy, [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
    return found


@pytest.mark.parametrize("discovery", DISCOVERIES)
@pytest.mark.parametrize("method", METHODS)
def test_openid_client_token_lives_until_it_is_revoked(node: str, prod: Tenancy, method: str, discovery: str) -> None:
    told = _openid_client(node, prod, method, algorithm=discovery)
    assert told["issuer"] == prod.issuer
    assert (told["token"]["token_type"], told["token"]["scope"]) == ("bearer", SCOPE)
    assert (told["before"]["active"], told["before"]["aud"]) == (True, prod.audience)
    assert told["before"]["scope"] == SCOPE
    assert told["after"] == {"active": False}


@pytest.mark.parametrize("method", METHODS)
def test_openid_client_with_a_wrong_secret_is_told_invalid_client(node: str, prod: Tenancy, method: str) -> None:
    told = _openid_client(node, prod, method, client_secret=f"{prod.credentials[1]}x")
    assert told == {"error": "invalid_client", "status": 401}


def test_openid_client_asking_for_an_unknown_audience_is_told_invalid_target(node: str, prod: Tenancy) -> None:
    told = _openid_client(node, prod, METHODS[0], audience="nobody")
    assert told == {"error": "invalid_target", "status": 400}


@pytest.mark.browser
def test_openid_client_speaks_the_device_flow(node: str, prod: Tenancy, approver: Approver) -> None:
    client_id, client_secret = prod.credentials
    ask = {"issuer": prod.issuer, "client_id": client_id, "client_secret": client_secret, "scope": "status:read"}
    command = [node, str(SOURCE / "device.mjs"), str(INSTALLED)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(ask))
    process.stdin.close()
    invitation = json.loads(process.stdout.readline())
    approver.approve(invitation["user_code"])
    token = json.loads(process.stdout.readline())
    assert process.wait(30) == 0
    assert (token["token_type"], token["scope"]) == ("bearer", "status:read"), token


def _openid_client(node: str, prod: Tenancy, method: str, **changes: str) -> dict[str, Any]:
    """Run the script with the issuer and the client; return the document it prints."""
    client_id, secret = prod.credentials
    ask = {
        "issuer": prod.issuer,
        "client_id": client_id,
        "client_secret": secret,
        "scope": SCOPE,
        "audience": prod.audience,
        "method": method,
        "algorithm": "oauth2",
        **changes,
    }
    done = subprocess.run(
        [node, str(SOURCE / "client.mjs"), str(INSTALLED)],
        input=json.dumps(ask),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
