"""The one door to the WebAuthn library (``pip install authsvc[passkeys]``): options for browsers, answers checked.

The relying party is the host of ``AUTHSVC_BASE_URL``; an answer counts only from exactly that origin, never from a
frame of another, and only with the user verified by the device, so that a passkey is two factors in one.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

try:
    from fido2.server import Fido2Server
    from fido2.utils import websafe_encode
    from fido2.webauthn import (
        AttestationConveyancePreference,
        AttestedCredentialData,
        AuthenticationResponse,
        PublicKeyCredentialRpEntity,
        PublicKeyCredentialUserEntity,
        RegistrationResponse,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    IS_INSTALLED = True
except ImportError:  # the extra is not installed
    IS_INSTALLED = False

logging.getLogger("fido2").setLevel(logging.WARNING)  # it would log the id of every credential
MAXIMUM_CREDENTIAL_BYTES = 1023  # WebAuthn §5.1
# What the library raises for bytes that are not what they should be.
REFUSALS = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OverflowError, RecursionError)
Options = Mapping[str, Any]


class AnswerRefused(ValueError):
    """A browser's answer is not one to the question, or not from here."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a registration gives: the credential's id as base64url, its public data, its counter."""

    credential_id: str
    credential_data: bytes
    sign_count: int


@dataclass(frozen=True, slots=True)
class Site:
    """Where people sign in."""

    host: str
    origin: str


def site_of(base_url: str) -> Site:
    """Return the relying party of a base address."""
    parts = urlsplit(base_url)
    return Site(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")


def passkey_fault(base_url: str) -> str:
    """Return why passkeys cannot be offered here, and what to do; empty when they can."""
    if not IS_INSTALLED:
        return "The WebAuthn library is missing: pip install 'authsvc[passkeys]'."
    site = site_of(base_url)
    try:
        ipaddress.ip_address(site.host)
    except ValueError:
        is_secure = site.origin.startswith("https://") or site.host == "localhost"
        return "" if is_secure else "Browsers offer passkeys over https alone: set AUTHSVC_BASE_URL to https."
    return "Browsers offer no passkeys at a bare address: give AUTHSVC_BASE_URL a name, such as http://localhost:8000."


def creation_options(site: Site, *, user_id: str, name: str, challenge: bytes, known: Sequence[bytes]) -> Options:
    """Return what a browser needs to make a passkey."""
    options, _ = _server(site).register_begin(
        PublicKeyCredentialUserEntity(name=name, id=user_id.encode(), display_name=name),
        [AttestedCredentialData(data) for data in known],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=challenge,
    )
    return dict(options)


def request_options(site: Site, *, challenge: bytes, known: Sequence[bytes]) -> Options:
    """Return what a browser needs to use a passkey; without known ones it offers those it has for this site."""
    options, _ = _server(site).authenticate_begin(
        [AttestedCredentialData(data) for data in known] or None,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=challenge,
    )
    return dict(options)


def challenge_of(answer: Mapping[str, Any]) -> bytes:
    """Return the challenge an answer claims to answer; raises ``AnswerRefused``. Nothing of it is verified yet."""
    try:
        kind = RegistrationResponse if "attestationObject" in answer["response"] else AuthenticationResponse
        return bytes(kind.from_dict(answer).response.client_data.challenge)
    except REFUSALS as error:
        raise AnswerRefused from error


def credential_id_of(answer: Mapping[str, Any]) -> str:
    """Return the id of the credential an answer says it is from, as base64url; raises ``AnswerRefused``."""
    try:
        return str(websafe_encode(AuthenticationResponse.from_dict(answer).raw_id))
    except REFUSALS as error:
        raise AnswerRefused from error


def verify_creation(site: Site, *, challenge: bytes, answer: Mapping[str, Any]) -> NewKey:
    """Return the new key of a registration; raises ``AnswerRefused``."""
    try:
        parsed = RegistrationResponse.from_dict(answer)
        _require_same_origin(parsed.response.client_data)
        data = _server(site).register_complete(_state(challenge), parsed)
        made = data.credential_data
        assert made is not None  # noqa: S101 - becomes a refusal below
        if not 0 < len(made.credential_id) <= MAXIMUM_CREDENTIAL_BYTES or made.credential_id != parsed.raw_id:
            raise ValueError("The credential's id is not its own.")
        if type(made.public_key).ALGORITHM is None:
            raise ValueError("The algorithm is not supported.")
        return NewKey(websafe_encode(made.credential_id), bytes(made), data.counter)
    except REFUSALS as error:
        raise AnswerRefused from error


def verify_assertion(site: Site, *, challenge: bytes, answer: Mapping[str, Any], credential_data: bytes) -> int:
    """Return the counter of an answer signed with this credential; raises ``AnswerRefused``."""
    try:
        parsed = AuthenticationResponse.from_dict(answer)
        _require_same_origin(parsed.response.client_data)
        _server(site).authenticate_complete(_state(challenge), [AttestedCredentialData(credential_data)], parsed)
        return int(parsed.response.authenticator_data.counter)
    except REFUSALS as error:
        raise AnswerRefused from error


def _require_same_origin(client_data: Any) -> None:
    if client_data.cross_origin:
        raise ValueError("The question was asked in a frame of another site.")


def _server(site: Site) -> Any:
    party = PublicKeyCredentialRpEntity(name="authsvc", id=site.host)
    return Fido2Server(
        party, attestation=AttestationConveyancePreference.NONE, verify_origin=lambda origin: origin == site.origin
    )


def _state(challenge: bytes) -> Mapping[str, Any]:
    return {"challenge": websafe_encode(challenge), "user_verification": UserVerificationRequirement.REQUIRED}
