"""The second factor of operators: time-based codes and recovery codes, set up, checked and removed.

Wrong codes are counted and slow the next try (django-otp's throttling). Nothing here is shown twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django_otp import devices_for_user, verify_token

from authsvc.audit.record import record
from authsvc.operators.models import Authenticator, Passkey, RecoveryCode, RecoveryCodes
from authsvc.operators.sealing import hash_recovery_code, open_factor_key, seal_factor_key
from authsvc.tenants.models import Operator
from authsvc.tenants.second_factor import has_factor, is_required
from authsvc.vault.keyring import keyring
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, Problem, ValidationFailed
from authsvc.web.secret_text import SecretText

RECOVERY_CODES = 10
KEY_BYTES = 20  # RFC 4226 §4, requirement 6
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class StartedFactor:
    """A factor to be confirmed, and its key, shown once."""

    device: Any
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConfirmedFactor:
    """A factor that works from now on, and its recovery codes, shown once."""

    device: Any
    recovery_codes: Sequence[SecretText] = field(repr=False)


class SecondFactorRequired(Conflict):
    """A tenant of this operator, or the platform, demands a second factor."""

    slug, title = "second_factor_required", "A second factor is required"
    default_detail = "A second factor is required of you; the last one cannot be removed."


def has_authenticator(operator: Operator) -> bool:
    """True when the operator has confirmed a time-based code."""
    return bool(Authenticator.objects.filter(user_id=operator.pk, confirmed=True).exists())


def start_authenticator(operator: Operator) -> StartedFactor:
    """Return a fresh unconfirmed factor; an earlier unconfirmed one is forgotten."""
    key = secrets.token_bytes(KEY_BYTES)
    with transaction.atomic():
        Authenticator.objects.filter(user_id=operator.pk, confirmed=False).delete()
        device = Authenticator.objects.create(
            user_id=operator.pk, name="authenticator", confirmed=False, sealed_key=seal_factor_key(operator.pk, key)
        )
    return StartedFactor(device, key)


def confirm_authenticator(caller: Caller, *, operator: Operator, code: str, now: datetime) -> ConfirmedFactor:
    """Confirm the started factor with its first code and replace the others; raises ``ValidationFailed``."""
    with transaction.atomic():
        started = Authenticator.objects.select_for_update().filter(user_id=operator.pk, confirmed=False).first()
        if started is not None and started.verify_token(plain_code(code)):
            Authenticator.objects.filter(user_id=operator.pk).exclude(pk=started.pk).delete()
            started.confirmed = True
            started.save(update_fields=["confirmed"])
            codes = fresh_recovery_codes(operator)
            record(caller, "operator.second_factor_enabled", subject_id=operator.id, now=now)
            return ConfirmedFactor(started, codes)
    raise wrong_code()


def check_factor(caller: Caller, *, operator: Operator, code: str, now: datetime) -> Any:
    """Return the factor a code belongs to; raises ``ValidationFailed``, and the failure is audited."""
    typed = plain_code(code)
    for device in devices_for_user(operator):
        found = verify_token(operator, device.persistent_id, typed)
        if found is not None:
            return found
    record(caller, "operator.second_factor_failed", subject_id=operator.id, now=now)
    raise wrong_code()


def remove_factors(caller: Caller, *, operator: Operator, now: datetime) -> None:
    """Remove every factor of an operator; raises ``SecondFactorRequired`` for oneself where one is demanded."""
    if caller.principal_id == operator.id and is_required(operator):
        raise SecondFactorRequired
    with transaction.atomic():
        for kind in (Authenticator, RecoveryCodes, Passkey):
            kind.objects.filter(user_id=operator.pk).delete()
        record(caller, "operator.second_factor_removed", subject_id=operator.id, now=now)


def recovery_codes_left(operator: Operator) -> int:
    """Return how many recovery codes were not used yet."""
    return RecoveryCode.objects.filter(codes__user_id=operator.pk).count()


def renew_recovery_codes(caller: Caller, *, operator: Operator, now: datetime) -> tuple[SecretText, ...]:
    """Replace the recovery codes of somebody with a factor; raises ``Conflict`` for somebody without."""
    if not has_factor(operator):
        raise Conflict("Set up a second factor first.")
    with transaction.atomic():
        record(caller, "operator.recovery_codes_renewed", subject_id=operator.id, now=now)
        return fresh_recovery_codes(operator)


def fresh_recovery_codes(operator: Operator) -> tuple[SecretText, ...]:
    """Replace the operator's recovery codes; they are returned this once."""
    RecoveryCodes.objects.filter(user_id=operator.pk).delete()
    made = RecoveryCodes.objects.create(user_id=operator.pk, name="recovery codes", confirmed=True)
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(12)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(
        [RecoveryCode(codes=made, code_hash=hash_recovery_code(operator.pk, code)) for code in codes]
    )
    return tuple(SecretText(code) for code in codes)


def rewrap_factor_keys(caller: Caller, *, now: datetime) -> Iterator[str]:
    """Seal every authenticator's key under the primary key-encryption key; yields whose. Can be stopped and resumed."""
    primary = keyring().primary_id
    for pk in list(Authenticator.objects.exclude(sealed_key__startswith=f"v1.{primary}.").values_list("pk", flat=True)):
        with transaction.atomic():
            device = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if device is None:
                continue
            device.sealed_key = seal_factor_key(device.user_id, open_factor_key(device.user_id, device.sealed_key))
            device.save(update_fields=["sealed_key"])
            record(caller, "operator.second_factor_rewrapped", subject_id=device.user_id, now=now)
        yield str(device.user_id)


def unreadable_factor_keys() -> list[tuple[str, str]]:
    """Return (operator id, reason slug) for every authenticator whose key does not open."""
    broken = []
    for device in Authenticator.objects.order_by("pk"):
        try:
            open_factor_key(device.user_id, device.sealed_key)
        except Problem as problem:
            broken.append((str(device.user_id), problem.slug))
    return broken


def factor_key_ids() -> set[str]:
    """Return the ids of the key-encryption keys that operators' factors need."""
    return {text.split(".")[1] for text in Authenticator.objects.values_list("sealed_key", flat=True)}


def plain_code(text: str) -> str:
    """Return a typed code without spaces and dashes, in small letters."""
    return text.strip().replace(" ", "").replace("-", "").lower()


def wrong_code() -> ValidationFailed:
    """Return the one refusal of every wrong code."""
    return ValidationFailed(errors={"code": ["This code is not valid now."]})
