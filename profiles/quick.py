"""The quick door's view of this room: resolve, whose body holds no secret and is read once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.http import HttpRequest

from authsvc.web.body_limit import Environ
from authsvc.web.caller import Caller
from authsvc.web.json_text import encoded
from authsvc.web.parsing import parse_json
from authsvc.web.problems import Problem, Unauthenticated
from authsvc.web.quick import Find, Found, QuickView, plain_body
from profiles.serializers import ResolveInput
from profiles.views.resolution import Resolve, released

MAXIMUM_BYTES = 1024


def find_resolve(environ: Environ, _names: Mapping[str, str]) -> Found | None:
    """Return the view of a resolution whose body is valid."""
    body = plain_body(environ, maximum_bytes=MAXIMUM_BYTES) if environ.get("HTTP_AUTHORIZATION") else None
    fields = None if body is None else _fields(body)
    if fields is None:
        return None

    def work(_request: HttpRequest, caller: Caller | None, now: datetime) -> str:
        if caller is None:
            raise Unauthenticated
        return encoded(released(caller, fields, now=now))

    return QuickView(Resolve, work)


@lru_cache(maxsize=1024)
def _fields(body: bytes) -> dict[str, Any] | None:
    """Return what the serializer makes of a body, or ``None`` when it complains."""
    try:
        serializer = ResolveInput(data=parse_json(body))
    except Problem:
        return None
    return dict(serializer.validated_data) if serializer.is_valid() else None


API_VIEWS: Mapping[str, Find] = {r"/api/v1/credentials/resolve": find_resolve}
