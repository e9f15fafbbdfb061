"""The very first request of a worker is answered like every other."""

from __future__ import annotations

import pytest

from tests import warm
from tests.live import LiveServer

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
