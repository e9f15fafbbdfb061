"""A device proves itself with its secret; a wrong secret and an unknown device look and cost the same.

Bad proofs are counted: for the device, whose trust they may cost, and for the network they came from, which is made
to wait. The device itself is never locked out from elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction

from authsvc.audit.changes import Known, Remembered, current_changes
from authsvc.audit.failures import note_failed_proof
from authsvc.audit.ledger import Ledger
from authsvc.audit.record import record
from authsvc.audit.together import once_more, write_together
from authsvc.tenants.models import Environment, PrincipalState, TenantState
from authsvc.tenants.services import environment_caller, system_caller
from authsvc.tokens.claims import TokenRefused
from authsvc.tokens.models import ApiKeyKind
from authsvc.tokens.opaque import pepper, verify_opaque
from authsvc.web.caller import Caller, CallerKind
from authsvc.web.prepared import Prepared
from authsvc.web.problems import Forbidden, TooManyRequests, Unauthenticated
from devices.models import Device, FailedProof
from devices.services.enrol import OUR_SECRETS
from devices.services.policy import discreet, policy_of
from devices.services.standing import change_standing, touch_nobody
from devices.services.trust import PROOF_KINDS, DeviceTrust, device_trust
from devices.trust_changes import Happening, TrustEvent

Gain = TypeVar("Gain")
GUESSES = 10
UNKNOWN_COUNT = -1  # no tenant's count
GUESS_WINDOW = timedelta(minutes=10)


class DeviceNotActive(Forbidden):
    """The secret is right and the device is not in service."""

    slug, title = "device_not_active", "Device is not active"
    default_detail = "The device is not active; an administrator has to approve or resume it."


class TooManyGuesses(TooManyRequests):
    """Too many bad proofs for one device id from one network; the same for ids that do not exist."""

    slug, title = "too_many_guesses", "Too many wrong proofs"
    default_detail = "Too many wrong proofs for this device from this address; wait."


@dataclass(frozen=True, slots=True)
class ProvenDevice:
    """A device that proved itself in this request, the caller it is, and its trust."""

    device: Device
    caller: Caller
    trust: DeviceTrust


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to prove to be a device: from where, and inside which environment when a bearer came along."""

    device_id: str
    within: Caller | None
    address: str
    request_id: str
    now: datetime


_GUESSES = Prepared(
    lambda source, since: (
        FailedProof.objects.filter(source=source, failed_at__gt=since).order_by().values_list("id")[:GUESSES]
    ),
    moments=["since"],
)
_PROVEN: Remembered[tuple[str, bytes], Device] = Remembered(4096)
_CLAIMED = Prepared(
    lambda device_id: (
        Device.unscoped.select_related("principal", "gateway", "environment__tenant", "environment__device_policy")
        .filter(
            id=device_id,
            principal__state=PrincipalState.ACTIVE,
            environment__tenant__state=TenantState.ACTIVE,
        )
        .order_by()
    )
)


def authenticate_device(
    device_id: str, secret: str, *, within: Caller | None, address: str, request_id: str, now: datetime
) -> ProvenDevice:
    """Return the proven device; raises ``Unauthenticated`` for any bad proof and ``DeviceNotActive`` for a good one.

    ``within`` is the caller when the request also carried a bearer: a device of another environment is unknown to it.
    """
    return use_secret(Attempt(device_id, within, address, request_id, now), secret, _proven)


def use_secret(attempt: Attempt, secret: str, then: Callable[[ProvenDevice], Gain]) -> Gain:
    """Do ``then`` with the device that shows its secret, in the transaction that counts the proof; raises as above."""
    return once_more(lambda: _with_secret(attempt, secret, then))


