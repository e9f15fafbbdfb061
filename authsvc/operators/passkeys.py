"""Passkeys of operators: added and removed, and used after the password, instead of it, or to prove oneself again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from authsvc.audit.record import record
from authsvc.operators import webauthn
from authsvc.operators.challenges import challenge_ends, make_challenge
from authsvc.operators.factors import SecondFactorRequired, fresh_recovery_codes
from authsvc.operators.models import Authenticator, Passkey, RecoveryCodes, UsedChallenge
from authsvc.operators.webauthn import AnswerRefused, Options
from authsvc.tenants.models import Operator
from authsvc.tenants.second_factor import is_required
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, NotFound, ValidationFailed
from authsvc.web.secret_text import SecretText

MAXIMUM_ANSWER = 20_000
MAXIMUM_PASSKEYS = 20
ADDING, PROVING, SIGNING_IN = "add", "prove", "sign in"


class PasskeyCopied(Conflict):
    """The counter of a passkey went back: two devices hold it."""

    slug, title = "passkey_copied", "This passkey may have been copied"
    default_detail = "This passkey answered with an old counter; remove it and use another factor."


@dataclass(frozen=True, slots=True)
class AddedPasskey:
    """A passkey that works from now on; recovery codes with the operator's first factor."""

    passkey: Passkey
    recovery_codes: Sequence[SecretText]


def are_offered() -> bool:
    """True when passkeys work at this address."""
    return not webauthn.passkey_fault(settings.AUTHSVC_BASE_URL)


def passkeys_of(operator: Operator) -> list[Passkey]:
    """Return an operator's passkeys, the oldest first."""
    return list(Passkey.objects.filter(user_id=operator.pk))


def adding_options(operator: Operator, *, now: datetime) -> Options:
    """Return what the browser needs to make a passkey for this operator."""
    return webauthn.creation_options(
        _site(),
        user_id=operator.pk,
        name=operator.username,
        challenge=_challenge(ADDING, operator.pk, now),
        known=[bytes(row.credential_data) for row in passkeys_of(operator)],
    )


def proving_options(operator: Operator, *, now: datetime) -> Options:
    """Return what the browser needs to use a passkey of this operator."""
    known = [bytes(row.credential_data) for row in passkeys_of(operator)]
    return webauthn.request_options(_site(), challenge=_challenge(PROVING, operator.pk, now), known=known)


def sign_in_options(*, now: datetime) -> Options:
    """Return what the browser needs to sign in with whatever passkey it has for this site."""
    return webauthn.request_options(_site(), challenge=_challenge(SIGNING_IN, "", now), known=[])


def add_passkey(caller: Caller, *, operator: Operator, name: str, answer: str, now: datetime) -> AddedPasskey:
    """Keep the key a browser made; raises ``ValidationFailed`` for an answer that is not one to our question."""
    parsed = _parsed(answer)
    try:
        challenge = webauthn.challenge_of(parsed)
        made = webauthn.verify_creation(_site(), challenge=challenge, answer=parsed)
    except AnswerRefused as error:
        raise _refused() from error
    with transaction.atomic():
        _use_challenge(challenge, ADDING, operator.pk, now)
        if Passkey.objects.filter(user_id=operator.pk).count() >= MAXIMUM_PASSKEYS:
            raise Conflict(f"You have {MAXIMUM_PASSKEYS} passkeys; remove one first.")
        if Passkey.objects.filter(credential_id=made.credential_id).exists():
            raise _refused()
        is_first = not RecoveryCodes.objects.filter(user_id=operator.pk).exists()
        passkey = Passkey.objects.create(
            user_id=operator.pk,
            name=name.strip()[:64] or "passkey",
            credential_id=made.credential_id,
            credential_data=made.credential_data,
            sign_count=made.sign_count,
            created_at=now,
        )
        record(caller, "operator.passkey_added", subject_id=operator.id, detail={"name": passkey.name}, now=now)
        return AddedPasskey(passkey, fresh_recovery_codes(operator) if is_first else ())


