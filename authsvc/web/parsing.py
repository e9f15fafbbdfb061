"""Reading a JSON body strictly: at most 1 MiB, UTF-8, 32 levels deep, no duplicate keys, no NaN, no NUL, no lone
surrogate.

Everything refused is a ``Problem``: 413 for size, 415 for the media type or charset, 400 for the rest.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from authsvc.web.problems import BadRequest, PayloadTooLarge, UnsupportedMediaType

MAXIMUM_BYTES = 1024 * 1024
MAXIMUM_DEPTH = 32
UTF_8_NAMES = frozenset({"utf-8", "utf8"})
# Possessive, and a text without an end runs to the end: one pass, however many quotes there are.
STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
UNSAFE_TEXT = re.compile("[\x00\ud800-\udfff]")


class MalformedJson(BadRequest):
    """The body is not the JSON we accept; ``detail`` says which rule it breaks."""

    slug, title = "malformed_json", "Malformed JSON"


class StrictJSONParser(BaseParser):
    """DRF's door to :func:`parse_json`; any other media type is 415."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body; an empty body is an empty object."""
        require_utf8(media_type or "")
        return parse_json(stream.read(MAXIMUM_BYTES + 1) or b"{}")


def require_utf8(media_type: str) -> None:
    """Raise unless the media type names no charset or UTF-8."""
    for parameter in media_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "charset" and value.strip("\"' ").lower() not in UTF_8_NAMES:
            raise UnsupportedMediaType("Only UTF-8 is accepted.")


def parse_json(body: bytes, *, maximum_bytes: int = MAXIMUM_BYTES) -> object:
    """Return the value of ``body``; raises ``PayloadTooLarge`` or ``MalformedJson``."""
    if len(body) > maximum_bytes:
        raise PayloadTooLarge
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson("The body is not valid UTF-8.") from error
    _require_shallow(text)
    try:
        value: object = json.loads(
            text, object_pairs_hook=_unique_object, parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise MalformedJson("The body is not valid JSON.") from error
    if "\\u" in text:  # JSON takes neither NUL nor, in UTF-8, a lone surrogate but by such an escape
        _require_safe_text(value)
    return value


def _require_shallow(text: str) -> None:
    if text.count("[") + text.count("{") <= MAXIMUM_DEPTH:
        return  # too few brackets to be deep, wherever they stand
    depth = 0
    for match in STRUCTURE.finditer(text):
        first = match.group()[0]
        if first in "[{":
            depth += 1
            if depth > MAXIMUM_DEPTH:
                raise MalformedJson(f"The body is nested deeper than {MAXIMUM_DEPTH} levels.")
        elif first in "]}":
            depth -= 1


def _unique_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedJson("The body repeats a key.")
    return result


def _refuse_constant(_name: str) -> object:
    raise MalformedJson("NaN and Infinity are not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise MalformedJson("A number is too large.")
    return number


def _require_safe_text(value: object) -> None:
    """Walk without recursion; refuse NUL and lone surrogates in any key or text."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, str):
            if UNSAFE_TEXT.search(current):
                raise MalformedJson("Text may not contain NUL or unpaired surrogates.")
        elif isinstance(current, dict):
            pending.extend(current.keys())
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)