def _with_secret(attempt: Attempt, secret: str, then: Callable[[ProvenDevice], Gain]) -> Gain:
    require_patience(attempt)
    name = (attempt.device_id, hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest())
    known = _PROVEN.find(name)
    claimed = find_claimed(attempt) if known is None else known.value
    if claimed is not None and _is_elsewhere(attempt, claimed):
        claimed = None
    proof = _proof_of(claimed, secret, attempt)
    if claimed is None or not proof:
        refuse_proof(attempt, claimed, "secret")
        raise Unauthenticated
    return use_proof(attempt, known or _remembered(name, claimed), proof, then)


def accept_proof(attempt: Attempt, device: Device, proof: str) -> ProvenDevice:
    """Count the proof and return the device as it now stands; raises ``DeviceNotActive`` unless it is in service."""
    return use_proof(attempt, claim_of(device), proof, _proven)


def use_proof(attempt: Attempt, claimed: Known[Device], proof: str, then: Callable[[ProvenDevice], Gain]) -> Gain:
    """Count the proof and do ``then`` with the device as it now stands, both in one transaction.

    Raises ``DeviceNotActive``, after counting the proof, unless the device is in service.
    """
    device, caller = claimed.value, device_caller(claimed.value, proof, attempt, changes=claimed.changes)
    seen = (TrustEvent(Happening.TIME_PASSED), TrustEvent(Happening.PROOF_SUCCEEDED, proof=PROOF_KINDS[proof]))

    def count(ledger: Ledger) -> tuple[str, Gain | None]:
        stands = change_standing(caller, device, *seen, now=attempt.now)
        trust = device_trust(stands, proof=proof, now=attempt.now)
        if trust is None:
            detail: dict[str, object] = {"proof": proof, "reason": f"device is {stands.status}"}
            ledger.record(caller, "device.authentication_failed", subject_id=device.id, detail=detail, now=attempt.now)
            return stands.status, None
        detail = {"proof": proof, "trust_level": trust.level}
        ledger.record(caller, "device.authenticated", subject_id=device.id, detail=detail, now=attempt.now)
        return stands.status, then(ProvenDevice(stands, caller, trust))

    status, gained = write_together(caller, count)
    if gained is None:
        raise DeviceNotActive(extra={"device_status": status})
    return gained


def _proven(proven: ProvenDevice) -> ProvenDevice:
    return proven


def refuse_proof(attempt: Attempt, device: Device | None, proof: str) -> None:
    """Count a bad proof; a device that exists hears of it, and for one that does not the same work is done and undone.

    So neither the time nor the number of questions tells whether there is such a device, and made-up ids leave no row
    in an audit that an outsider could pile up.
    """
    with transaction.atomic():
        FailedProof(source=_source(attempt), failed_at=attempt.now).save(force_insert=True)
        undone = transaction.savepoint()
        if device is None:
            caller = _nobody(attempt)
            touch_nobody(caller, attempt.device_id)
        else:
            caller = device_caller(device, proof, attempt)
            change_standing(caller, device, TrustEvent(Happening.PROOF_FAILED), now=attempt.now)
        detail = {"proof": proof, "reason": "wrong proof"}
        subject_id = caller.principal_id
        record(caller, "device.authentication_failed", subject_id=subject_id, detail=detail, now=attempt.now)
        end = transaction.savepoint_rollback if device is None else transaction.savepoint_commit
        end(undone)
    _count_failure(attempt, device, proof)


def _count_failure(attempt: Attempt, device: Device | None, proof: str) -> None:
    """Count it for the device and the network; what does not exist is counted as well, for the platform."""
    watcher = system_caller(request_id=attempt.request_id)
    if device is not None:
        watcher = environment_caller(watcher, device.environment)
        watcher = discreet(replace(watcher, address=attempt.address), policy_of(device))
    note_failed_proof(watcher, principal_id=attempt.device_id, address=attempt.address, proof=proof, now=attempt.now)


