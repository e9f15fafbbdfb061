"""The three samples that gateway hosts copy, run as they are against a live server; approval through API and page."""

from __future__ import annotations

import json
import os
import re
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

from tests.live import ROOT, LiveServer

SAMPLES = ROOT / "deploy" / "gateway"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
pytestmark = pytest.mark.compat


class Administrator:
    """An administrator of acme/prod over the live API, and an operator with a browser's cookies."""

    def __init__(self, live: LiveServer) -> None:
        self.live = live
        self.place = live.place("acme/prod")
        headers = {"Authorization": f"Bearer {self.place['api_key']}"}
        self.api = httpx.Client(base_url=f"{live.base_url}/api/v1", headers=headers, timeout=30)

    def approve(self, device_id: str, user_code: str) -> int:
        return self.api.post(f"/devices/{device_id}/approve", json={"user_code": user_code}).status_code

    def approve_on_page(self, user_code: str) -> None:
        operator = self.live.document["operators"]["acme"]
        with httpx.Client(base_url=self.live.base_url, follow_redirects=True, timeout=30) as browser:
            page = browser.get("/device", params={"user_code": user_code})
            login = {**operator, "next": f"/device?user_code={user_code}", **_token(page)}
            page = browser.post("/admin/login/", data=login, headers={"Referer": str(page.url)})
            card = browser.post("/device", data={"user_code": user_code, **_token(page)})
            hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', card.text))
            done = browser.post("/device", data={**hidden, "trust_level": "2", "decision": "approve"})
            assert done.status_code == 200, done.text

    def enrol(self, **fields: Any) -> dict[str, Any]:
        body = {"name": "lamp", "device_type": "custom", **fields}
        answer = self.api.post("/devices", json=body)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document


def _token(page: httpx.Response) -> dict[str, str]:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found is not None, page.text[:500]
    return {"csrfmiddlewaretoken": found[1]}


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


def test_shell_sample_asks_waits_and_calls(administrator: Administrator, tmp_path: Path) -> None:
    environment = {"AUTHSVC_ISSUER": administrator.place["issuer"]}
    process = _run(["sh", str(SAMPLES / "device.sh"), "Shell lamp", "status:read"], environment, tmp_path)
    line = _line(process, process.stderr)
    code = re.search(r"type ([A-Z]{4}-[A-Z]{4})", line)
    assert code is not None, line
    administrator.approve_on_page(code[1])
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert '"trust_level": 2' in errors or '"trust_level":2' in errors
    assert output.count(".") == 2


def test_python_sample_enrols_keeps_its_secret_and_calls(administrator: Administrator, tmp_path: Path) -> None:
    environment = {
        "AUTHSVC_URL": administrator.live.base_url,
        "AUTHSVC_API_KEY": administrator.place["api_key"],
        "AUTHSVC_POLL_SECONDS": "0.5",
    }
    command = [sys.executable, str(SAMPLES / "device.py"), "Python lamp", "status:read"]
    process = _run(command, environment, tmp_path)
    told = re.search(r"Device (\S+), code (\S+)", _line(process, process.stderr))
    assert told is not None
    assert administrator.approve(told[1], told[2]) == 200
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(output)["scopes"] == ["status:read"]
    assert (tmp_path / "device-state.json").stat().st_mode & 0o777 == 0o600
    again = _run(command, {**environment, "AUTHSVC_API_KEY": "none"}, tmp_path)
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


def test_micropython_sample_runs_under_cpython(administrator: Administrator, tmp_path: Path) -> None:
    config = f"ISSUER = {administrator.place['issuer']!r}\nNAME = 'ESP lamp'\nSCOPE = 'status:read'\n"
    (tmp_path / "config.py").write_text(config)
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = _run([sys.executable, str(SAMPLES / "device_micropython.py")], environment, tmp_path)
    code = re.search(r"type ([A-Z]{4}-[A-Z]{4})", _line(process, process.stdout))
    assert code is not None
    administrator.approve_on_page(code[1])
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(output)["scopes"] == ["status:read"]


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
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(lambda _: httpx.post(address, json=body, timeout=30).status_code, range(8)))
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
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: httpx.get(f"{base}/api/v1/me", headers=bearer).status_code, range(50)))
    assert seen == {401}
    assert httpx.post(f"{base}/api/v1/devices/{device['id']}/authenticate", json=secret).status_code == 401


def test_stock_oauth_client_speaks_the_device_flow(administrator: Administrator) -> None:
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
        administrator.approve_on_page(invitation["user_code"])
        time.sleep(invitation["interval"])
        token = client.fetch_token(metadata["token_endpoint"], **poll)
    assert token["scope"] == "status:read"
    assert token["token_type"] == "Bearer"
