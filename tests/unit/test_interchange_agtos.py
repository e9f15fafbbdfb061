"""Keys that agtOS sealed: opened with either of its derivations, refused whole when one does not open."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authsvc.vault.foreign import ForeignKeys, read_salt
from authsvc.web.secret_text import SecretText
from profiles.interchange.agtos import parse_agtos
from profiles.interchange.store import ParsedStore

SECRET = "the secret of an old installation"
SALT = bytes(range(16))
LATER_SALT = bytes(range(32))
KEY = "sk-ant-api03-" + "A" * 95
OLD_KEY = {name: hashlib.pbkdf2_hmac(name, SECRET.encode(), SALT, 100_000, 32) for name in ("sha256", "sha512")}
NEW_KEY = hashlib.scrypt(SECRET.encode(), salt=LATER_SALT, n=16_384, r=8, p=1, maxmem=2**26, dklen=32)


def old(text: str, digest: str = "sha256") -> tuple[bytes, bytes, bytes]:
    """Seal as the first versions did: PBKDF2, 16-byte nonce, no associated data."""
    nonce = bytes(range(16))
    sealed = AESGCM(OLD_KEY[digest]).encrypt(nonce, text.encode(), None)
    return nonce, sealed[-16:], sealed[:-16]


def record(parts: tuple[bytes, bytes, bytes]) -> dict[str, str]:
    return dict(zip(("iv", "tag", "encrypted"), (part.hex() for part in parts), strict=True))


def newer(text: str, name: str) -> dict[str, str]:
    """Seal as later versions do: scrypt, a salt of its own, 12-byte nonce, the provider as associated data."""
    nonce = bytes(range(12))
    sealed = AESGCM(NEW_KEY).encrypt(nonce, text.encode(), name.encode())
    parts = {"nonce": nonce, "authTag": sealed[-16:], "ciphertext": sealed[:-16]}
    return {"salt": LATER_SALT.hex()} | {field: base64.b64encode(part).decode() for field, part in parts.items()}


def parsed(document: Any, secret: str = SECRET, salt: bytes = SALT) -> ParsedStore:
    return parse_agtos(document, ForeignKeys(SecretText(secret)), salt)


def values(store: ParsedStore) -> dict[str, str]:
    return {entry.profile_id: next(iter(entry.secrets.values())).reveal() for entry in store.entries}


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_keys_of_the_first_versions_open(digest: str) -> None:
    joined = ":".join(part.hex() for part in old("sk-or-v1-" + "b" * 40, digest))
    store = parsed({"claude": record(old(KEY, digest)), "openrouter": joined})
    assert store.is_importable
    assert values(store) == {"anthropic:default": KEY, "openrouter:default": "sk-or-v1-" + "b" * 40}


def test_keys_of_later_versions_open_with_their_own_salt() -> None:
    token = "sk-ant-oat01-" + "t" * 90
    store = parsed(
        {"credentials": {"claude": newer(token, "claude"), "openai": newer('{"apiKey": "sk-one"}', "openai")}}
    )
    assert values(store) == {"anthropic:default": token, "openai:default": "sk-one"}
    assert [entry.kind for entry in store.entries] == ["token", "api_key"]


@pytest.mark.parametrize(
    ("document", "secret", "salt"),
    [
        ({"claude": record(old(KEY))}, "another secret", SALT),
        ({"claude": record(old(KEY))}, SECRET, SALT[::-1]),
        ({"claude": newer(KEY, "openai")}, SECRET, SALT),
        ({"claude": {**record(old(KEY)), "iv": "00" * 15}}, SECRET, SALT),
        ({"claude": {**record(old(KEY)), "tag": "zz"}}, SECRET, SALT),
        ({"claude": {**record(old(KEY)), "salt": "00"}}, SECRET, SALT),
        ({"claude": {}}, SECRET, SALT),
        ({"claude": "no:such"}, SECRET, SALT),
    ],
)
def test_record_that_does_not_open_is_named_and_stops_the_import(document: Any, secret: str, salt: bytes) -> None:
    store = parsed({**document, "openai": record(old("sk-fine"))}, secret, salt)
    assert not store.is_importable
    named = [finding for finding in store.findings if finding.code == "not_opened"]
    assert "anthropic:default" in {finding.profile_id for finding in named}
    assert KEY not in json.dumps([finding.detail for finding in store.findings])


@pytest.mark.parametrize("document", [None, [], {}, {"claude": 1}, {f"p{n}": "a:b:c" for n in range(51)}])
def test_file_of_another_shape_is_refused(document: Any) -> None:
    store = parsed(document)
    assert [finding.code for finding in store.findings] == ["unreadable_store"]


@pytest.mark.parametrize("text", ["", "00" * 15, "zz" * 16, "00" * 65, "0" * 33, "00 " * 16, "0x" + "00" * 16])
def test_salt_that_is_not_hex_of_enough_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"salt|hexadecimal"):
        read_salt(text)


def test_a_file_with_many_salts_derives_few_keys() -> None:
    sealed = old(KEY)
    document = {f"p{n}": {**record(sealed), "salt": f"{n:032x}", "iv": "00" * 12} for n in range(20)}
    keys = ForeignKeys(SecretText(SECRET))
    assert not parse_agtos(document, keys, SALT).is_importable
    assert len(keys._known) <= 8