def require_patience(attempt: Attempt) -> None:
    """Raise ``TooManyGuesses`` for a network that guessed too often at this device id lately; that counts as well."""
    since = attempt.now - GUESS_WINDOW
    if len(_GUESSES.rows(source=_source(attempt), since=since)) >= GUESSES:
        _count_failure(attempt, find_claimed(attempt), "too many guesses")
        raise TooManyGuesses(headers={"Retry-After": str(int(GUESS_WINDOW.total_seconds()))})


def find_claimed(attempt: Attempt) -> Device | None:
    """Return the device somebody claims to be, of whichever tenant unless a bearer says where; dead ones are nobody."""
    found = _CLAIMED.first(device_id=attempt.device_id)
    return found if isinstance(found, Device) and not _is_elsewhere(attempt, found) else None


def _is_elsewhere(attempt: Attempt, device: Device) -> bool:
    return attempt.within is not None and attempt.within.environment_id != device.environment_id


def _remembered(name: tuple[str, bytes], device: Device) -> Known[Device]:
    """Remember a device by the good secret it showed, until its tenant changes; a bad one must cost what it costs for
    a device that does not exist. The tenant is known only now: its count is read first, then the row a second time.
    """
    changes = current_changes(device.tenant_id)
    current = _CLAIMED.first(device_id=device.id)
    if not isinstance(current, Device):
        raise Unauthenticated
    _PROVEN.put(name, current.tenant_id, changes, current)
    return Known(current.tenant_id, changes, current)


def claim_of(device: Device) -> Known[Device]:
    """Return a device that was just looked up under an unknown count: what it rests on is looked at again."""
    return Known(device.tenant_id, UNKNOWN_COUNT, device)


def device_caller(device: Device, proof: str, attempt: Attempt, *, changes: int | None = None) -> Caller:
    """Return the device as the caller it is, without its address where the environment keeps none."""
    environment: Environment = device.environment
    caller = Caller(
        tenant_id=device.tenant_id,
        tenant=environment.tenant.slug,
        environment_id=environment.id,
        environment=environment.name,
        principal_id=device.id,
        kind=CallerKind.DEVICE,
        scopes=frozenset(),
        proof=proof,
        device_id=device.id,
        request_id=attempt.request_id,
        address=attempt.address,
        changes=changes,
    )
    return discreet(caller, policy_of(device))


def _nobody(attempt: Attempt) -> Caller:
    """Return a caller of no tenant, for work that is undone again."""
    return Caller(
        tenant_id="",
        tenant="",
        environment_id="",
        environment="",
        principal_id=attempt.device_id,
        kind=CallerKind.DEVICE,
        scopes=frozenset(),
        request_id=attempt.request_id,
        address=attempt.address,
    )


def _proof_of(device: Device | None, secret: str, attempt: Attempt) -> str:
    """Return which proof the secret is, or nothing; a secret of one kind costs the same for every device."""
    if secret.startswith(OUR_SECRETS):
        return "device_secret" if _is_server_secret(device, secret, attempt) else ""
    return "chosen_secret" if _is_chosen_secret(device, secret, attempt.now) else ""


def _is_server_secret(device: Device | None, secret: str, attempt: Attempt) -> bool:
    try:
        key = verify_opaque(secret, address=attempt.address, now=attempt.now)
    except TokenRefused:
        return False
    return device is not None and key.kind == ApiKeyKind.DEVICE_SECRET and key.principal_id == device.id


def _is_chosen_secret(device: Device | None, secret: str, now: datetime) -> bool:
    if device is None or not device.chosen_secret_hash:
        make_password(secret)  # the slow hash, so that nobody learns which devices have such a secret
        return False
    ended = device.chosen_secret_ends_at is not None and now >= device.chosen_secret_ends_at
    return check_password(secret, device.chosen_secret_hash) and not ended


def _source(attempt: Attempt) -> str:
    text = f"failed proof|{attempt.device_id}|{attempt.address}"
    return hmac.new(pepper(), text.encode(), hashlib.sha256).hexdigest()
