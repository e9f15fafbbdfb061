"""Key-encryption keys: what the setting may hold, and what a missing one says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from authsvc.vault.envelope import Place, SealBroken
from authsvc.vault.keyring import KeyEncryptionKeyMissing, KeyringInvalid, keyring, parse_keyring

FIRST = base64.b64encode(bytes(range(32))).decode()
SECOND = base64.b64encode(bytes(range(32, 64))).decode()
PLACE = Place("ten_1", "env_1", "data_key", "dky_1", "wrapped")

REFUSED = {
    "nothing": "",
    "commas": " , ,\n",
    "no id": FIRST,
    "empty id": f":{FIRST}",
    "dot in id": f"a.b:{FIRST}",
    "space in id": f"a b:{FIRST}",
    "newline after id": f"a\n:{FIRST}",
    "long id": f"{'a' * 65}:{FIRST}",
    "no key": "one:",
    "short": "one:" + base64.b64encode(bytes(31)).decode(),
    "long": "one:" + base64.b64encode(bytes(33)).decode(),
    "bad base64": "one:" + "!" * 44,
    "cut base64": "one:" + FIRST[:-2],
    "url base64": "one:" + base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode(),
    "not ascii": "one:" + "ä" * 44,
    "hex": "one:" + bytes(range(32)).hex(),
    "same id twice": f"one:{FIRST},one:{SECOND}",
    "good then bad": f"one:{FIRST},two:xx",
}


@pytest.mark.parametrize("name", REFUSED)
def test_parse_keyring_refuses_and_shows_no_key(name: str) -> None:
    with pytest.raises(KeyringInvalid) as caught:
        parse_keyring(REFUSED[name])
    assert FIRST not in str(caught.value)
    assert "!!!!" not in str(caught.value)


@pytest.mark.parametrize("joint", [",", " , ", "\n", ",\n", ",,"])
def test_parse_keyring_takes_the_first_for_primary(joint: str) -> None:
    ring = parse_keyring(f"one:{FIRST}{joint}two:{SECOND}\n")
    assert ring.primary_id == "one"
    assert list(ring.keys) == ["one", "two"]
    assert ring.keys["two"] == bytes(range(32, 64))


def test_keyring_shown_hides_its_keys() -> None:
    shown = repr(parse_keyring(f"one:{FIRST}"))
    assert "keys" not in shown
    assert FIRST not in shown


def test_keyring_wraps_with_the_primary_and_unwraps_with_the_named_one() -> None:
    old = parse_keyring(f"one:{FIRST}")
    both = parse_keyring(f"two:{SECOND},one:{FIRST}")
    wrapped = old.wrap(b"k" * 32, PLACE)
    assert both.unwrap(wrapped, PLACE) == b"k" * 32
    assert both.wrap(b"k" * 32, PLACE).startswith("v1.two.")
    assert both.wrap(b"k" * 32, PLACE) != both.wrap(b"k" * 32, PLACE)


def test_keyring_without_the_key_answers_503_and_names_it_in_the_hint_alone() -> None:
    wrapped = parse_keyring(f"old-2025:{FIRST}").wrap(b"k" * 32, PLACE)
    with pytest.raises(KeyEncryptionKeyMissing) as caught:
        parse_keyring(f"new:{SECOND}").unwrap(wrapped, PLACE)
    assert caught.value.status == 503
    assert "old-2025" in caught.value.hint
    assert "old-2025" not in json.dumps(caught.value.as_document())


def test_keyring_with_another_key_of_the_same_id_is_broken() -> None:
    wrapped = parse_keyring(f"one:{FIRST}").wrap(b"k" * 32, PLACE)
    with pytest.raises(SealBroken):
        parse_keyring(f"one:{SECOND}").unwrap(wrapped, PLACE)


def test_keyring_relabelled_to_another_key_is_broken() -> None:
    ring = parse_keyring(f"one:{FIRST},two:{FIRST}")
    with pytest.raises(SealBroken):
        ring.unwrap(ring.wrap(b"k" * 32, PLACE).replace("v1.one.", "v1.two."), PLACE)


def test_keyring_follows_the_setting(settings: Any) -> None:
    settings.AUTHSVC_KEKS = f"one:{FIRST}"
    assert keyring().primary_id == "one"
    settings.AUTHSVC_KEKS = f"two:{SECOND},one:{FIRST}"
    assert keyring().primary_id == "two"
