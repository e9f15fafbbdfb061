"""Scheduled rotation of signing keys: published ahead, then used, each when the environment's policy says.

The waiting rules of ``key_rotation`` hold here too: a key that a gateway lacks stays ``next``, the old one signs on,
and the log and the dashboard say who is missing. Nothing is ever forced. Safe to run in several processes at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from authsvc.tenants.models import TenantState
from authsvc.tenants.services import environment_caller, system_caller
from authsvc.tokens.jwt import ALGORITHMS
from authsvc.tokens.keys import find_next_key, stage_next_key
from authsvc.tokens.models import SigningKey, SigningKeyState, TokenPolicy
from authsvc.web.caller import Caller
from authsvc.web.problems import Problem
from rbac.services.key_rotation import activate_key

log = structlog.get_logger("authsvc.keys")


def rotate_due_keys(*, now: datetime) -> int:
    """Publish and activate what is due in every environment that rotates by itself; return how many keys moved."""
    policies = TokenPolicy.unscoped.select_related("environment__tenant")
    due = policies.filter(rotate_keys_after_days__isnull=False, environment__tenant__state=TenantState.ACTIVE)
    return sum(_rotate_environment(policy, now) for policy in due)


def _rotate_environment(policy: TokenPolicy, now: datetime) -> int:
    inside = environment_caller(system_caller(), policy.environment)
    keys = SigningKey.objects.for_environment(inside).filter(state=SigningKeyState.ACTIVE, algorithm__in=ALGORITHMS)
    return sum(_advance(inside, policy, key, now) for key in keys)


def _advance(caller: Caller, policy: TokenPolicy, key: SigningKey, now: datetime) -> int:
    """Take the next step of one key's rotation, if it is time; return 1 when something changed."""
    lead = timedelta(days=policy.key_lead_days)
    ends_at = (key.activated_at or key.created_at) + timedelta(days=policy.rotate_keys_after_days or 0)
    upcoming = find_next_key(caller, algorithm=key.algorithm)
    try:
        if upcoming is None:
            return int(now >= ends_at - lead and bool(stage_next_key(caller, algorithm=key.algorithm, now=now)))
        if now < max(ends_at, upcoming.created_at + lead):
            return 0
        activate_key(caller, algorithm=key.algorithm, now=now)
    except Problem as problem:
        place = f"{caller.tenant}/{caller.environment}"
        log.warning("signing_key.rotation_waits", place=place, algorithm=key.algorithm, code=problem.slug)
        return 0
    return 1
