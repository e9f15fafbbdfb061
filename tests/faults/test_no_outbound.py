"""Nothing leaves the machine: with every socket but loopback and unix refused, the demo starts and answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests import warm
from tests.live_database import fresh_database

SCRIPT = """
import json, os, socket, sys

tried, datagrams = [], []
plain_connect, plain_init = socket.socket.connect, socket.socket.__init__

def is_here(family, address):
    return family == socket.AF_UNIX or str(address[0]) in {"127.0.0.1", "::1", "localhost"}

def connect(self, address):
    if not is_here(self.family, address):
        tried.append(str(address))
        raise OSError("blocked")
    return plain_connect(self, address)

def made(self, *arguments, **options):
    plain_init(self, *arguments, **options)
    if self.type == socket.SOCK_DGRAM:
        datagrams.append(str(self.family))

def resolve(host, *arguments, **options):
    tried.append(str(host))
    raise OSError("blocked")

socket.socket.connect, socket.socket.connect_ex, socket.socket.__init__ = connect, connect, made
socket.getaddrinfo = resolve
from io import StringIO
from django.core.management import call_command
import django

django.setup()
out = StringIO()
call_command("bootstrap", "--demo", "--json", stdout=out)
place = json.loads(out.getvalue())["environments"]["acme/prod"]
call_command("worker", "--once", stdout=StringIO())
from django.test import Client

client, bearer = Client(), {"Authorization": "Bearer " + place["api_key"]}
answers = {
    "me": client.get("/api/v1/me", headers=bearer),
    "resolve": client.post(
        "/api/v1/credentials/resolve", {"provider": "anthropic"}, content_type="application/json", headers=bearer
    ),
    "status": client.get("/api/v1/gateways", headers=bearer),
    "docs": client.get("/api/docs/"),
    "schema": client.get("/api/schema/"),
    "login": client.get("/admin/login/"),
    "ready": client.get("/health/ready"),
    "metrics": client.get("/metrics"),
}
page = answers["docs"].content.decode() + answers["login"].content.decode()
statuses = {name: answer.status_code for name, answer in answers.items()}
print(json.dumps({"tried": tried, "datagrams": datagrams, "statuses": statuses, "foreign": "https://" in page}))
"""


def test_demo_and_requests_open_no_connection_to_anywhere_else(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database_url:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "authsvc.settings",
            "DATABASE_URL": database_url,
            "ANTHROPIC_API_KEY": "sk-ant-planted-canary",
        }
        ran = warm.run(["-c", SCRIPT], environment)
    assert ran.returncode == 0, ran.stderr[-2000:]
    seen = json.loads(ran.stdout.splitlines()[-1])
    assert seen["tried"] == []
    assert seen["datagrams"] == []
    assert set(seen["statuses"].values()) == {200}
    assert seen["foreign"] is False
    assert "sk-ant-planted-canary" not in ran.stdout + ran.stderr
