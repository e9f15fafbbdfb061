"""The key ring of an environment: next → active → retiring → retired, per algorithm; the private half is sealed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import IntegrityError, transaction

from authsvc.audit.changes import Remembered, current_changes
from authsvc.audit.record import record
from authsvc.tenants.models import Environment
from authsvc.tenants.services import environment_caller, system_caller
from authsvc.tokens.claims import MAXIMUM_LIFE_SECONDS
from authsvc.tokens.jwt import DEFAULT_ALGORITHM, SHARED_SECRET_ALGORITHM, SigningKeyBackend, generate_key
from authsvc.tokens.models import PUBLISHED_STATES, SigningKey, SigningKeyState
from authsvc.tokens.policy import token_policy
from authsvc.vault.envelope import Place
from authsvc.vault.services import open_text, seal_text
from authsvc.web.caller import Caller
from authsvc.web.identifiers import new_id
from authsvc.web.problems import Conflict
from authsvc.web.secret_text import SecretText

RETIRING_SECONDS = MAXIMUM_LIFE_SECONDS + 60
KEY_SET_SECONDS = 300  # how long anybody may keep a fetched key set
DEVELOPMENT = "dev"
_ACTIVE: Remembered[tuple[str, str], SigningKey] = Remembered(4096)


class SharedSecretRefused(Conflict):
    """Shared secrets sign for a gateway of the development environment, and only after one was made."""

    slug, title = "shared_secret_refused", "No shared secret here"
    default_detail = "A shared secret (HS256) exists only for a gateway of the dev environment that was given one."


def create_signing_key(caller: Caller, *, algorithm: str, state: SigningKeyState, now: datetime) -> SigningKey:
    """Generate a key pair in the caller's environment and store it sealed, in the given state."""
    policy = token_policy(tenant_id=caller.tenant_id, environment_id=caller.environment_id)
    pair = generate_key(algorithm, rsa_bits=policy.rsa_bits)
    with transaction.atomic():
        key = SigningKey(
            tenant_id=caller.tenant_id,
            environment_id=caller.environment_id,
            kid=pair.kid,
            algorithm=algorithm,
            state=state,
            public_jwk=pair.public_jwk,
            created_at=now,
            activated_at=now if state == SigningKeyState.ACTIVE else None,
        )
        key.private_sealed = seal_text(caller, private_place(key), SecretText(pair.private_pem), now=now)
        key.save(force_insert=True)
        record(
            caller,
            "signing_key.created",
            subject_id=key.id,
            detail={"kid": key.kid, "algorithm": algorithm, "state": str(state)},
            now=now,
        )
    return key


def active_key(caller: Caller, *, algorithm: str = DEFAULT_ALGORITHM, now: datetime) -> SigningKey:
    """Return the key that signs in the caller's environment; the first use of an algorithm makes one."""
    known = _ACTIVE.find((caller.environment_id, algorithm))
    if known is not None:
        return known.value
    changes = current_changes(caller.tenant_id)
    key = _find_active(caller, algorithm)
    if key is not None:
        _ACTIVE.put((caller.environment_id, algorithm), caller.tenant_id, changes, key)
        return key
    try:
        return create_signing_key(caller, algorithm=algorithm, state=SigningKeyState.ACTIVE, now=now)
    except IntegrityError:  # another process made it first; the constraint allows one
        winner = _find_active(caller, algorithm)
        if winner is None:
            raise
        return winner


def stage_next_key(caller: Caller, *, algorithm: str, now: datetime) -> SigningKey:
    """Publish a next key (or return the one already published); it signs nothing until it is activated."""
    waiting = find_next_key(caller, algorithm=algorithm)
    if waiting is not None:
        return waiting
    try:
        return create_signing_key(caller, algorithm=algorithm, state=SigningKeyState.NEXT, now=now)
    except IntegrityError:  # another process published it first; the constraint allows one
        winner = find_next_key(caller, algorithm=algorithm)
        if winner is None:
            raise
        return winner


def find_next_key(caller: Caller, *, algorithm: str) -> SigningKey | None:
    """Return the published next key of an algorithm, if there is one."""
    return SigningKey.objects.for_environment(caller).filter(algorithm=algorithm, state=SigningKeyState.NEXT).first()


def activate_next_key(caller: Caller, *, algorithm: str, reason: str = "", now: datetime) -> SigningKey | None:
    """Make the published next key sign; the old one verifies until its last token is dead. ``None`` without a next."""
    with transaction.atomic():
        keys = SigningKey.objects.for_environment(caller).filter(algorithm=algorithm).select_for_update()
        upcoming = keys.filter(state=SigningKeyState.NEXT).first()
        if upcoming is None:
            return None
        keys.filter(state=SigningKeyState.ACTIVE).update(
            state=SigningKeyState.RETIRING, retire_at=now + timedelta(seconds=RETIRING_SECONDS)
        )
        upcoming.state, upcoming.activated_at = SigningKeyState.ACTIVE, now
        upcoming.save(update_fields=["state", "activated_at"])
        detail = {"kid": upcoming.kid, "algorithm": algorithm, "reason": reason}
        record(caller, "signing_key.activated", subject_id=upcoming.id, detail=detail, now=now)
    return upcoming