def remove_passkey(caller: Caller, *, operator: Operator, passkey_id: str, now: datetime) -> None:
    """Remove one; raises ``NotFound``, or ``SecondFactorRequired`` for the last factor where one is demanded."""
    with transaction.atomic():
        rows = Passkey.objects.select_for_update().filter(user_id=operator.pk)
        found = rows.filter(pk=int(passkey_id)).first() if passkey_id.isdecimal() and len(passkey_id) < 18 else None
        if found is None:
            raise NotFound
        others = rows.exclude(pk=found.pk).exists()
        has_other = others or Authenticator.objects.filter(user_id=operator.pk, confirmed=True).exists()
        if not has_other and is_required(operator):
            raise SecondFactorRequired
        found.delete()
        if not has_other:
            RecoveryCodes.objects.filter(user_id=operator.pk).delete()
        record(caller, "operator.passkey_removed", subject_id=operator.id, detail={"name": found.name}, now=now)


def check_passkey(caller: Caller, *, operator: Operator, answer: str, now: datetime) -> Passkey:
    """Return the operator's passkey that gave this answer; raises ``ValidationFailed``, and the failure is audited."""
    try:
        return _proven(_parsed(answer), operator_id=operator.pk, purpose=PROVING, subject=operator.pk, now=now)
    except (ValidationFailed, PasskeyCopied):
        record(caller, "operator.second_factor_failed", subject_id=operator.id, now=now)
        raise


def find_by_passkey(answer: str, *, now: datetime) -> tuple[Operator, Passkey]:
    """Return who signs in with this answer and with which passkey; raises ``ValidationFailed``, alike for everybody."""
    passkey = _proven(_parsed(answer), operator_id=None, purpose=SIGNING_IN, subject="", now=now)
    operator = Operator.objects.get(pk=passkey.user_id)
    if not operator.is_active:
        raise _refused()
    return operator, passkey


def _proven(
    parsed: Mapping[str, Any], *, operator_id: str | None, purpose: str, subject: str, now: datetime
) -> Passkey:
    """Verify an assertion; its challenge is used up, and its counter must have moved (WebAuthn §7.2, step 22)."""
    try:
        challenge, credential_id = webauthn.challenge_of(parsed), webauthn.credential_id_of(parsed)
        with transaction.atomic():
            rows = Passkey.objects.select_for_update().filter(credential_id=credential_id, confirmed=True)
            found: Passkey | None = (rows if operator_id is None else rows.filter(user_id=operator_id)).first()
            if found is None:
                raise AnswerRefused
            data = bytes(found.credential_data)
            count = webauthn.verify_assertion(_site(), challenge=challenge, answer=parsed, credential_data=data)
            _use_challenge(challenge, purpose, subject, now)
            if (count or found.sign_count) and count <= found.sign_count:
                raise PasskeyCopied
            found.sign_count, found.last_used_at = count, now
            found.save(update_fields=["sign_count", "last_used_at"])
            return found
    except AnswerRefused as error:
        raise _refused() from error


def _challenge(purpose: str, subject: str, now: datetime) -> bytes:
    nonce = secrets.token_bytes(16)
    return make_challenge(_key(), purpose=purpose, subject=subject, nonce=nonce, now=int(now.timestamp()))


def _use_challenge(challenge: bytes, purpose: str, subject: str, now: datetime) -> None:
    """Use a challenge up; raises ``ValidationFailed`` for one that is foreign, over, or used."""
    ends = challenge_ends(_key(), challenge, purpose=purpose, subject=subject, now=int(now.timestamp()))
    if ends is None:
        raise _refused()
    row = UsedChallenge(sha256(challenge).hexdigest(), datetime.fromtimestamp(ends, UTC))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise _refused() from error


def _parsed(answer: str) -> Mapping[str, Any]:
    try:
        document = json.loads(answer) if len(answer) <= MAXIMUM_ANSWER else None
    except (ValueError, RecursionError) as error:
        raise _refused() from error
    if not isinstance(document, dict):
        raise _refused()
    return document


def _refused() -> ValidationFailed:
    return ValidationFailed(errors={"passkey": ["This passkey was not accepted; try again, or use a code."]})


def _key() -> bytes:
    return settings.SECRET_KEY.encode()


def _site() -> webauthn.Site:
    return webauthn.site_of(settings.AUTHSVC_BASE_URL)
