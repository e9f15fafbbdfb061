"""The very first request of a worker is answered like every other."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests import warm
from tests.live import LiveServer, start_live_server

ASK = """
import io
from authsvc.wsgi import application
body = b"{form}"
environ = {{
    "REQUEST_METHOD": "POST", "PATH_INFO": "/t/acme/prod/oauth/token", "QUERY_STRING": "", "SCRIPT_NAME": "",
    "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)),
    "HTTP_HOST": "127.0.0.1", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(),
    "wsgi.url_scheme": "http", "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}}
print(b"".join(application(environ, lambda status, fields: None)).decode())
"""


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("grant_type=refresh_token&refresh_token=x", "invalid_grant"),
        ("grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=x", "invalid_request"),
        ("grant_type=urn:ietf:params:oauth:grant-type:token-exchange", "invalid_request"),
    ],
)
def test_a_worker_knows_every_grant_type_at_its_first_request(live: LiveServer, form: str, error: str) -> None:
    done = warm.run(["-c", ASK.format(form=form)], live.environment)
    assert f'"error": "{error}"' in done.stdout, done.stdout + done.stderr


def queues_at(port: int) -> int:
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [(place, state) for _, place, _, state, *_ in sockets].count((f"0100007F:{port:04X}", "0A"))


@pytest.mark.parametrize(("asked", "queues"), [("off", 1), ("on", 2)])
def test_each_worker_has_a_queue_of_its_own_where_it_is_asked_for(tmp_path: Path, asked: str, queues: int) -> None:
    with start_live_server(tmp_path, workers=2, GUNICORN_REUSE_PORT=asked) as server:
        port, deadline = int(server.base_url.rsplit(":", 1)[1]), time.monotonic() + 30
        while queues_at(port) < queues and time.monotonic() < deadline:  # one worker is ready before the other
            time.sleep(0.1)
        assert queues_at(port) == queues