def retire_key(caller: Caller, *, key: SigningKey, reason: str = "", now: datetime) -> SigningKey:
    """Take a key out of the key set at once: what it signed is refused, its private half is erased."""
    with transaction.atomic():
        key.state, key.private_sealed, key.retire_at = SigningKeyState.RETIRED, "", now
        key.save(update_fields=["state", "private_sealed", "retire_at"])
        detail = {"kid": key.kid, "algorithm": key.algorithm, "reason": reason}
        record(caller, "signing_key.retired", subject_id=key.id, detail=detail, now=now)
    return key


def retire_due_keys(*, now: datetime) -> list[SigningKey]:
    """Retire every key whose last token is dead, in all tenants; the worker's step. Returns what it retired."""
    keys = SigningKey.unscoped.select_related("environment__tenant")
    retired = []
    for key in keys.filter(state=SigningKeyState.RETIRING, retire_at__lte=now):
        inside = environment_caller(system_caller(), key.environment)
        retired.append(retire_key(inside, key=key, reason="its last token is dead", now=now))
    return retired


def create_shared_secret(caller: Caller, *, audience: str, now: datetime) -> tuple[SigningKey, SecretText]:
    """Replace an audience's shared secret; what the old one signed is refused at once. Raises ``SharedSecretRefused``.

    The secret has 384 random bits and is returned this once; development only, because whoever checks with it can sign.
    """
    if caller.environment != DEVELOPMENT:
        raise SharedSecretRefused
    secret = SecretText(secrets.token_urlsafe(48))
    key = SigningKey(
        tenant_id=caller.tenant_id,
        environment_id=caller.environment_id,
        kid=new_id("hsk"),
        algorithm=SHARED_SECRET_ALGORITHM,
        audience=audience,
        state=SigningKeyState.ACTIVE,
        public_jwk={},
        created_at=now,
        activated_at=now,
    )
    with transaction.atomic():
        retire_shared_secrets(caller, audience=audience, now=now)
        key.private_sealed = seal_text(caller, private_place(key), secret, now=now)
        key.save(force_insert=True)
        detail = {"kid": key.kid, "algorithm": key.algorithm, "state": key.state}
        record(caller, "signing_key.created", subject_id=key.id, detail=detail, now=now)
    return key, secret


def retire_shared_secrets(caller: Caller, *, audience: str, now: datetime) -> None:
    """End the shared secrets of an audience, with everything they signed."""
    keys = SigningKey.objects.for_environment(caller).filter(algorithm=SHARED_SECRET_ALGORITHM, audience=audience)
    for key in keys.exclude(state=SigningKeyState.RETIRED):
        retire_key(caller, key=key, reason="replaced", now=now)


def get_shared_secret(caller: Caller, *, audience: str) -> SigningKey:
    """Return the shared secret that signs for an audience; raises ``SharedSecretRefused`` when there is none."""
    keys = SigningKey.objects.for_environment(caller).filter(algorithm=SHARED_SECRET_ALGORITHM, audience=audience)
    key = keys.filter(state=SigningKeyState.ACTIVE).first()
    if key is None or caller.environment != DEVELOPMENT:
        raise SharedSecretRefused
    return key


def published_keys(environment: Environment) -> Sequence[SigningKey]:
    """Return the keys of the public key set: next, active and retiring, newest first."""
    keys = SigningKey.objects.for_tenant(environment.tenant_id)
    published = keys.filter(environment=environment, state__in=PUBLISHED_STATES)
    return list(published.exclude(algorithm=SHARED_SECRET_ALGORITHM))


def signing_backend(key: SigningKey) -> SigningKeyBackend:
    """Return the backend that signs with this key; the private half is opened and parsed once per sealed text."""
    return _signing_backend(key.kid, key.algorithm, private_place(key), key.private_sealed)


def verifying_backend(key: SigningKey) -> SigningKeyBackend:
    """Return the backend that checks with this key: its public half, or the shared secret."""
    if key.algorithm == SHARED_SECRET_ALGORITHM:
        return signing_backend(key)
    return SigningKeyBackend(kid=key.kid, algorithm=key.algorithm, public_jwk=key.public_jwk)


def private_place(key: SigningKey) -> Place:
    """Return where the private half is sealed."""
    return Place(key.tenant_id, key.environment_id, "signing_key", key.id, "private_sealed")


@lru_cache(maxsize=1024)
def _signing_backend(kid: str, algorithm: str, place: Place, sealed: str) -> SigningKeyBackend:
    return SigningKeyBackend(kid=kid, algorithm=algorithm, private_pem=open_text(place, sealed).reveal())


def _find_active(caller: Caller, algorithm: str) -> SigningKey | None:
    keys = SigningKey.objects.for_environment(caller)
    return keys.filter(algorithm=algorithm, audience="", state=SigningKeyState.ACTIVE).first()
