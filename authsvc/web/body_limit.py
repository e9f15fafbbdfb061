"""The body limit at the door: more than 1 MiB is answered 413 before Django reads it, also for a chunked request.

Django reads only as many bytes as ``Content-Length`` says; a chunked body has none, so it is read here and measured.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

from authsvc.web.limits import FORWARD_AUTH_PATHS
from authsvc.web.parsing import MAXIMUM_BYTES
from authsvc.web.problems import PayloadTooLarge

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class BodyLimit:
    """WSGI wrapper around the application."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if FORWARD_AUTH_PATHS.fullmatch(str(environ.get("PATH_INFO", ""))):
            return self.application(environ, start_response)  # never reads a body, however long
        length = str(environ.get("CONTENT_LENGTH") or "")
        if length.isascii() and length.isdigit():
            if int(length.lstrip("0")[:20] or "0") > MAXIMUM_BYTES:
                return _too_large(start_response)
        elif "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower():
            body = environ["wsgi.input"].read(MAXIMUM_BYTES + 1)
            if len(body) > MAXIMUM_BYTES:
                return _too_large(start_response)
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        return self.application(environ, start_response)


def _too_large(start_response: StartResponse) -> Iterable[bytes]:
    body = json.dumps(PayloadTooLarge().as_document()).encode()
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
    ]
    start_response("413 Content Too Large", headers)
    return [body]
