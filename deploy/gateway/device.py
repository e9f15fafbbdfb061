#!/usr/bin/env python3
"""A device in plain Python: enrol with a key or an enrolment code, wait, keep the secret, get tokens, call the API.

Standard library only, Python 3.9 or newer. The state file holds the device's id and secret, readable by its owner.

    AUTHSVC_URL=https://auth.example.com AUTHSVC_API_KEY=ask_… ./device.py "Hall lamp" status:read
    AUTHSVC_URL=https://auth.example.com AUTHSVC_ENROLMENT_CODE=aec_… ./device.py "Hall lamp"
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

SECONDS_BETWEEN_TRIES = float(os.environ.get("AUTHSVC_POLL_SECONDS", "5"))
TRIES = 120


def main() -> int:
    """Enrol once, then print who the service takes us for."""
    state_file = Path(os.environ.get("AUTHSVC_STATE", "device-state.json"))
    state = json.loads(state_file.read_text()) if state_file.exists() else enrol(state_file)
    for _ in range(TRIES):
        status, answer = call(f"/devices/{state['id']}/authenticate", {"secret": state["secret"]})
        if status == 200:
            print(json.dumps(call("/me", None, answer["access_token"])[1]))
            return 0
        if status not in (403, 429) or answer.get("device_status") not in ("pending", None):
            print(f"refused: {answer.get('detail')}", file=sys.stderr)
            return 1
        time.sleep(SECONDS_BETWEEN_TRIES)
    print("nobody approved this device", file=sys.stderr)
    return 1


def enrol(state_file: Path) -> dict[str, str]:
    """Ask to join and keep the secret before anything else can go wrong."""
    body: dict[str, object] = {"name": sys.argv[1], "device_type": "custom", "platform": sys.platform[:100]}
    if len(sys.argv) > 2:
        body["requested_scopes"] = sys.argv[2:]
    code = os.environ.get("AUTHSVC_ENROLMENT_CODE")
    if code:
        status, answer = call("/devices/enrol", {**body, "enrolment_code": code})
    else:
        status, answer = call("/devices", body, os.environ["AUTHSVC_API_KEY"])
    if status != 201:
        raise SystemExit(f"not enrolled: {answer.get('detail')} {answer.get('errors', '')}")
    state = {"id": answer["id"], "secret": answer["secret"]}
    with os.fdopen(os.open(state_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(state, file)
    if answer["user_code"]:
        print(f"Waiting for approval. Device {answer['id']}, code {answer['user_code']}", file=sys.stderr, flush=True)
    return state


def call(path: str, body: dict[str, object] | None, bearer: str = "") -> tuple[int, dict[str, object]]:
    """Send JSON and return the status and the answer; a refusal is an answer too."""
    headers = {"Content-Type": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{os.environ['AUTHSVC_URL']}/api/v1{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read() or b"{}")


if __name__ == "__main__":
    sys.exit(main())
