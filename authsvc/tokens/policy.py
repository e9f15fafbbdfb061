"""How long the proofs of one environment live and when its signing keys rotate: read, and changed by an administrator.

An environment that said nothing has the defaults of ``TokenPolicy``. No setting goes beyond ``LIMITS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from authsvc.audit.changes import Remembered, current_changes
from authsvc.audit.record import record
from authsvc.tenants.known import known_tenant
from authsvc.tokens.claims import MAXIMUM_LIFE_SECONDS
from authsvc.tokens.models import TokenPolicy
from authsvc.web.caller import Caller
from authsvc.web.problems import ValidationFailed

# Smallest and largest value of each setting, in its own unit.
LIMITS: Mapping[str, tuple[int, int]] = {
    "access_token_seconds": (60, MAXIMUM_LIFE_SECONDS),
    "refresh_idle_days": (1, 365),
    "refresh_total_days": (1, 3650),
    "api_key_days": (1, 365),
    "gateway_token_days": (1, 365),
    "device_secret_days": (1, 365),
    "rotation_due_days": (1, 365),
    "rotate_keys_after_days": (2, 3650),
    "key_lead_days": (1, 365),
    "rsa_bits": (2048, 4096),
}
MAXIMUM_REMEMBERED = 4096
_POLICIES: Remembered[str, TokenPolicy] = Remembered(MAXIMUM_REMEMBERED)
RSA_BITS = (2048, 3072, 4096)
MAY_BE_EMPTY = frozenset({"access_token_seconds", "rotate_keys_after_days"})


def token_policy(*, tenant_id: str, environment_id: str) -> TokenPolicy:
    """Return the policy of an environment, unsaved defaults when it has none; writes nothing."""
    found = TokenPolicy.objects.for_tenant(tenant_id).filter(environment_id=environment_id).first()
    return found or TokenPolicy(tenant_id=tenant_id, environment_id=environment_id)


def known_token_policy(caller: Caller) -> TokenPolicy:
    """Return the policy of the caller's environment for reading: looked up once per change, shared, never changed."""
    known = _POLICIES.find(caller.environment_id)
    if known is not None:
        return known.value
    changes = current_changes(caller.tenant_id)
    policy = token_policy(tenant_id=caller.tenant_id, environment_id=caller.environment_id)
    _POLICIES.put(caller.environment_id, caller.tenant_id, changes, policy)
    return policy


def create_token_policy(caller: Caller) -> None:
    """Give a new environment its row with the defaults, so that the admin lists it; one that has a row keeps it."""
    TokenPolicy.objects.for_environment(caller).get_or_create(
        environment_id=caller.environment_id, defaults={"tenant_id": caller.tenant_id}
    )


def set_token_policy(caller: Caller, *, changes: Mapping[str, int | None], now: datetime) -> TokenPolicy:
    """Change the named settings of the caller's environment; raises ``ValidationFailed`` by field. The rest stays."""
    _require_within_limits(changes)
    with transaction.atomic():
        policy = token_policy(tenant_id=caller.tenant_id, environment_id=caller.environment_id)
        for name, value in changes.items():
            setattr(policy, name, value)
        _require_sense(policy)
        policy.save()
        record(
            caller,
            "token_policy.updated",
            subject_id=caller.environment_id,
            detail={"changed": sorted(changes)},
            now=now,
        )
    return policy


def access_token_seconds(caller: Caller) -> int:
    """Return how long an access token of the caller's environment lives at most, which is also how long by default."""
    return known_token_policy(caller).access_token_seconds or known_tenant(caller.tenant_id).access_token_ttl_seconds


def _require_within_limits(changes: Mapping[str, int | None]) -> None:
    errors = {}
    for name, value in changes.items():
        if name not in LIMITS:
            errors[name] = ["Unknown field."]
        elif value is None:
            errors |= {} if name in MAY_BE_EMPTY else {name: ["This cannot be empty."]}
        elif not LIMITS[name][0] <= value <= LIMITS[name][1]:
            errors[name] = [f"Choose {LIMITS[name][0]} to {LIMITS[name][1]}."]
    if errors:
        raise ValidationFailed(errors=errors)


def _require_sense(policy: TokenPolicy) -> None:
    if policy.refresh_idle_days > policy.refresh_total_days:
        raise ValidationFailed(errors={"refresh_idle_days": ["This cannot exceed refresh_total_days."]})
    if policy.rsa_bits not in RSA_BITS:
        raise ValidationFailed(errors={"rsa_bits": [f"Choose one of {', '.join(map(str, RSA_BITS))}."]})
    if policy.rotate_keys_after_days is not None and policy.key_lead_days >= policy.rotate_keys_after_days:
        raise ValidationFailed(errors={"key_lead_days": ["This must be less than rotate_keys_after_days."]})
