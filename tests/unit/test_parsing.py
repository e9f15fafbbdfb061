"""The strict JSON reader and the body limit at the door."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from authsvc.web.body_limit import BodyLimit
from authsvc.web.parsing import (
    MAXIMUM_BYTES,
    MAXIMUM_DEPTH,
    MalformedJson,
    StrictJSONParser,
    parse_json,
    require_utf8,
)
from authsvc.web.problems import PayloadTooLarge, UnsupportedMediaType
from tests.scale import scaled

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
REFUSED = {
    "nothing": b"",
    "spaces": b"   ",
    "half": b'{"a":',
    "two values": b"{} {}",
    "trailing comma": b"[1,]",
    "single quotes": b"{'a':1}",
    "comment": b"{}//x",
    "NaN": b"[NaN]",
    "Infinity": b"[Infinity]",
    "-Infinity": b"[-Infinity]",
    "1e400": b"[1e400]",
    "-1e400": b'{"a":{"b":-1e400}}',
    "5000 digits": b"[" + b"9" * 5000 + b"]",
    "repeated key": b'{"a":1,"a":1}',
    "repeated key by escape": b'{"a":1,"\\u0061":2}',
    "repeated key deep": b'{"x":[{"a":1,"a":2}]}',
    "NUL": b'["\\u0000"]',
    "raw NUL": b'["\x00"]',
    "NUL in key": b'{"a\\u0000b":1}',
    "surrogate": b'["\\ud800"]',
    "low surrogate": b'["x\\udfffx"]',
    "surrogate key": b'{"\\ud800":1}',
    "reversed pair": b'["\\udc00\\ud800"]',
    "control character": b'["\n"]',
    "bare control": b"\x01",
    "latin-1": '["ä"]'.encode("latin-1"),
    "overlong": b'["\xc0\xaf"]',
    "encoded surrogate": b'["\xed\xa0\x80"]',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-32": '{"a":1}'.encode("utf-32"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "lone backslash at the end": b'["\\',
    "leading zero": b"[01]",
    "hexadecimal": b"[0x10]",
}


@pytest.mark.parametrize("name", REFUSED)
def test_parse_json_refuses(name: str) -> None:
    with pytest.raises(MalformedJson) as caught:
        parse_json(REFUSED[name])
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "text", ["null", "[]", "{}", '"ä😀"', '"\\ud83d\\ude00"', "-0", "1e308", "[1, 2.5, true, false]", ' {"a": "[{"} ']
)
def test_parse_json_accepts_what_is_json(text: str) -> None:
    assert parse_json(text.encode()) == json.loads(text)


@given(JSON_VALUES)
@hypothesis_settings(max_examples=scaled(75, 200), deadline=None)
def test_parse_json_returns_what_json_dumps_wrote(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200) | TEXT.map(lambda text: f'["{text}'.encode()))
@hypothesis_settings(max_examples=scaled(75, 200), deadline=None)
def test_parse_json_of_anything_answers_or_refuses(body: bytes) -> None:
    try:
        parse_json(body)
    except MalformedJson as problem:
        assert problem.status == 400


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_parse_json_counts_depth_exactly(opening: str, closing: str) -> None:
    levels = MAXIMUM_DEPTH // len(closing)
    assert parse_json((opening * levels + "1" + closing * levels).encode()) is not None
    with pytest.raises(MalformedJson, match="nested deeper"):
        parse_json(f"[{opening * levels}1{closing * levels}]".encode())


def test_parse_json_does_not_count_brackets_in_text() -> None:
    assert parse_json(json.dumps(["[{" * 500, '"[' * 50, "\\" * 50]).encode()) == ["[{" * 500, '"[' * 50, "\\" * 50]


def test_parse_json_counts_siblings_once() -> None:
    assert parse_json(b"[" + b"[]," * 1000 + b"[]]") == [[] for _ in range(1001)]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * MAXIMUM_BYTES,
        b'{"a":' * 200_000,
        b'"' + b'\\"' * 500_000,
        b'"' * (MAXIMUM_BYTES - 1),
        b'["' + b"\\" * (MAXIMUM_BYTES - 2),
        b"]" * MAXIMUM_BYTES,
        b'"a":' * 250_000,
    ],
    ids=["lists", "objects", "escaped quotes without end", "quotes", "backslashes", "closing", "texts"],
)
def test_parse_json_refuses_hostile_mebibytes_within_three_seconds(body: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(MalformedJson):
        parse_json(body)
    assert time.monotonic() - began < 3


def test_parse_json_over_the_limit_is_too_large() -> None:
    body = b'"' + b"a" * (MAXIMUM_BYTES - 2) + b'"'
    assert parse_json(body) == "a" * (MAXIMUM_BYTES - 2)
    with pytest.raises(PayloadTooLarge):
        parse_json(body + b" ")
    with pytest.raises(PayloadTooLarge):
        parse_json(b"[1]", maximum_bytes=2)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8; x=1",
        "application/json; version=1",
        "",
    ],
)
def test_require_utf8_lets_utf8_pass(media_type: str) -> None:
    require_utf8(media_type)


@pytest.mark.parametrize(
    "charset",
    [
        "charset=utf-7",
        "charset=nope",
        "charset=utf-16",
        "charset=latin-1",
        "CHARSET=UTF-32",
        "charset=",
        "charset",
        "charset = utf-7",
        "charset=utf-8; charset=utf-7",
    ],
)
def test_require_utf8_refuses_any_other_charset(charset: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        require_utf8(f"application/json; {charset}")


def test_parser_takes_an_empty_body_for_an_empty_object() -> None:
    assert StrictJSONParser().parse(io.BytesIO(b""), None) == {}


def test_parser_reads_at_most_one_byte_over_the_limit() -> None:
    stream = io.BytesIO(b" " * (MAXIMUM_BYTES * 2))
    with pytest.raises(PayloadTooLarge):
        StrictJSONParser().parse(stream, "application/json")
    assert stream.tell() == MAXIMUM_BYTES + 1


class Door:
    """An application behind the limit that notes what reaches it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status = ""
        self.headers: dict[str, str] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.bodies.append(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        start_response("200 OK", [])
        return [b"ok"]

    def ask(self, body: bytes, **environ: str) -> bytes:
        def start(status: str, headers: list[tuple[str, str]]) -> None:
            self.status, self.headers = status, dict(headers)

        return b"".join(BodyLimit(self)({"wsgi.input": io.BytesIO(body), **environ}, start))


@pytest.mark.parametrize("length", ["", "0", "5", str(MAXIMUM_BYTES), "0" * 30 + "5"])
def test_body_limit_lets_small_bodies_pass(length: str) -> None:
    door = Door()
    assert door.ask(b"x" * int(length or 0), CONTENT_LENGTH=length) == b"ok"
    assert door.bodies == [b"x" * int(length or 0)]


@pytest.mark.parametrize(
    "length", [str(MAXIMUM_BYTES + 1), "9" * 19, "9" * 5000, "0" * 30 + "9999999", "0" * 5000 + "99999999"]
)
def test_body_limit_by_content_length_answers_413_unread(length: str) -> None:
    door = Door()
    document = json.loads(door.ask(b"x", CONTENT_LENGTH=length))
    assert door.status.startswith("413 ")
    assert door.headers["Content-Type"] == "application/problem+json"
    assert document["code"] == "payload_too_large"
    assert door.bodies == []


@pytest.mark.parametrize("length", ["-1", "\u0665", " 5"])
def test_body_limit_leaves_a_senseless_length_to_the_server(length: str) -> None:
    door = Door()
    assert door.ask(b"", CONTENT_LENGTH=length) == b"ok"
    assert door.status == "200 OK"


@pytest.mark.parametrize("encoding", ["chunked", "Chunked", "gzip, chunked"])
def test_body_limit_measures_a_chunked_body(encoding: str) -> None:
    door = Door()
    assert door.ask(b"y" * MAXIMUM_BYTES, HTTP_TRANSFER_ENCODING=encoding) == b"ok"
    assert door.bodies == [b"y" * MAXIMUM_BYTES]
    door.ask(b"y" * (MAXIMUM_BYTES + 1), HTTP_TRANSFER_ENCODING=encoding)
    assert door.status.startswith("413 ")
    assert len(door.bodies) == 1
