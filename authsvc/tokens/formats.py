"""The text of opaque tokens: ``<type>_<environment>_<id>_<secret><checksum>``; parsed and checked before any query.
PURE.

Types: ``ask`` API key, ``agw`` gateway token, ``acs`` client secret, ``ads`` device secret, ``art`` refresh token.
The id has 16 and the secret 43 characters of base62 (256 bits), the checksum is CRC-32 over everything before it in
6 characters of base62, so a scanner needs no database. ``PATTERN`` is published in ``docs/reference/tokens.md``.

A gateway token that another product made, 64 hex digits without type or id, can be imported and is recognised here.
"""

from __future__ import annotations

import binascii
import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum

from authsvc.web.identifiers import ALPHABET, random_base62
from authsvc.web.secret_text import SecretText

ID_LENGTH = 16
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6
PATTERN = r"a(?:sk|gw|cs|ds|rt)_[a-z][a-z0-9-]{0,62}_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}"
_PARSED = re.compile(
    r"(?P<type>a(?:sk|gw|cs|ds|rt))_(?P<environment>[a-z][a-z0-9-]{0,62})_(?P<id>[0-9A-Za-z]{16})_"
    r"(?P<secret>[0-9A-Za-z]{43})(?P<checksum>[0-9A-Za-z]{6})\Z"
)
_IMPORTED = re.compile(r"[0-9a-f]{64}|[0-9A-F]{64}")
LEAST_DIGITS = 8  # a random text of 64 hex digits with fewer different ones does not happen
_PAIRS = [left + right for left in ALPHABET for right in ALPHABET]  # two digits of base62 at a time
_SHAPED = re.compile(r"a(?:sk|gw|cs|ds|rt)_")


class TokenType(StrEnum):
    """The first part of an opaque token."""

    API_KEY = "ask"
    GATEWAY_TOKEN = "agw"
    CLIENT_SECRET = "acs"
    DEVICE_SECRET = "ads"
    REFRESH_TOKEN = "art"


@dataclass(frozen=True, slots=True)
class OpaqueToken:
    """A well-formed opaque token; ``text`` is the whole of it."""

    type: TokenType
    environment: str
    id: str
    text: SecretText = field(repr=False)

    @property
    def last_four(self) -> str:
        """The last four characters, for people to recognise it by."""
        return self.text.reveal()[-4:]


def generate(token_type: TokenType, environment: str, token_id: str | None = None) -> OpaqueToken:
    """Return a fresh token; with ``token_id`` it is a new secret for the same id (rotation)."""
    token_id = token_id or random_base62(ID_LENGTH)
    body = f"{token_type}_{environment}_{token_id}_{random_base62(SECRET_LENGTH)}"
    return OpaqueToken(token_type, environment, token_id, SecretText(body + checksum(body)))


def parse(text: str) -> OpaqueToken | None:
    """Return the parsed token, or ``None`` when the shape or the checksum is wrong; costs no query."""
    match = _PARSED.match(text) if len(text) <= 200 else None
    if match is None or checksum(text[:-CHECKSUM_LENGTH]) != match["checksum"]:
        return None
    return OpaqueToken(TokenType(match["type"]), match["environment"], match["id"], SecretText(text))


def parse_imported(text: str) -> SecretText | None:
    """Return the text when it has the shape of a gateway token made elsewhere: 64 hex digits, and random ones."""
    is_shaped = len(text) == 64 and _IMPORTED.fullmatch(text) is not None
    return SecretText(text) if is_shaped and len(set(text)) >= LEAST_DIGITS else None


def is_opaque_shaped(text: str) -> bool:
    """True when the text starts like one of our opaque tokens, or is shaped like an imported one."""
    return bool(_SHAPED.match(text)) or parse_imported(text) is not None


def checksum(body: str) -> str:
    """Return CRC-32 of the text as 6 characters of base62."""
    number, last = divmod(binascii.crc32(body.encode()), len(_PAIRS))
    first, middle = divmod(number, len(_PAIRS))
    return _PAIRS[first] + _PAIRS[middle] + _PAIRS[last]


def keyed_hash(pepper: bytes, text: SecretText) -> str:
    """Return HMAC-SHA-256 hex of the whole token text: type, environment and id are bound in."""
    return hmac.digest(pepper, text.reveal().encode(), "sha256").hex()


def is_same_hash(left: str, right: str) -> bool:
    """Compare two hashes in constant time; an empty stored hash equals nothing."""
    return bool(left) and hmac.compare_digest(left.encode(), right.encode())
