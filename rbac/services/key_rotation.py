"""Rotating signing keys without one failed check: publish the next key, wait until everybody has it, then sign with it.

Refused without ``force`` and a reason: a next key younger than a cached key set lives, or one that a gateway of its
algorithm lacks. An AgentOS has a key once it acknowledged it, for it reads its key file once, at its start; any other
gateway also by fetching the key set with its own token.
"""

from __future__ import annotations

from datetime import datetime

from authsvc.tenants.models import PrincipalState
from authsvc.tokens.jwt import ALGORITHMS
from authsvc.tokens.keys import KEY_SET_SECONDS, activate_next_key, find_next_key, stage_next_key
from authsvc.tokens.models import SigningKey
from authsvc.web.caller import Caller
from authsvc.web.problems import Conflict, NotFound, ValidationFailed
from rbac.models import Gateway, GatewayKind


class NoNextKey(Conflict):
    """There is nothing to activate."""

    slug, title = "no_next_key", "No next key"
    default_detail = "No next key is published for this algorithm; rotate first."


class KeyTooFresh(Conflict):
    """Somebody may still hold a cached key set without the next key."""

    slug, title = "key_too_fresh", "The next key is too fresh"
    default_detail = f"The next key must be published for {KEY_SET_SECONDS} seconds first, or give force and a reason."


class KeyNotAcknowledged(Conflict):
    """A gateway would refuse what the next key signs."""

    slug, title = "key_not_acknowledged", "A gateway does not have the next key"
    default_detail = "Not every gateway has acknowledged the next key; let them fetch it, or give force and a reason."


def rotate_key(caller: Caller, *, algorithm: str, now: datetime) -> SigningKey:
    """Publish a next key (or return the one that waits); raises ``ValidationFailed`` for an unknown algorithm."""
    _require_algorithm(algorithm)
    return stage_next_key(caller, algorithm=algorithm, now=now)


def activate_key(caller: Caller, *, algorithm: str, force_reason: str = "", now: datetime) -> SigningKey:
    """Sign with the next key from now on; a ``force_reason`` skips the two waiting rules and is audited.

    Raises ``NoNextKey``, ``KeyTooFresh`` or ``KeyNotAcknowledged``.
    """
    _require_algorithm(algorithm)
    upcoming = find_next_key(caller, algorithm=algorithm)
    if upcoming is None:
        raise NoNextKey
    if not force_reason:
        _require_ready(caller, upcoming, now)
    activated = activate_next_key(caller, algorithm=algorithm, reason=force_reason, now=now)
    if activated is None:
        raise NoNextKey
    return activated


def waiting_gateways(caller: Caller, key: SigningKey) -> list[Gateway]:
    """Return the active gateways that check with this algorithm and do not have the key yet."""
    gateways = Gateway.objects.for_environment(caller).filter(
        algorithm=key.algorithm, principal__state=PrincipalState.ACTIVE
    )
    return [gateway for gateway in gateways.order_by("id") if not has_key(gateway, key.kid)]


def has_key(gateway: Gateway, kid: str) -> bool:
    """True when the gateway can check what this key signs."""
    if kid in gateway.acknowledged_kids:
        return True
    return gateway.kind != GatewayKind.AGNO and kid in gateway.fetched_kids


def get_key(caller: Caller, key_id: str) -> SigningKey:
    """Return a key of the caller's environment by its id; raises ``NotFound``."""
    key = SigningKey.objects.for_environment(caller).filter(id=key_id).first()
    if key is None:
        raise NotFound
    return key


def _require_ready(caller: Caller, upcoming: SigningKey, now: datetime) -> None:
    if (now - upcoming.created_at).total_seconds() < KEY_SET_SECONDS:
        raise KeyTooFresh
    waiting = waiting_gateways(caller, upcoming)
    if waiting:
        raise KeyNotAcknowledged(extra={"gateways": [gateway.id for gateway in waiting]})


def _require_algorithm(algorithm: str) -> None:
    if algorithm not in ALGORITHMS:
        raise ValidationFailed(errors={"algorithm": [f"Choose one of {', '.join(ALGORITHMS)}."]})
