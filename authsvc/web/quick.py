"""What a room offers the quick door: how to read a plain request to one of its views, and the work of answering it.

Only an ordinary body is read here, JSON or a form; everything else, and every complaint about fields, is for the view
itself.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict

from authsvc.web.body_limit import Environ
from authsvc.web.caller import Caller
from authsvc.web.parsing import parse_json
from authsvc.web.problems import Problem

if TYPE_CHECKING:  # DRF's settings name modules that are still being imported here
    from authsvc.web.api import ApiView

MEDIA_TYPES = frozenset({"application/json", "application/json; charset=utf-8"})
ACCEPTED = frozenset({"", "*/*", "application/json"})
FORM = "application/x-www-form-urlencoded"
MAXIMUM_FIELDS = 100
Work = Callable[[HttpRequest, Caller | None, datetime], str]


@dataclass(frozen=True, slots=True)
class QuickView:
    """A POST whose body was understood: the view it stands for, and the work that returns the answer's JSON."""

    cls: type[ApiView]
    work: Work


@dataclass(frozen=True, slots=True)
class Warm:
    """A POST whose answer is known already: who asks, whose limits it counts against, and how it is told again.

    ``tell`` may ask for the caller as of this request, with its address and the request's id.
    """

    cls: type[ApiView]
    caller: Caller
    tell: Callable[[Callable[[], Caller], datetime], str]


Found = QuickView | Warm
Find = Callable[[Environ, Mapping[str, str]], Found | None]
ALLOW = "POST, OPTIONS"


def plain_body(environ: Environ, *, maximum_bytes: int) -> bytes | None:
    """Return the body of an ordinary POST, left readable for whoever comes after; ``None`` for any other request."""
    if environ.get("CONTENT_TYPE", "") not in MEDIA_TYPES or environ.get("HTTP_ACCEPT", "") not in ACCEPTED:
        return None
    return _body(environ, maximum_bytes)


def plain_form(environ: Environ, *, maximum_bytes: int) -> MultiValueDict[str, str] | None:
    """Return the fields of an ordinary form, its body left readable; ``None`` for any other request."""
    if environ.get("CONTENT_TYPE", "") != FORM:
        return None
    body = _body(environ, maximum_bytes)
    if body is None or not body.isascii() or body.count(b"&") >= MAXIMUM_FIELDS:
        return None
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("ascii"), keep_blank_values=True):
        fields.setdefault(name, []).append(value)
    return MultiValueDict(fields)


def _body(environ: Environ, maximum_bytes: int) -> bytes | None:
    """Return a body of good length that was sent to an address without a query, left readable."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    if environ["REQUEST_METHOD"] != "POST" or environ.get("QUERY_STRING") or not length.isdecimal():
        return None
    if len(length) > 10 or not 0 < int(length) <= maximum_bytes:
        return None
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def plain_texts(body: bytes, longest: Mapping[str, int]) -> dict[str, str] | None:
    """Return the fields of an object whose members are all known, not empty, and texts of good length."""
    try:
        fields = parse_json(body)
    except Problem:
        return None
    return fields if isinstance(fields, dict) and are_plain_texts(fields, longest) else None


def are_plain_texts(fields: Mapping[str, object], longest: Mapping[str, int]) -> bool:
    """True when every member is known, not empty, and a text of good length."""
    return fields.keys() <= longest.keys() and all(
        isinstance(value, str) and 0 < len(value) <= longest[name] for name, value in fields.items()
    )
