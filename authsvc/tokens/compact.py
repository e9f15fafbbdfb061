"""Taking a compact JWS apart without trusting it (RFC 7515 §3.1).

Size, three parts, canonical base64url, strict JSON. PURE.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from authsvc.tokens.claims import TokenRefused

MAXIMUM_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class CompactParts:
    """A token taken apart; nothing in it is verified yet."""

    header: Mapping[str, object]
    payload: dict[str, object]
    signing_input: bytes
    signature: bytes


def take_apart(raw: str) -> CompactParts:
    """Return the parts of a compact token; raises ``TokenRefused`` for any spelling but the canonical one."""
    if len(raw) > MAXIMUM_CHARACTERS or not raw.isascii():
        raise TokenRefused("size")
    parts = raw.split(".")
    if len(parts) != 3:
        raise TokenRefused("parts")
    header, payload, signature = parts
    return CompactParts(
        _header(header), json_object(decode(payload)), f"{header}.{payload}".encode(), decode(signature)
    )


@lru_cache(maxsize=512)
def _header(text: str) -> Mapping[str, object]:
    """A signing key writes the same header into every token, so it is read once; a refusal is not remembered."""
    return MappingProxyType(json_object(decode(text)))


def decode(text: str) -> bytes:
    """Return the bytes of canonical, unpadded base64url; a second spelling of the same bytes is refused."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("base64url") from error
    if base64.urlsafe_b64encode(value).rstrip(b"=").decode() != text:
        raise TokenRefused("base64url")
    return value


def json_object(text: bytes) -> dict[str, object]:
    """Return a JSON object; duplicate keys, NaN, other types and anything but UTF-8 are refused."""
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise TokenRefused("json") from error
    if not isinstance(value, dict):
        raise TokenRefused("json")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise TokenRefused("duplicate key")
    return result


def _refuse(_name: str) -> object:
    raise TokenRefused("json number")
