"""Device proofs: openclaw's published signatures pass, everything changed by a bit or a word is refused."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from devices.proof import (
    DEFAULT_SKEW_MS,
    WEAK_KEYS,
    PayloadVersion,
    ProofReason,
    ProofVerdict,
    SignedParameters,
    decode_canonical,
    device_id_of,
    encode_canonical,
    keyed_hash,
    normalise_metadata,
    payload,
    verify_shared_secret,
    verify_signature,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "openclaw" / "device_signature_2026.9.6.json"
PRIME = 2**255 - 19


class Vector(TypedDict):
    version: str
    seedHex: str
    publicKeyBase64Url: str
    params: dict[str, object]
    payload: str
    signatureBase64Url: str


CASES: list[Vector] = json.loads(VECTORS.read_text(encoding="utf-8"))


def parameters_of(case: Vector) -> SignedParameters:
    raw = case["params"]
    scopes, token = raw["scopes"], raw["token"]
    assert isinstance(scopes, list)
    return SignedParameters(
        device_id=str(raw["deviceId"]),
        client_id=str(raw["clientId"]),
        client_mode=str(raw["clientMode"]),
        role=str(raw["role"]),
        scopes=tuple(scopes),
        signed_at_ms=int(str(raw["signedAtMs"])),
        nonce=str(raw["nonce"]),
        token=None if token is None else str(token),
        platform=str(raw.get("platform", "")),
        device_family=str(raw.get("deviceFamily", "")),
    )


def judge(
    case: Vector,
    parameters: SignedParameters | None = None,
    *,
    version: str | None = None,
    public_key: str | None = None,
    signature: str | None = None,
) -> ProofVerdict:
    return verify_signature(
        PayloadVersion(version or case["version"]),
        parameters or parameters_of(case),
        case["publicKeyBase64Url"] if public_key is None else public_key,
        case["signatureBase64Url"] if signature is None else signature,
        now_ms=parameters_of(case).signed_at_ms,
    )


def flipped(text: str, bit: int) -> str:
    raw = bytearray(decode_canonical(text) or b"")
    raw[bit // 8] ^= 1 << (bit % 8)
    return encode_canonical(bytes(raw))


def test_vectors_hold_both_versions() -> None:
    assert {case["version"] for case in CASES} == {"v2", "v3"}


@pytest.mark.parametrize("case", CASES)
def test_payload_of_vector_is_rebuilt_exactly(case: Vector) -> None:
    assert payload(PayloadVersion(case["version"]), parameters_of(case)) == case["payload"]


@pytest.mark.parametrize("case", CASES)
def test_device_id_of_vector_key_matches(case: Vector) -> None:
    raw = decode_canonical(case["publicKeyBase64Url"])
    assert raw is not None
    assert device_id_of(raw) == case["params"]["deviceId"]


@pytest.mark.parametrize("case", CASES)
def test_verify_signature_vector_is_accepted(case: Vector) -> None:
    verdict = judge(case)
    assert verdict
    assert verdict.reason is ProofReason.OK


@pytest.mark.parametrize("case", CASES)
def test_verify_signature_any_flipped_signature_bit_is_refused(case: Vector) -> None:
    for bit in range(512):
        assert judge(case, signature=flipped(case["signatureBase64Url"], bit)).reason is ProofReason.BAD_SIGNATURE


@pytest.mark.parametrize("case", CASES)
def test_verify_signature_any_flipped_key_bit_is_another_device(case: Vector) -> None:
    for bit in range(256):
        assert judge(case, public_key=flipped(case["publicKeyBase64Url"], bit)).reason is ProofReason.ID_MISMATCH


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "changed",
    [
        {"role": "admin"},
        {"scopes": ("operator.admin",)},
        {"nonce": "nonce-other"},
        {"client_id": "webchat"},
        {"client_mode": "ui"},
        {"token": "FAKE-other"},
        {"signed_at_ms": 1_800_000_000_999},
    ],
)
def test_verify_signature_changed_field_is_refused(case: Vector, changed: dict[str, object]) -> None:
    verdict = judge(case, replace(parameters_of(case), **changed))  # type: ignore[arg-type]
    assert not verdict
    assert verdict.reason is ProofReason.BAD_SIGNATURE


@pytest.mark.parametrize("case", CASES)
def test_verify_signature_platform_and_family_count_in_v3_only(case: Vector) -> None:
    expected = ProofReason.OK if case["version"] == "v2" else ProofReason.BAD_SIGNATURE
    assert judge(case, replace(parameters_of(case), platform="other")).reason is expected
    assert judge(case, replace(parameters_of(case), device_family="other")).reason is expected


@pytest.mark.parametrize("case", CASES)
def test_verify_signature_other_version_is_refused(case: Vector) -> None:
    other = "v3" if case["version"] == "v2" else "v2"
    assert judge(case, version=other).reason is ProofReason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("offset_ms", "reason"),
    [
        (0, ProofReason.OK),
        (DEFAULT_SKEW_MS, ProofReason.OK),
        (-DEFAULT_SKEW_MS, ProofReason.OK),
        (DEFAULT_SKEW_MS + 1, ProofReason.CLOCK_SKEW),
        (-DEFAULT_SKEW_MS - 1, ProofReason.CLOCK_SKEW),
    ],
)
def test_verify_signature_clock_skew_up_to_two_minutes(offset_ms: int, reason: ProofReason) -> None:
    case = CASES[0]
    parameters = parameters_of(case)
    verdict = verify_signature(
        PayloadVersion(case["version"]),
        parameters,
        case["publicKeyBase64Url"],
        case["signatureBase64Url"],
        parameters.signed_at_ms + offset_ms,
    )
    assert verdict.reason is reason


def respelt(text: str) -> list[str]:
    last = text[-1]
    neighbour = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    loose_bits = text[:-1] + neighbour[neighbour.index(last) ^ 1]
    return [text + "=", text + "==", text + "\n", " " + text, loose_bits, text[:-1] + "é", text + "A" * 4 + "*"]


@pytest.mark.parametrize("index", range(7))
def test_verify_signature_text_not_canonical_is_refused(index: int) -> None:
    case = CASES[0]
    key, signature = respelt(case["publicKeyBase64Url"])[index], respelt(case["signatureBase64Url"])[index]
    assert judge(case, public_key=key).reason is ProofReason.NOT_CANONICAL
    assert judge(case, signature=signature).reason is ProofReason.NOT_CANONICAL


def test_verify_signature_standard_base64_alphabet_is_refused() -> None:
    case = next(each for each in CASES if set("-_") & set(each["signatureBase64Url"]))
    standard = case["signatureBase64Url"].replace("-", "+").replace("_", "/")
    assert judge(case, signature=standard).reason is ProofReason.NOT_CANONICAL


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_verify_signature_key_of_wrong_length_is_refused(length: int) -> None:
    assert judge(CASES[0], public_key=encode_canonical(b"\x07" * length)).reason is ProofReason.BAD_KEY


@pytest.mark.parametrize("length", [0, 63, 65])
def test_verify_signature_signature_of_wrong_length_is_refused(length: int) -> None:
    assert judge(CASES[0], signature=encode_canonical(b"\x07" * length)).reason is ProofReason.BAD_SIGNATURE


@pytest.mark.parametrize("weak", sorted(WEAK_KEYS))
def test_verify_signature_weak_key_is_refused(weak: bytes) -> None:
    parameters = replace(parameters_of(CASES[0]), device_id=device_id_of(weak))
    assert judge(CASES[0], parameters, public_key=encode_canonical(weak)).reason is ProofReason.BAD_KEY


def test_weak_keys_are_every_encoding_of_a_point_of_small_order() -> None:
    # y = 0, 1, p-1 (orders 4, 1, 2), the two y of order 8, and the non-canonical p and p+1; each with either sign.
    d = (-121665 * pow(121666, -1, PRIME)) % PRIME
    ys = {int.from_bytes(key, "little") % 2**255 for key in WEAK_KEYS}
    assert len(WEAK_KEYS) == 2 * len(ys) == 14
    assert {0, 1, PRIME - 1, PRIME, PRIME + 1} < ys
    for y in ys - {0, 1, PRIME - 1, PRIME, PRIME + 1}:
        # Doubling a point of order 8 gives one of order 4 (y = 0): y² + x² = 0, where x² comes from the curve equation.
        x_squared = (y * y - 1) * pow(d * y * y + 1, -1, PRIME) % PRIME
        assert (y * y + x_squared) % PRIME == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": "nonce-0|linux"},
        {"token": "a|b"},
        {"role": "operator|operator.admin"},
        {"client_id": "c|l"},
        {"client_mode": "c|l"},
        {"platform": "a|b"},
        {"device_family": "a|b"},
        {"device_family": "\ud800"},
        {"scopes": ("operator.read,operator.write",)},
        {"scopes": ("a|b",)},
        {"scopes": ("",)},
        {"scopes": ("\udfff",)},
    ],
)
def test_verify_signature_ambiguous_field_is_refused_even_when_signed(changed: dict[str, object]) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
    raw = key.public_key().public_bytes_raw()
    base = replace(parameters_of(CASES[1]), device_id=device_id_of(raw))
    parameters = replace(base, **changed)  # type: ignore[arg-type]
    signed = key.sign(payload(PayloadVersion.V3, parameters).encode(errors="replace"))
    verdict = verify_signature(
        PayloadVersion.V3, parameters, encode_canonical(raw), encode_canonical(signed), parameters.signed_at_ms
    )
    assert verdict.reason is ProofReason.AMBIGUOUS_FIELD


def test_verify_signature_without_nonce_is_refused() -> None:
    assert judge(CASES[0], replace(parameters_of(CASES[0]), nonce="")).reason is ProofReason.NONCE_MISSING


@pytest.mark.parametrize("device_id", ["", "é", "\ud800"])
def test_verify_signature_foreign_device_id_is_refused(device_id: str) -> None:
    assert judge(CASES[0], replace(parameters_of(CASES[0]), device_id=device_id)).reason is ProofReason.ID_MISMATCH


def test_verify_signature_device_id_in_upper_case_is_refused() -> None:
    parameters = parameters_of(CASES[0])
    shouted = replace(parameters, device_id=parameters.device_id.upper())
    assert judge(CASES[0], shouted).reason is ProofReason.ID_MISMATCH


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MacOS ", "macos"),
        ("Ünï", "Ünï"),
        ("\ufeff\u00a0IOS\u3000", "ios"),
        ("\x1fA\x85", "\x1fa\x85"),
        ("\u212a", "\u212a"),
        (" \t", ""),
    ],
)
def test_normalise_metadata_trims_and_lowers_ascii_only(text: str, expected: str) -> None:
    assert normalise_metadata(text) == expected


@given(st.binary(max_size=80))
def test_canonical_text_round_trips(raw: bytes) -> None:
    assert decode_canonical(encode_canonical(raw)) == raw


@given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=12))
def test_decode_canonical_accepts_one_spelling_only(text: str) -> None:
    decoded = decode_canonical(text)
    if decoded is not None:
        assert base64.urlsafe_b64encode(decoded).decode().rstrip("=") == text


def test_keyed_hash_known_value() -> None:
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert keyed_hash(b"Jefe", b"what do ya want for nothing?").hex() == expected


def test_verify_shared_secret_same_hash_only() -> None:
    stored = keyed_hash(b"pepper", b"secret")
    assert verify_shared_secret(keyed_hash(b"pepper", b"secret"), stored)
    assert not verify_shared_secret(keyed_hash(b"pepper", b"secreT"), stored)
    assert not verify_shared_secret(keyed_hash(b"other", b"secret"), stored)
    assert not verify_shared_secret(stored[:-1], stored)


def test_verify_shared_secret_device_without_secret_never_matches() -> None:
    assert not verify_shared_secret(b"", b"")
    assert not verify_shared_secret(keyed_hash(b"pepper", b""), b"")
