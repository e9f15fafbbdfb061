"""The three samples that gateway hosts copy, run as they are against a live server, approved in a real browser."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compat.approver import Approver
from tests.compat.installed import cannot_run, install_once
from tests.live import CERTIFICATES, ROOT, LiveServer

SAMPLES = ROOT / "deploy" / "gateway"
MICROPYTHON = Path(__file__).parent / "micropython"
INSTALLED = ROOT / ".venv-npm-micropython"
CODE = re.compile(r"\b[A-Z]{4}-[A-Z]{4}\b")
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
pytestmark = pytest.mark.compat


class Administrator:
    """An administrator of acme/prod over the live API."""

    def __init__(self, live: LiveServer) -> None:
        self.live = live
        self.place = live.place("acme/prod")
        headers = {"Authorization": f"Bearer {self.place['api_key']}"}
        self.api = httpx.Client(base_url=f"{live.base_url}/api/v1", headers=headers, timeout=30)

    def approve(self, device_id: str, user_code: str) -> int:
        return self.api.post(f"/devices/{device_id}/approve", json={"user_code": user_code}).status_code

    def enrol(self, **fields: Any) -> dict[str, Any]:
        body = {"name": "lamp", "device_type": "custom", **fields}
        answer = self.api.post("/devices", json=body)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document


@pytest.fixture
def administrator(live: LiveServer) -> Administrator:
    return Administrator(live)


def _run(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env={**os.environ, **environment},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str], stream: Any) -> str:
    """Return the next line, but wait at most half a minute for it."""
    guard = threading.Timer(30, process.kill)
    guard.start()
    try:
        return str(stream.readline())
    finally:
        guard.cancel()


@pytest.fixture(scope="module")
def micropython() -> list[str]:
    """Return the start of a command that runs a file in a real MicroPython, installed once from its lock file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        cannot_run("MicroPython needs node and npm, and they are not installed")
    lock = MICROPYTHON / "package-lock.json"
    copy = ["cp", str(MICROPYTHON / "package.json"), str(lock), "."]
    install_once("MicroPython", INSTALLED, lock, (copy, [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
    return [node, str(MICROPYTHON / "run.mjs"), str(INSTALLED)]


@pytest.mark.browser
def test_samples_run_end_to_end_approved_in_a_browser(
    administrator: Administrator, approver: Approver, micropython: list[str], tmp_path: Path
) -> None:
    """All start at once and wait together; each is approved by clicks, calls the API, and says who it is."""
    config = tmp_path / "config.py"
    config.write_text(f"ISSUER = {administrator.place['issuer']!r}\nNAME = 'ESP lamp'\nSCOPE = 'status:read'\n")
    issuer = {"AUTHSVC_ISSUER": administrator.place["issuer"]}
    with_key = {
        "AUTHSVC_URL": administrator.live.base_url,
        "AUTHSVC_API_KEY": administrator.place["api_key"],
        "AUTHSVC_POLL_SECONDS": "0.5",
    }
    board = str(SAMPLES / "device_micropython.py")
    python = [sys.executable, str(SAMPLES / "device.py"), "Python lamp", "status:read"]
    here = {"PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    running = {
        "shell": _run(["sh", str(SAMPLES / "device.sh"), "Shell lamp", "status:read"], issuer, tmp_path),
        "python": _run(python, with_key, tmp_path),
        "micropython": _run([*micropython, board, str(config)], {}, tmp_path),
        "cpython": _run([sys.executable, board], here, tmp_path),
    }
    assert _line(running["micropython"], running["micropython"].stdout) == "micropython 1.27\n"
    for name, process in running.items():
        line = _line(process, process.stdout if name in {"micropython", "cpython"} else process.stderr)
        code = CODE.search(line)
        assert code is not None, (name, line)
        approver.approve(code[0])
    told = {name: process.communicate(timeout=90) for name, process in running.items()}
    assert {name: process.returncode for name, process in running.items()} == dict.fromkeys(running, 0), told
    assert told["shell"][0].count(".") == 2
    assert re.search(r'"trust_level": ?2', told["shell"][1])
    for name in ("python", "micropython", "cpython"):
        who = json.loads(told[name][0])
        assert (who["kind"], who["trust_level"], who["scopes"]) == ("device", 2, ["status:read"]), name
    assert (tmp_path / "device-state.json").stat().st_mode & 0o777 == 0o600
    again = _run(python, {**with_key, "AUTHSVC_API_KEY": "none"}, tmp_path)
    assert json.loads(again.communicate(timeout=60)[0])["trust_level"] == 2


def test_python_sample_joins_with_an_enrolment_code(administrator: Administrator, tmp_path: Path) -> None:
    made = administrator.api.post(
        "/devices/enrolment-codes", json={"name": "fleet", "scopes": ["status:read"], "trust_level": 2}
    )
    environment = {"AUTHSVC_URL": administrator.live.base_url, "AUTHSVC_ENROLMENT_CODE": made.json()["code"]}
    process = _run([sys.executable, str(SAMPLES / "device.py"), "Fleet lamp"], environment, tmp_path)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(output)["trust_level"] == 2


def test_24_simultaneous_approvals_make_one_decision(administrator: Administrator) -> None:
    device = administrator.enrol(requested_scopes=["status:read"])
    with ThreadPoolExecutor(24) as pool:
        statuses = Counter(pool.map(lambda _: administrator.approve(device["id"], device["user_code"]), range(24)))
    assert statuses == {200: 1, 409: 23}
    events = administrator.api.get(f"/devices/{device['id']}/history", params={"limit": 200}).json()["results"]
    counted = Counter(event["event_type"] for event in events)
    assert (counted["device.approved"], counted["device.approval_refused"]) == (1, 23)


def test_one_of_two_uses_more_than_a_code_has_is_refused(administrator: Administrator) -> None:
    made = administrator.api.post("/devices/enrolment-codes", json={"name": "fleet", "maximum_uses": 3}).json()
    body = {"name": "lamp", "device_type": "custom", "enrolment_code": made["code"]}
    address = f"{administrator.live.base_url}/api/v1/devices/enrol"
    ask = functools.partial(httpx.post, address, json=body, timeout=30, verify=CERTIFICATES)
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(lambda _: ask().status_code, range(8)))
    assert statuses == {201: 3, 401: 5}


def test_revoked_device_is_refused_everywhere_at_once(administrator: Administrator) -> None:
    device = administrator.enrol(requested_scopes=["status:read"])
    administrator.approve(device["id"], device["user_code"])
    base = administrator.live.base_url
    secret = {"secret": device["secret"]}
    proven = httpx.post(f"{base}/api/v1/devices/{device['id']}/authenticate", json=secret, timeout=30).json()
    bearer = {"Authorization": f"Bearer {proven['access_token']}"}
    assert httpx.get(f"{base}/api/v1/me", headers=bearer).status_code == 200
    assert administrator.api.post(f"/devices/{device['id']}/revoke", json={"reason": "lost"}).status_code == 200
    ask = functools.partial(httpx.get, f"{base}/api/v1/me", headers=bearer, verify=CERTIFICATES)
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: ask().status_code, range(50)))
    assert seen == {401}
    assert httpx.post(f"{base}/api/v1/devices/{device['id']}/authenticate", json=secret).status_code == 401


@pytest.mark.browser
def test_stock_oauth_client_speaks_the_device_flow(administrator: Administrator, approver: Approver) -> None:
    """Authlib, unmodified, with what the metadata says and nothing else."""
    from authlib.integrations.base_client.errors import OAuthError
    from authlib.integrations.httpx_client import OAuth2Client

    place = administrator.place
    base, _, rest = place["issuer"].partition("/t/")
    metadata = httpx.get(f"{base}/.well-known/oauth-authorization-server/t/{rest}").json()
    proof = (place["client_id"], place["client_secret"])
    asked = httpx.post(metadata["device_authorization_endpoint"], data={"scope": "status:read"}, auth=proof)
    invitation = asked.json()
    with OAuth2Client(*proof, timeout=30) as client:
        poll = {"grant_type": DEVICE_CODE, "device_code": invitation["device_code"]}
        with pytest.raises(OAuthError) as pending:
            client.fetch_token(metadata["token_endpoint"], **poll)
        assert pending.value.error == "authorization_pending"
        approver.approve(invitation["user_code"])
        time.sleep(invitation["interval"])
        token = client.fetch_token(metadata["token_endpoint"], **poll)
    assert token["scope"] == "status:read"
    assert token["token_type"] == "Bearer"
